/* The page's client: one poller, many small subscribers, tabs, theme, keys. No global but CT.

   Scripts in `head` arrive in any order, and a component may be there before them. So the other
   files push functions of CT to `ctModules`, and components push [name, element, watch] to
   `ctQueue`; both lists are worked off as soon as what they need is there. */
(() => {
  "use strict";

  // ---------- live data ----------
  // m: [step, loss, lr, grad norm, tokens/s, GiB, epoch, time]   e: [step, held-out loss]
  // s: [step, nats per character of held-out middles, share exact, holes]
  // c: steps of checkpoints   r: steps of resumes   log: [time, kind, text]
  const store = { run: "", seq: 0, m: [], e: [], s: [], c: [], r: [], log: [], queued: 0 };
  Object.assign(store, { view: null, card: null });
  const subscribers = new Map(); // by element: a component mounted again replaces its old self
  const pages = document.documentElement;

  function publish(delta) {
    for (const [element, notify] of subscribers) {
      if (!element.isConnected) {
        subscribers.delete(element);
        continue;
      }
      try {
        notify(delta);
      } catch (error) {
        console.error(error);
      }
    }
  }

  function subscribe(element, notify) {
    subscribers.set(element, notify);
    notify({ ...store, reset: true });
  }

  // ---------- which run is looked at ----------
  // "" follows the run that is running (or the newest), "@new" is the form, "@NAME" the form with
  // the settings of a run that waits, else a run's name.
  const wanted = () => sessionStorage.ctRun ?? "";
  const inForm = () => wanted().startsWith("@");
  const edited = () => (inForm() && wanted() !== "@new" ? wanted().slice(1) : "");
  // A page that is loaded anew fills its form with the person's own settings, not with a run's.
  if (edited()) sessionStorage.ctRun = edited();
  function show(name) {
    sessionStorage.ctRun = name;
    forget();
    return poll();
  }
  const newRun = () => show("@new");
  const edit = (name) => show(`@${name}`);
  function begun(names) {
    const all = names.split(",");
    if (all.length > 1) CT.compare(all);
    return show(all[0]);
  }
  const shownRun = () => (inForm() ? "" : store.run);

  function forget() {
    Object.assign(store, { run: "", seq: 0, m: [], e: [], s: [], c: [], r: [], log: [] });
    store.view = null;
  }

  const from = (rows, step) => rows.filter((row) => (row[0] ?? row) < step);
  function take(delta) {
    if (delta.reset) forget();
    // A resumed run repeats the steps after its checkpoint: the older ones are cut away.
    for (const key of ["m", "e", "s"]) {
      if (delta[key].length) store[key] = from(store[key], delta[key][0][0]);
    }
    for (const step of delta.r) {
      store.m = from(store.m, step + 1);
      store.e = from(store.e, step + 1);
      store.s = from(store.s, step + 1);
    }
    for (const key of ["m", "e", "s", "c", "r", "log"]) store[key].push(...delta[key]);
    Object.assign(store, { run: delta.run, seq: delta.seq, view: delta.view, card: delta.card });
    Object.assign(store, { gpu: delta.gpu, cards: delta.cards, holder: delta.holder });
    Object.assign(store, { names: delta.names, queued: delta.queued });
  }

  let fails = 0;
  let timer = 0;
  let asking = null;
  async function poll() {
    clearTimeout(timer);
    asking?.abort(); // an answer for another run than the one wanted now
    asking = new AbortController();
    let wait = document.hidden ? 5000 : 1000;
    try {
      const name = inForm() ? "" : wanted() || store.run;
      const query = new URLSearchParams({ run: name, since: name === store.run ? store.seq : 0 });
      const answer = await get(`/ct-api/run?${query}`, asking.signal);
      fails = 0;
      if (name && !answer.run) sessionStorage.ctRun = ""; // deleted meanwhile
      const newer = !wanted() && answer.card && answer.card.name !== answer.run;
      pages.classList.remove("ct-offline");
      pages.classList.toggle("ct-beat");
      take(answer);
      mark();
      publish(answer);
      if (newer) {
        forget(); // another run began: follow it
        wait = 0;
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      fails += 1;
      wait = Math.min(8000, 1000 * 2 ** Math.min(fails, 3));
      pages.classList.add("ct-offline");
      mark();
      publish({ m: [], e: [], s: [], c: [], r: [], log: [] });
    }
    timer = setTimeout(poll, wait);
  }

  async function get(url, signal) {
    const response = await fetch(url, { cache: "no-store", signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return response.json();
  }

  const offline = () => pages.classList.contains("ct-offline");
  const state = () => (offline() ? "offline" : (store.view?.state ?? "none"));

  let seen = "";
  function mark() {
    // Everything that only shows or hides is a rule in CSS on these attributes.
    const form = inForm() || !store.run;
    pages.dataset.view = form ? "form" : "run";
    pages.dataset.run = state();
    pages.dataset.edited = edited();
    pages.dataset.can = offline() ? "" : (store.view?.can ?? []).join(" ");
    document.title = store.card ? `${store.card.title} · CodeTune` : "CodeTune UI";
    tell("current-run", shownRun());
    tell("edited", edited());
    const work = [store.card?.name, store.card?.state, store.queued];
    const cards = (store.cards ?? []).map((card) => `${card.number} ${parseInt(card.free)}`);
    const now = [...work, store.holder?.name, store.gpu?.name, ...cards].join();
    if (now !== seen && !offline()) click("b-refresh"); // what Start says depends on these
    seen = now;
  }

  function tell(id, value) {
    // Put a value into a hidden text box of Gradio's, as if it were typed.
    const box = document.querySelector(`#${id} textarea, #${id} input`);
    if (!box || box.value === value) return;
    box.value = value;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // ---------- deeds ----------
  async function post(url, body) {
    // Return the answer, or null after the person was told why there is none.
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body ?? {}),
      });
      const answer = await response.json();
      poll();
      if (!answer.error) return answer;
      toast(answer.error);
    } catch {
      toast("The app does not answer. Is it still running?");
    }
    return null;
  }

  const act = (name, deed, body) =>
    post(`/ct-api/runs/${encodeURIComponent(name)}/${deed}`, body);

  function toast(text, kind = "") {
    for (const old of document.querySelectorAll(".ct-toast")) old.remove();
    const box = document.createElement("div");
    box.className = `ct-toast ${kind}`;
    box.setAttribute("role", "alert");
    box.textContent = text;
    host().append(box);
    setTimeout(() => box.remove(), 8000);
  }

  function ask(text, yes, value) {
    // Resolve to true (or to the name typed, when `value` is given); Escape and a click beside
    // the dialog resolve to "".
    const dialog = document.createElement("dialog");
    dialog.className = "ct-ask";
    const words = document.createElement("p");
    words.textContent = text;
    const field = document.createElement("input");
    field.value = value ?? "";
    field.hidden = value === undefined;
    field.setAttribute("aria-label", text);
    const no = button("Cancel", "btn");
    const agree = button(yes, value === undefined ? "btn stop" : "btn primary");
    dialog.append(words, field, no, agree);
    host().append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      const end = (answer) => () => {
        dialog.remove();
        resolve(answer());
      };
      const yesAnswer = end(() => (value === undefined ? true : field.value.trim()));
      const noAnswer = end(() => "");
      no.onclick = noAnswer;
      agree.onclick = yesAnswer;
      field.onkeydown = (event) => event.key === "Enter" && yesAnswer();
      dialog.oncancel = noAnswer;
      dialog.onclick = (event) => event.target === dialog && noAnswer();
    });
  }

  // ---------- small helpers ----------
  const host = () => document.querySelector(".gradio-container") || document.body;
  const click = (id) => document.getElementById(id)?.click();
  const isVisible = (id) => Boolean(document.getElementById(id)?.offsetParent);
  const last = (list) => list[list.length - 1];
  const column = (rows, index) => rows.map((row) => row[index]);
  const cssValue = (name) => getComputedStyle(host()).getPropertyValue(name).trim();

  function write(element, text) {
    // The same text again would be laid out and painted again, once a second.
    if (element.textContent !== text) element.textContent = text;
  }

  function button(text, className) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = className;
    made.textContent = text;
    return made;
  }

  function sparkline(svg, values) {
    const box = svg.viewBox.baseVal;
    const known = values.filter((value) => value != null);
    const path = svg.querySelector("path");
    if (known.length < 2) return path.removeAttribute("d");
    const count = Math.min(known.length, 120);
    const stride = known.length / count;
    const points = Array.from({ length: count }, (_, i) => {
      const start = Math.floor(i * stride);
      const bucket = known.slice(start, Math.max(start + 1, Math.floor((i + 1) * stride)));
      return bucket.reduce((sum, value) => sum + value, 0) / bucket.length;
    });
    const low = Math.min(...points);
    const range = Math.max(...points) - low || 1;
    const places = points.map((value, i) => {
      const x = (i * box.width) / (count - 1);
      const y = box.height - 2 - ((value - low) / range) * (box.height - 4);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    const line = `M${places.join("L")}`;
    if (path.getAttribute("d") !== line) path.setAttribute("d", line);
  }

  function pill(element, name, label) {
    write(element, label);
    element.dataset.state = name;
  }

  // ---------- asking again and again ----------
  const AT_WORK_MS = 1000;
  const IDLE_MS = 4000;

  function markup(target, html) {
    // Markup from our own server, escaped there; the same again would lose focus and scroll.
    if (target.ctShown === html) return;
    target.innerHTML = target.ctShown = html;
  }

  // Returns a look that repeats itself while its element is seen, to be called at once after a
  // press. `ask` is given a function that says whether its answer is still wanted: only that to
  // the last question counts.
  function looking(element, ask, { atWork, may = () => true }) {
    let timer = 0;
    let order = 0;
    return async function look() {
      clearTimeout(timer);
      if (!element.isConnected) return;
      if (!element.offsetParent || offline() || !may()) {
        timer = setTimeout(look, AT_WORK_MS);
        return;
      }
      const mine = ++order;
      try {
        await ask(() => mine === order);
      } catch (error) {
        console.warn(error);
      }
      if (mine === order) timer = setTimeout(look, atWork() ? AT_WORK_MS : IDLE_MS);
    };
  }

  // ---------- theme ----------
  function toggleTheme() {
    const dark = !document.body.classList.contains("dark");
    localStorage.ctTheme = dark ? "dark" : "light";
    document.body.classList.toggle("dark", dark);
    window.dispatchEvent(new Event("ct-theme"));
  }

  function holdTheme() {
    // `head` is added after DOMContentLoaded: apply the saved theme now, and hold it while Gradio
    // sets its own class. `?__theme=` wins, for a link and for screenshots.
    if (!localStorage.ctTheme || new URLSearchParams(location.search).has("__theme")) return;
    const apply = () => {
      const dark = localStorage.ctTheme === "dark";
      if (document.body.classList.contains("dark") !== dark) {
        document.body.classList.toggle("dark", dark);
      }
    };
    apply();
    const observer = new MutationObserver(apply);
    observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    setTimeout(() => observer.disconnect(), 3000);
  }

  // ---------- what Gradio leaves running ----------
  function endLoaderClock() {
    // Gradio's loading screen counts its seconds frame by frame, and goes on after it is gone (6.31):
    // sixty wake-ups a second beside a training. Handles of frames count up: when for a second there
    // is exactly one other between two of ours, it is that clock (or the unseen one of an event under
    // way, which starts anew by itself), and its next frame is taken away.
    let before = 0;
    let alone = 0;
    let looks = 0;
    const look = () => {
      const mine = requestAnimationFrame(look);
      alone = mine - before === 2 ? alone + 1 : 0;
      before = mine;
      looks += 1;
      if (alone < 60 && looks < 1200) return;
      cancelAnimationFrame(mine);
      if (alone >= 60) cancelAnimationFrame(mine - 1);
    };
    requestAnimationFrame(look);
  }

  document.addEventListener("visibilitychange", () => !document.hidden && poll());

  // ---------- parts ----------
  const parts = {};
  const early = [];
  function begin([name, element, watch]) {
    if (parts[name]) parts[name](element, watch);
    else early.push([name, element, watch]);
  }
  function define(name, part) {
    parts[name] = part;
    early.splice(0).forEach(begin);
  }

  const CT = {
    ...{ store, subscribe, publish, show, newRun, edit, begun, shownRun, state, offline },
    ...{ poll, get, post, act },
    ...{ toast, ask, click, isVisible, last, column, cssValue, button, sparkline, pill, write },
    ...{ markup, looking },
    ...{ toggleTheme, define, host, tell },
  };
  window.CT = CT;

  const modules = window.ctModules ?? [];
  window.ctModules = { push: (module) => module(CT) };
  modules.forEach((module) => module(CT));
  const waiting = window.ctQueue ?? [];
  window.ctQueue = { push: begin };
  waiting.forEach(begin);
  holdTheme();
  poll();
  endLoaderClock();
})();
