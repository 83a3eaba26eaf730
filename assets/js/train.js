/* The Train tab while a run is looked at: its head with the buttons, tiles, log; and the plan. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const { store, last, column } = CT;
  const html = document.documentElement;

  const DEEDS = {
    new: () => CT.newRun(),
    edit: () => CT.edit(store.run),
    earlier: () => CT.act(store.run, "earlier"),
    start: () => CT.act(store.run, "start"),
    drop: () => CT.act(store.run, "drop"),
    stop: () => CT.act(store.run, "stop"),
    resume: () => CT.act(store.run, "resume"),
    discard: async () => {
      const text = `Stop ${store.run} and throw away what it learned since its last start?`;
      if (await CT.ask(text, "Stop and discard")) CT.act(store.run, "discard");
    },
    end: async () => {
      const text = "End it now? What it learned since the last checkpoint is lost.";
      if (await CT.ask(text, "End now")) CT.act(store.run, "end");
    },
  };

  CT.define("runHead", (element) => {
    const find = (selector) => element.querySelector(selector);
    for (const button of element.querySelectorAll("[data-act]")) {
      button.onclick = () => {
        button.disabled = true; // until the next tick: a press is one press
        DEEDS[button.dataset.act]();
      };
    }
    CT.subscribe(element, () => {
      const view = store.view;
      for (const button of element.querySelectorAll("[data-can]")) {
        const can = !CT.offline() && (view?.can ?? []).includes(button.dataset.can);
        button.hidden = !can;
        button.disabled = !can;
      }
      if (!view) return;
      CT.write(find(".rn"), view.name);
      CT.pill(find(".pill"), CT.state(), CT.offline() ? "offline" : view.label);
      const offline = "The app does not answer. The run goes on without it.";
      CT.write(find(".r-headline"), CT.offline() ? offline : view.headline);
      CT.write(find(".r-settings"), view.settings);
      find(".r-where").hidden = !view.where;
      CT.write(find(".r-where"), view.where);
      find(".trouble").hidden = !view.hint && !view.tail;
      find(".trouble").dataset.state = view.state;
      CT.write(find(".trouble p"), view.hint);
      find(".lesson").hidden = !view.note;
      find(".lesson").classList.toggle("turned", view.turned);
      CT.write(find(".lesson"), view.note);
      find(".trouble pre").hidden = !view.tail;
      CT.write(find(".trouble pre"), view.tail);
    });
  });

  // ---------- tiles ----------
  const fixed = (value, digits) => (value == null ? "" : value.toFixed(digits));
  const short = (value) => {
    if (value == null) return "";
    if (value < 1000) return value.toFixed(0);
    return value < 10_000 ? `${(value / 1000).toFixed(2)}k` : `${(value / 1000).toFixed(1)}k`;
  };
  const rate = (value) => (value == null ? "" : value === 0 ? "0" : value.toExponential(1));

  CT.define("tiles", (element) => {
    const set = (key, value, note, series) => {
      const tile = element.querySelector(`[data-k=${key}]`);
      tile.classList.toggle("none", value === "");
      CT.write(tile.querySelector("b"), value);
      CT.write(tile.querySelector("em"), note);
      CT.sparkline(tile.querySelector("svg"), series ?? []);
    };
    CT.subscribe(element, () => {
      const row = last(store.m) ?? [];
      const view = store.view;
      const losses = CT.smooth(column(store.m, 1), 0.8);
      set("loss", fixed(last(losses), 3), trend(losses), losses);
      const held = store.e.filter((pair) => pair[1] != null);
      const best = held.length ? held.reduce((a, b) => (b[1] < a[1] ? b : a)) : null;
      const note = best ? `best ${fixed(best[1], 3)} at ${best[0].toLocaleString()}` : "";
      set("eval", fixed(last(held)?.[1], 3), note, column(held, 1));
      element.querySelector(".tiles").classList.toggle("with-card", store.s.length > 0);
      const cards = store.s.filter((row) => row[1] != null);
      const base = cards.length && cards[0][0] === 0 ? `base ${fixed(cards[0][1], 3)} · ` : "";
      const exact = cards.length ? `${base}${CT.exactly(last(cards)).join("/")} exact` : "";
      set("card", fixed(last(cards)?.[1], 3), exact, column(cards, 1));
      const recent = store.m.slice(-200);
      set("speed", short(row[4]), row[4] == null ? "" : "tokens / s", column(recent, 4));
      const clip = view?.max_grad_norm ? `, clip ${view.max_grad_norm}` : "";
      const norm = row[3] == null ? "" : `grad norm ${fixed(row[3], 2)}${clip}`;
      set("rate", rate(row[2]), norm, column(store.m, 2));
      const there = store.gpu ? `of ${store.gpu.total.toFixed(0)} GiB` : "GiB";
      const guess = view?.expected_gib;
      // Beside a GPU only: in main memory Python and torch lie there too.
      const expected =
        guess == null || !store.gpu ? there : `${there}, ${fixed(guess, 1)} expected`;
      set("memory", fixed(row[5], 1), row[5] == null ? "" : expected, column(recent, 5));
      const steps = view?.total
        ? `step ${view.step.toLocaleString()} of ${view.total.toLocaleString()}`
        : "";
      set("left", timeLeft(view), steps);
    });
  });

  function timeLeft(view) {
    if (!view) return "";
    if (view.state === "running" && !CT.offline()) return view.left || "…";
    return view.state === "finished" ? "done" : view.label;
  }

  function trend(losses) {
    const known = losses.filter((value) => value != null);
    if (known.length < 2) return "";
    const back = Math.min(known.length - 1, 20);
    const change = last(known) - known[known.length - 1 - back];
    return `${change <= 0 ? "↓" : "↑"} ${Math.abs(change).toFixed(3)} in ${back} points`;
  }

  // ---------- log ----------
  const MOST_LINES = 2000;
  CT.define("log", (element) => {
    const box = element.querySelector(".log");
    let stick = true;
    box.onscroll = () => {
      stick = box.scrollTop + box.clientHeight > box.scrollHeight - 20;
    };
    const toEnd = () => {
      if (stick) box.scrollTop = box.scrollHeight;
    };
    new ResizeObserver(toEnd).observe(box);
    CT.subscribe(element, (delta) => {
      CT.write(element.querySelector(".log-path"), store.run ? `runs/${store.run}/worker.log` : "");
      if (delta.reset) box.textContent = "";
      for (const [time, kind, text] of delta.log) {
        const line = document.createElement("div");
        const stamp = document.createElement("time");
        stamp.textContent = new Date(time * 1000).toTimeString().slice(0, 8);
        line.append(stamp, text); // append() adds text, never markup
        line.className = kind;
        box.append(line);
      }
      while (box.childElementCount > MOST_LINES) box.firstChild.remove();
      toEnd();
    });
  });

  // ---------- the plan: mark the field that is wrong, and have the last word ----------
  // Two looks at the form may be under way at once, at the opening of the page or after a change,
  // and the older one may end last. So when the plan has been quiet for a while it is asked for once
  // more, with what the form says by then.
  const QUIET_MS = 700;
  const OTHERS = { cards: "cards", on: "place-options" }; // what has no field of its own name
  const OWN_MS = 2000; // in which a new plan is taken for the answer to that question
  CT.define("plan", (element, watch) => {
    const mark = () => {
      for (const bad of document.querySelectorAll(".is-wrong")) bad.classList.remove("is-wrong");
      const name = element.querySelector("[data-field]")?.dataset.field;
      const field = name && document.getElementById(OTHERS[name] ?? `s-${name}`);
      if (field) field.classList.add("is-wrong");
    };
    let timer = 0;
    let ownUntil = 0;
    const askLast = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        ownUntil = performance.now() + OWN_MS;
        CT.click("b-refresh");
      }, QUIET_MS);
    };
    watch("value", () => {
      requestAnimationFrame(mark);
      if (performance.now() > ownUntil) askLast();
    });
    mark();
    askLast();
  });
});
