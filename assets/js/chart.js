/* Charts with Plotly on elements we own: `react` keeps the node, so zoom and hover survive. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const { store, column, cssValue } = CT;

  const CONFIG = {
    responsive: true,
    displaylogo: false,
    displayModeBar: false,
    scrollZoom: false,
    doubleClick: "reset",
  };

  CT.smooth = (values, weight) => {
    // Exponential mean with bias correction, so that the first points are not pulled to zero.
    let mean = 0;
    let bias = 1;
    return values.map((value) => {
      if (value == null) return null;
      mean = weight * mean + (1 - weight) * value;
      bias *= weight;
      return +(mean / (1 - bias)).toFixed(5);
    });
  };

  CT.chartLayout = (revision, logScale) => {
    const ink = cssValue("--body-text-color-subdued");
    const grid = cssValue("--border-color-primary");
    const axis = { gridcolor: grid, zeroline: false, automargin: true, linecolor: grid };
    return {
      margin: { l: 48, r: 16, t: 8, b: 38 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "IBM Plex Sans", size: 11.5, color: ink },
      showlegend: false,
      hovermode: "x unified",
      hoverlabel: {
        bgcolor: cssValue("--background-fill-primary"),
        bordercolor: grid,
        font: { family: "IBM Plex Sans", size: 12, color: cssValue("--body-text-color") },
      },
      uirevision: revision, // the same value keeps the zoom, another one drops it
      dragmode: "zoom",
      xaxis: {
        ...axis,
        title: { text: "step", standoff: 8, font: { size: 11.5 } },
        uirevision: revision,
        rangemode: "nonnegative",
        spikemode: "across",
        spikethickness: 1,
        spikecolor: ink,
        spikedash: "solid",
      },
      yaxis: { ...axis, type: logScale ? "log" : "linear", uirevision: `${revision} ${logScale}` },
    };
  };

  CT.lowerPlot = (layout, title) => {
    // A second plot below the first, over the same steps; its axis is y3.
    const ink = cssValue("--body-text-color-subdued");
    layout.yaxis.domain = [0.4, 1];
    layout.yaxis3 = { ...layout.yaxis, type: "linear", domain: [0, 0.29], nticks: 4 };
    layout.yaxis3.uirevision = `${layout.uirevision} lower`;
    layout.xaxis.anchor = "y3";
    layout.hoversubplots = "axis";
    layout.annotations = [
      {
        text: title,
        ...{ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 0.3, yanchor: "bottom" },
        ...{ showarrow: false, font: { size: 12, color: ink } },
      },
    ];
    return layout;
  };

  // How many holes would be written exactly, and of how many.
  CT.exactly = ([, , share, holes]) => [Math.round(share * holes), holes];

  CT.scoreTrace = (name, rows, color, more) =>
    CT.trace(name, rows, color, {
      yaxis: "y3",
      mode: "lines+markers",
      customdata: rows.map((row) => CT.exactly(row).join(" of ")),
      hovertemplate: "%{y:.3f} nats, %{customdata} exact",
      marker: { color, size: CT.bestFirst(rows, 10, 6), line: { width: 0 } },
      ...more,
    });

  CT.bestFirst = (rows, big, small) => {
    // The sizes of markers: the lowest value's is big.
    const values = rows.map((row) => row[1] ?? Infinity);
    const best = values.indexOf(Math.min(...values));
    return values.map((_, i) => (i === best && rows.length > 1 ? big : small));
  };

  CT.plot = (element, traces, layout) => window.Plotly.react(element, traces, layout, CONFIG);

  CT.trace = (name, rows, color, more) => ({
    name,
    x: column(rows, 0),
    y: column(rows, 1),
    mode: "lines",
    hovertemplate: "%{y:.4f}",
    line: { color, width: 1.6 },
    ...more,
  });

  CT.whenDrawable = (element, draw) => {
    // A chart drawn in a hidden tab has no size: draw when it is seen, and again when it grows.
    const observer = new ResizeObserver(() => {
      if (!window.Plotly || !element.offsetParent) return;
      if (element.querySelector(".main-svg")) window.Plotly.Plots.resize(element);
      draw();
    });
    observer.observe(element);
    const wait = () => (window.Plotly ? draw() : setTimeout(wait, 30));
    wait();
  };

  CT.define("lossChart", (element) => {
    const card = element.querySelector(".chartcard");
    const plot = element.querySelector(".plt");
    const find = (selector) => element.querySelector(selector);
    let weight = 0.8;
    let logScale = false;
    let held = false;

    function traces() {
      const tuned = cssValue("--ct-tuned");
      const heldOut = cssValue("--ct-eval");
      const smooth = CT.smooth(column(store.m, 1), weight);
      const places = [...new Set(store.c)];
      return [
        CT.trace("train", store.m, cssValue("--ct-raw"), {
          line: { color: cssValue("--ct-raw"), width: 1 },
        }),
        CT.trace("smoothed", store.m, tuned, { y: smooth, line: { color: tuned, width: 2.2 } }),
        CT.trace("held-out", store.e, heldOut, {
          mode: "lines+markers",
          marker: { color: heldOut, size: CT.bestFirst(store.e, 10, 6), line: { width: 0 } },
        }),
        ...(store.s.length ? [CT.scoreTrace("middle", store.s, heldOut)] : []),
        {
          x: places,
          y: places.map(() => 0.015),
          yaxis: "y2",
          mode: "markers",
          hoverinfo: "skip",
          marker: { symbol: "triangle-up", size: 8, color: cssValue("--ct-base") },
        },
      ];
    }

    const resumeLine = (step) => ({
      type: "line",
      ...{ x0: step, x1: step, xref: "x", y0: 0, y1: 1, yref: "paper" },
      line: { color: cssValue("--ct-base"), width: 1, dash: "dot" },
    });

    const baseLine = (nll) => ({
      type: "line",
      ...{ x0: 0, x1: 1, xref: "paper", y0: nll, y1: nll, yref: "y3" },
      line: { color: cssValue("--ct-base"), width: 1.4, dash: "dash" },
    });

    function draw() {
      const empty = !store.m.length && !store.e.length;
      card.classList.toggle("is-empty", empty);
      if (!window.Plotly || !plot.offsetParent || empty) return;
      const layout = CT.chartLayout(store.run, logScale);
      layout.yaxis2 = { overlaying: "y", range: [0, 1], fixedrange: true, visible: false };
      layout.shapes = store.r.map(resumeLine);
      card.classList.toggle("with-card", store.s.length > 0);
      if (store.s.length) {
        const holes = store.s[0][3];
        const title = `Missing code of ${holes} held-out holes, nats per character: lower is likelier`;
        CT.lowerPlot(layout, title);
        const [step, nll] = store.s[0];
        if (step === 0 && nll != null) layout.shapes.push(baseLine(nll));
      }
      CT.plot(plot, traces(), layout);
    }

    function toggle(button, value) {
      button.setAttribute("aria-pressed", value);
      button.classList.toggle("on", value);
      draw();
    }
    find(".sm").oninput = (event) => {
      weight = event.target.value / 100;
      draw();
    };
    find("[data-log]").onclick = (event) => toggle(event.target, (logScale = !logScale));
    find("[data-hold]").onclick = (event) => toggle(event.target, (held = !held));
    find("[data-reset]").onclick = () => {
      if (!plot.querySelector(".main-svg")) return;
      window.Plotly.relayout(plot, { "xaxis.autorange": true, "yaxis.autorange": true });
    };
    window.addEventListener("ct-theme", draw);
    let shown = "";
    CT.subscribe(element, (delta) => {
      const other = shown !== store.run;
      shown = store.run;
      if (other || (!held && (delta.reset || delta.m.length || delta.e.length || delta.s.length))) draw();
    });
    CT.whenDrawable(plot, draw);
  });
});
