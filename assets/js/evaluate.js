/* The Evaluate tab: asks the app how everything stands, and shows what it answers. What is chosen
   here is kept for this browser tab only; evaluations themselves lie on disk. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const API = "/ct-api/evaluations";
  const PAGE = 50; // rows of the table at a time
  const kept = (name, other) => sessionStorage[name] ?? other;

  CT.define("evaluate", (element) => {
    const find = (selector) => element.querySelector(selector);
    const all = (selector) => [...element.querySelectorAll(selector)];
    const root = element.closest("#evaluate") ?? element; // what CSS and tests look at
    const table = { by: "", kind: "", sort: "", most: PAGE };
    let shown = kept("ctEvaluation", ""); // RUN/ID of the evaluation that is open
    let drawn = ""; // the one whose verdict is on the page
    let known = null; // the last answer
    let ticked = kept("ctTicked", "").split(",").filter(Boolean);
    let compared = "";
    let rowsAsked = 0;

    // ---------- how everything stands ----------
    const look = CT.looking(
      element,
      async (isLast) => {
        const query = { run: find("#ev-run").value || kept("ctEvRun", ""), shown, ticked };
        const answer = await CT.get(`${API}?${new URLSearchParams(query)}`);
        if (isLast()) take(answer);
      },
      { atWork: () => known?.job?.active },
    );

    function take(answer) {
      const ended = known?.job?.active && answer.job?.reference && known.job.id === answer.job.id;
      const first = known === null;
      const asked = find("#ev-run").value;
      known = answer;
      runs(answer.runs);
      if (find("#ev-run").value !== asked) setTimeout(look); // its own list comes with this one
      job(answer.job);
      press();
      if (ended) open(answer.job.reference);
      if (first && !shown) open(answer.newest[find("#ev-run").value] ?? "");
      else if (!ended && shown && drawn !== shown) open(shown);
      lists(answer);
    }

    function runs(list) {
      const select = find("#ev-run");
      const text = JSON.stringify(list);
      if (select.ctShown === text) return;
      select.ctShown = text;
      const was = select.value || kept("ctEvRun", "");
      const options = list.map(({ name, label, why }) => {
        const option = new Option(why ? `${label}: ${why}` : label, name);
        option.disabled = Boolean(why);
        return option;
      });
      if (!options.length) options.push(new Option("No run yet", ""));
      select.replaceChildren(...options);
      const usable = list.filter((run) => !run.why);
      const busy = known.job?.active ? known.job.run : "";
      const chosen =
        usable.find((run) => run.name === was) ??
        usable.find((run) => run.name === busy) ??
        usable[0];
      select.value = chosen?.name ?? "";
      if (!chosen) select.selectedIndex = 0;
    }

    function job(now) {
      const card = find("#ev-job");
      const over = !now || now.state === "finished" || now.id === kept("ctEvSeen", "");
      card.hidden = over;
      if (over) return;
      card.dataset.state = now.state;
      CT.write(card.querySelector("b"), now.active ? `Evaluating ${now.run}` : now.run);
      CT.write(card.querySelector(".ev-line"), now.line);
      CT.write(card.querySelector(".ev-hint"), now.hint);
      card.querySelector(".ev-hint").hidden = !now.hint;
      card.querySelector(".bar").hidden = !now.active;
      card.querySelector(".bar i").style.width = `${now.percent}%`;
      const button = find("#b-ev-cancel");
      CT.write(button, now.active ? "Cancel" : "Close");
      button.classList.toggle("stop", now.active);
      button.disabled = now.state === "stopping";
    }

    function press() {
      const chosen = known.runs.find((run) => run.name === find("#ev-run").value);
      const kinds = all("#ev-kinds input:checked").length;
      let why = known.busy;
      if (!known.runs.length) why = "Nothing is trained yet: a run comes first.";
      else if (!chosen || chosen.why) why = "No run has both an adapter and held-out code yet.";
      else if (!kinds) why = "Choose at least one kind of hole.";
      const active = Boolean(known.job?.active);
      find("#b-evaluate").disabled = Boolean(why);
      CT.write(find("#ev-why"), active ? "" : why);
      const label = find('#ev-kinds input[value="own"]').nextElementSibling;
      CT.write(label, `Your own holes (${known.own})`);
      const face = find('.ev-seg [data-face="own"]');
      CT.write(face, known.own ? `Own holes · ${known.own}` : "Own holes");
    }

    function lists(answer) {
      CT.markup(find("#ev-earlier"), answer.earlier);
      const count = find("#ev-earlier").childElementCount;
      const details = find(".ev-earlier");
      details.hidden = !count;
      const run = find("#ev-run").value;
      CT.write(details.querySelector("summary"), `Evaluations of ${run} · ${count}`);
      CT.markup(find("#ev-choices"), answer.choices);
      const boxes = all("#ev-choices input");
      const there = boxes.map((box) => box.value);
      const gone = ticked.some((name) => !there.includes(name));
      if (gone) tick(ticked.filter((name) => there.includes(name)));
      if (!shown && !count) {
        find("#ev-table").hidden = true;
        const text = "No verdict yet. Choose a run that is trained, and press Evaluate.";
        CT.markup(find("#ev-result"), `<div class="empty"><p>${text}</p></div>`);
      }
    }

    // ---------- one evaluation ----------
    async function open(reference) {
      shown = reference;
      sessionStorage.ctEvaluation = reference;
      if (!reference) return;
      const found = await CT.get(`${API}/${reference}`).catch(() => null);
      if (!found || shown !== reference) return;
      if (found.error) {
        shown = sessionStorage.ctEvaluation = ""; // deleted meanwhile
        drawn = "";
        return look();
      }
      drawn = reference;
      CT.markup(find("#ev-result"), found.html);
      const kinds = found.kinds.map(([value, label]) => new Option(label, value));
      find("#ev-of-kind").replaceChildren(...kinds);
      Object.assign(table, { by: "", kind: "", sort: "", most: PAGE });
      find("#ev-table").hidden = false;
      find("#ev-table").dataset.reference = reference;
      root.dataset.shown = reference;
      arrows();
      holes();
      for (const row of all("[data-open]")) {
        row.setAttribute("aria-pressed", row.dataset.open === reference);
      }
    }

    async function holes() {
      const mine = ++rowsAsked;
      const found = await CT.get(`${API}/${shown}/holes?${new URLSearchParams(table)}`).catch(
        () => null,
      );
      if (!found || found.error || mine !== rowsAsked) return;
      const focused = find(".ev-filters [data-won]:focus")?.dataset.won;
      CT.markup(find(".ev-filters"), found.filters);
      if (focused !== undefined) find(`.ev-filters [data-won="${focused}"]`)?.focus();
      find("#ev-table tbody").innerHTML = found.rows;
      const some = found.more ? `${found.matching - found.more} of ${found.matching}` : found.matching;
      CT.write(find(".ev-count"), `${some} ${found.matching === 1 ? "hole" : "holes"}`);
      find("#b-ev-more").hidden = !found.more;
      root.dataset.table = `${table.by} ${table.kind} ${table.sort} ${found.matching}`.trim();
    }

    function arrows() {
      for (const head of all("#ev-table th[data-sort]")) {
        const { sort } = head.dataset;
        const way = { [sort]: "ascending", [`-${sort}`]: "descending" }[table.sort] ?? "none";
        head.setAttribute("aria-sort", way);
      }
    }

    function sortBy(name) {
      const next = { [name]: `-${name}`, [`-${name}`]: "" };
      Object.assign(table, { sort: next[table.sort] ?? name, most: PAGE });
      arrows();
      holes();
    }

    async function unfold(row) {
      const next = row.nextElementSibling;
      if (next?.classList.contains("ev-open")) {
        next.remove();
        row.setAttribute("aria-expanded", "false");
        return;
      }
      const found = await CT.get(`${API}/${shown}/holes/${row.dataset.hole}`).catch(() => null);
      if (!found || !row.isConnected) return;
      if (found.error) return CT.toast(found.error);
      const cell = document.createElement("td");
      cell.colSpan = row.cells.length;
      cell.innerHTML = found.html;
      const line = document.createElement("tr");
      line.className = "ev-open";
      line.append(cell);
      row.after(line);
      row.setAttribute("aria-expanded", "true");
    }

    // ---------- adapter against adapter ----------
    function tick(names) {
      ticked = names;
      sessionStorage.ctTicked = names.join();
      compare();
    }

    async function compare() {
      const mine = (compared = ticked.join());
      const target = find("#ev-compared");
      if (ticked.length < 2) return CT.markup(target, "");
      CT.markup(target, '<div class="empty" role="status"><p>Comparing, hole by hole …</p></div>');
      const found = await CT.get(`${API}/compare?${new URLSearchParams({ of: mine })}`).catch(
        () => null,
      );
      if (!found || mine !== compared) return;
      CT.markup(target, found.html);
    }

    // ---------- own holes ----------
    async function own() {
      const found = await CT.get(`${API}/own`).catch(() => null);
      if (found) CT.markup(find("#ev-own"), found.html);
    }

    // ---------- faces ----------
    function show(face) {
      sessionStorage.ctFace = face;
      root.dataset.face = face;
      for (const part of all(".ev-face")) part.hidden = part.dataset.face !== face;
      for (const made of all(".ev-seg [data-face]")) {
        made.setAttribute("aria-pressed", made.dataset.face === face);
      }
      if (face === "own") own();
      if (face === "compare") compare();
    }

    // ---------- what a person does ----------
    async function begin(body) {
      find("#b-evaluate").disabled = true;
      const answer = await CT.post(API, body);
      if (answer) show("result");
      await look();
    }

    find("#ev-form").onsubmit = (event) => {
      event.preventDefault();
      begin({
        run: find("#ev-run").value,
        holes: Math.max(1, Number(find("#ev-count").value) || 1),
        seed: Math.max(0, Number(find("#ev-seed").value) || 0),
        kinds: all("#ev-kinds input:checked").map((box) => box.value).join(),
      });
    };
    find("#ev-run").onchange = (event) => {
      sessionStorage.ctEvRun = event.target.value;
      const newest = known?.newest[event.target.value] ?? "";
      if (newest) open(newest);
      else {
        shown = drawn = sessionStorage.ctEvaluation = "";
        delete root.dataset.shown;
      }
      look();
    };
    find("#ev-kinds").onchange = () => known && press();
    find("#b-ev-cancel").onclick = async () => {
      if (!known?.job) return;
      if (!known.job.active) sessionStorage.ctEvSeen = known.job.id;
      else await CT.post(`${API}/${known.job.id}/cancel`);
      look();
    };
    find("#ev-of-kind").onchange = (event) => {
      Object.assign(table, { kind: event.target.value, most: PAGE });
      holes();
    };
    find("#b-ev-more").onclick = () => {
      table.most += PAGE;
      holes();
    };
    for (const head of all("#ev-table th[data-sort]")) {
      head.querySelector("button").onclick = () => sortBy(head.dataset.sort);
    }
    find("#ev-table tbody").onclick = (event) => {
      const row = event.target.closest("tr[data-hole]");
      if (row && !String(getSelection())) unfold(row); // a piece being copied is no press
    };
    find("#ev-table tbody").onkeydown = (event) => {
      if (!["Enter", " "].includes(event.key) || !event.target.matches("tr[data-hole]")) return;
      event.preventDefault();
      unfold(event.target);
    };
    find("#ev-choices").onchange = (event) => {
      const { value, checked } = event.target;
      const others = ticked.filter((name) => name !== value);
      tick(checked ? [...others, value] : others);
      look();
    };
    find("#ev-keep").onsubmit = async (event) => {
      event.preventDefault();
      const body = { text: find("#ev-text").value, path: find("#ev-path").value };
      const answer = await CT.post(`${API}/own`, body);
      if (!answer) return;
      if (answer.made) find("#ev-text").value = "";
      else CT.toast("This hole is kept already.", "note");
      await own();
      look();
    };
    element.addEventListener("click", async (event) => {
      const made = event.target.closest("[data-face],[data-open],[data-won],[data-holes-of],[data-remove]");
      if (!made || made.classList.contains("ev-face")) return;
      const { face, open: reference, won, holesOf, remove } = made.dataset;
      if (face !== undefined) show(face);
      if (reference !== undefined) open(reference);
      if (won !== undefined) {
        Object.assign(table, { by: won, most: PAGE });
        holes();
      }
      if (holesOf !== undefined) begin({ run: made.dataset.run, holes_of: holesOf, kinds: "line" });
      if (remove !== undefined && (await CT.ask("Forget this hole?", "Remove"))) {
        await CT.post(`${API}/own/${remove}/remove`);
        await own();
        look();
      }
    });

    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        look();
        if (kept("ctFace", "result") === "own") own();
      }
    }).observe(element);
    show(kept("ctFace", "result"));
    look();
  });
});
