/* The Runs tab: a table drawn from one JSON route, two to four ticked runs over each other. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const MOST = 4;
  const EVERY_MS = 3000;
  const COLORS = ["--ct-run-1", "--ct-run-2", "--ct-run-3", "--ct-run-4"];

  function cell(row, content, className = "") {
    const made = row.insertCell();
    made.className = className;
    if (content != null) made.append(content); // text or an element, never markup
    return made;
  }

  function svg(box, ...paths) {
    const space = "http://www.w3.org/2000/svg";
    const made = document.createElementNS(space, "svg");
    made.setAttribute("viewBox", box);
    made.setAttribute("aria-hidden", "true");
    for (const d of paths) {
      const path = document.createElementNS(space, "path");
      path.setAttribute("d", d);
      path.setAttribute("fill", "none");
      made.append(path);
    }
    return made;
  }
  const drawing = (path) => svg("0 0 24 24", path);

  function spark(values) {
    const made = svg("0 0 100 22", "");
    made.setAttribute("preserveAspectRatio", "none");
    CT.sparkline(made, values);
    return made;
  }

  const ICONS = {
    open: "M3 12h14M12 6l6 6-6 6M21 4v16",
    resume: "M7 4v16l13-8z",
    earlier: "M12 20V5M6 11l6-6 6 6",
    later: "M12 4v15M6 13l6 6 6-6",
    drop: "M6 6l12 12M18 6L6 18",
    rename: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
    copy: "M9 9h11v12H9zM5 15H4V3h11v2",
    remove: "M4 7h16M10 11v6M14 11v6M6 7l1 14h10l1-14M9 7V3h6v4",
  };

  const when = (seconds) =>
    new Date(seconds * 1000).toLocaleString("en-GB", {
      ...{ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
    });

  // Names, in the order of their colours; kept, for a sweep is looked at the next morning.
  const ticked = JSON.parse(localStorage.ctCompared ?? "[]");
  const keep = () => (localStorage.ctCompared = JSON.stringify(ticked));
  CT.compare = (names) => {
    ticked.splice(0, ticked.length, ...names.slice(0, MOST));
    keep();
    CT.go("runs");
  };

  CT.define("runs", (element) => {
    const find = (selector) => element.querySelector(selector);
    let shown = "";
    let known = [];

    function open(name) {
      CT.show(name);
      CT.go("train");
    }

    async function remove(run) {
      const text = `Delete ${run.name} for good? Its folder is ${run.size}.`;
      if ((await CT.ask(text, "Delete")) && (await CT.act(run.name, "delete"))) load();
    }

    async function rename(run) {
      const name = await CT.ask(`A new name for ${run.name}`, "Rename", run.name);
      if (name && name !== run.name && (await CT.act(run.name, "rename", { name }))) load();
    }

    function actions(run) {
      const box = document.createElement("div");
      box.className = "acts";
      const add = (label, icon, deed) => {
        const made = CT.button("", label === "Delete" ? "danger" : "");
        made.title = label;
        made.setAttribute("aria-label", `${label} ${run.name}`);
        made.append(drawing(icon));
        made.onclick = () => deed();
        box.append(made);
      };
      const still = !["preparing", "running", "stopping"].includes(run.state);
      add("Open", ICONS.open, () => open(run.name));
      const turn = (label, deed) =>
        add(label, ICONS[deed], async () => (await CT.act(run.name, deed)) && load());
      if (run.can.includes("earlier")) turn("Start earlier", "earlier");
      if (run.can.includes("later")) turn("Start later", "later");
      if (run.can.includes("drop")) turn("Take out of the queue", "drop");
      if (run.state === "waiting") return box;
      if (run.can.includes("resume")) {
        add("Resume", ICONS.resume, async () => {
          if (await CT.act(run.name, "resume")) open(run.name);
        });
      }
      if (still) add("Rename", ICONS.rename, () => rename(run));
      add("Copy the command", ICONS.copy, () => {
        navigator.clipboard?.writeText(run.command);
        CT.toast(`Copied: ${run.command}`, "note");
      });
      if (still) add("Delete", ICONS.remove, () => remove(run));
      return box;
    }

    function tick(run) {
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = ticked.includes(run.name);
      box.disabled = !box.checked && ticked.length >= MOST;
      box.setAttribute("aria-label", `Compare ${run.name}`);
      if (box.checked) box.style.accentColor = `var(${COLORS[ticked.indexOf(run.name)]})`;
      box.onchange = () => {
        if (box.checked) ticked.push(run.name);
        else ticked.splice(ticked.indexOf(run.name), 1);
        keep();
        draw();
        overlay();
      };
      return box;
    }

    function draw() {
      const body = find("tbody");
      const focus = body.contains(document.activeElement)
        ? document.activeElement.getAttribute("aria-label")
        : null;
      body.replaceChildren();
      for (const run of known) {
        const row = body.insertRow();
        row.dataset.name = run.name;
        cell(row, tick(run));
        const name = CT.button(run.name, "link");
        name.setAttribute("aria-label", `Open ${run.name}`);
        name.onclick = () => open(run.name);
        cell(row, name);
        const pill = document.createElement("em");
        pill.className = "pill";
        CT.pill(pill, run.state, run.place ? `${run.label} · ${run.place}` : run.label);
        cell(row, pill);
        cell(row, run.base_model, "wide");
        cell(row, run.data, "wide");
        cell(row, `${run.step.toLocaleString()} / ${run.total.toLocaleString()}`, "num");
        cell(row, run.best == null ? "" : run.best.toFixed(3), "num");
        cell(row, when(run.started), "wide");
        cell(row, run.duration, "num");
        cell(row, run.size, "num wide");
        cell(row, spark(run.spark), "spark wide");
        cell(row, actions(run));
      }
      if (focus) body.querySelector(`[aria-label="${CSS.escape(focus)}"]`)?.focus();
      find(".runs-some").hidden = !known.length;
      find(".empty").hidden = Boolean(known.length);
    }

    async function overlay() {
      const card = find(".chartcard");
      card.hidden = ticked.length < 2;
      if (card.hidden || !window.Plotly) return;
      const curves = await CT.get(`/ct-api/curves?${new URLSearchParams({ runs: ticked.join() })}`);
      card.hidden = curves.every(({ m }) => !m.length); // of a sweep that waits
      if (card.hidden) return;
      const legend = find(".lg");
      legend.replaceChildren();
      const traces = curves.flatMap(({ name, m, e, s }) => {
        const color = CT.cssValue(COLORS[ticked.indexOf(name)]);
        const key = document.createElement("i");
        key.style.background = color;
        legend.append(key, `${name} `);
        const smooth = CT.smooth(CT.column(m, 1), 0.8);
        const dots = { mode: "lines+markers", line: { color, width: 1.2, dash: "dot" } };
        return [
          CT.trace(name, m, color, { y: smooth, line: { color, width: 2 } }),
          CT.trace(`${name} held-out`, e, color, { ...dots, marker: { color, size: 5 } }),
          ...(s.length ? [CT.scoreTrace(`${name} middle`, s, color)] : []),
        ];
      });
      const layout = CT.chartLayout(ticked.join(), false);
      if (curves.some(({ s }) => s.length)) {
        CT.lowerPlot(layout, "Missing code of held-out holes, nats per character");
      }
      CT.plot(find(".plt"), traces, layout);
    }

    async function load() {
      if (!element.offsetParent || CT.offline()) return;
      try {
        const found = await CT.get("/ct-api/runs");
        const text = JSON.stringify(found);
        if (text === shown) return;
        shown = text;
        known = found;
        for (const name of [...ticked]) {
          if (!known.some((run) => run.name === name)) ticked.splice(ticked.indexOf(name), 1);
        }
        // A press or a name being typed must not lose its row under the finger.
        if (!element.querySelector("tbody :active")) draw();
        overlay();
      } catch (error) {
        console.warn(error);
      }
    }

    find("[data-demo]").onclick = async (event) => {
      event.target.disabled = true;
      const answer = await CT.post("/ct-api/demo");
      event.target.disabled = false;
      if (answer) open(answer.run);
    };
    const plot = find(".plt");
    const fit = () => plot.querySelector(".main-svg") && window.Plotly.Plots.resize(plot);
    new ResizeObserver(fit).observe(plot);
    window.addEventListener("ct-theme", overlay);
    new ResizeObserver(() => (load(), overlay())).observe(element);
    const every = setInterval(() => (element.isConnected ? load() : clearInterval(every)), EVERY_MS);
    load();
  });
});
