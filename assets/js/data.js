/* The Corpus card: asks for its scan while it runs, and once when it is shown; and what a person
   decides about a file. */
(window.ctModules ??= []).push((CT) => {
  "use strict";

  const PAGE = 200; // rows of the table at a time
  const PREVIEWABLE = "finished";
  const LOOK_MS = 400; // while a scan runs

  CT.define("corpus", (element, { server }) => {
    const find = (selector) => element.querySelector(selector);
    const asked = { scan: "", query: "", sort: "", rows: PAGE };
    let timer = 0;
    let typing = 0; // of its own: a look in between must not swallow what was typed
    let order = 0; // only the answer to the last question counts
    let active = false;
    let body = ""; // as it is shown: a search must not fold up what was opened
    let rows = ""; // drawn again only when it is another, or open choices would close
    let presses = 0;

    async function ask() {
      clearTimeout(timer);
      const mine = ++order;
      try {
        const view = await server.look({ ...asked });
        if (mine !== order) return;
        show(view);
      } catch {
        if (mine === order) timer = setTimeout(ask, 3000); // the app is away: look again
      }
    }

    function show(view) {
      const ended = active && !view.active;
      active = view.active;
      const card = find(".corpus");
      card.dataset.state = view.state;
      card.dataset.scan = view.scan;
      find(".c-line").textContent = view.line;
      find(".c-hint").textContent = view.hint;
      find(".c-hint").hidden = !view.hint;
      // Markup from our own server, escaped there. null leaves the old result, which CSS dims.
      if (view.body !== null && view.body !== body) find(".c-body").innerHTML = body = view.body;
      if (view.rows !== null && view.rows !== rows) {
        find(".c-files tbody").innerHTML = rows = view.rows;
      }
      find(".c-files").hidden = !view.active && !view.matching && !asked.query;
      if (view.active && !find(".c-files tbody").childElementCount) find(".c-files").hidden = true;
      find(".c-tools").hidden = view.active;
      find(".c-count").textContent = count(view);
      find(".c-more").hidden = !view.more;
      find(".c-cancel").hidden = !view.active;
      buttons(view);
      if (view.active) timer = setTimeout(ask, LOOK_MS);
      if (ended) for (const id of ["b-refresh", "b-fim-refresh", "b-offers"]) CT.click(id);
    }

    function count(view) {
      const files = `${view.matching.toLocaleString()} file${view.matching === 1 ? "" : "s"}`;
      if (!view.more) return files;
      return `${(view.matching - view.more).toLocaleString()} of ${files}`;
    }

    function buttons(view) {
      const [scan, preview] = [find("#b-scan"), find("#b-preview")];
      const done = view.state === PREVIEWABLE;
      scan.disabled = view.active;
      scan.textContent = view.active ? "Scanning…" : view.state === "none" ? "Scan" : "Scan again";
      scan.classList.toggle("primary", !done);
      preview.hidden = !done;
    }

    function filter(query) {
      Object.assign(asked, { query, rows: PAGE });
      ask();
    }

    // ---------- sorting ----------
    function sortBy(name) {
      const next = { "": name, [name]: `-${name}`, [`-${name}`]: "" };
      Object.assign(asked, { sort: next[asked.sort] ?? name, rows: PAGE });
      for (const head of element.querySelectorAll("th[data-sort]")) {
        const up = asked.sort === head.dataset.sort;
        const down = asked.sort === `-${head.dataset.sort}`;
        head.setAttribute("aria-sort", up ? "ascending" : down ? "descending" : "none");
      }
      ask();
    }
    for (const head of element.querySelectorAll("th[data-sort]")) {
      head.setAttribute("aria-sort", "none");
      head.querySelector("button").onclick = () => sortBy(head.dataset.sort);
    }

    // ---------- a person's own choice about a file ----------
    function closeChoices() {
      element.querySelector("tr.c-act")?.remove();
      element.querySelector("tr[aria-expanded]")?.removeAttribute("aria-expanded");
    }

    function openChoices(row) {
      const wasOpen = row.hasAttribute("aria-expanded");
      closeChoices();
      if (wasOpen || active) return;
      row.setAttribute("aria-expanded", "true");
      const cell = document.createElement("td");
      cell.colSpan = 4;
      cell.append(...choices(row));
      const line = document.createElement("tr");
      line.className = "c-act";
      line.append(cell);
      row.after(line);
    }

    function choices(row) {
      const { path, stands } = row.dataset;
      const dropped = row.classList.contains("dropped");
      const why = document.createElement("span");
      why.className = "c-why";
      why.textContent = `${path} · ${row.lastElementChild.textContent}`;
      if (dropped && stands !== undefined) {
        why.textContent += ". There is no text to read in it, so it stays out.";
        return [why];
      }
      const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
      const deed = dropped ? "keep" : "never";
      const words = dropped ? "Always keep" : "Never use";
      const buttons = [press(`${words} this file`, { deed, path }, `${words}: ${path}.`)];
      if (folder) {
        const all = `${words} ${folder}/`;
        buttons.push(press(all, { deed, path: folder, folder: true }, `${all}.`));
      }
      return [why, ...buttons];
    }

    function press(label, wish, said) {
      const made = CT.button(label, "mini");
      made.onclick = () => choose(wish, said);
      return made;
    }

    function choose(wish, said) {
      presses += 1; // the same wish twice is two wishes
      CT.tell("file-choice", JSON.stringify({ ...wish, press: presses }));
      closeChoices();
      const note = find(".c-changed");
      note.hidden = !said;
      note.firstElementChild.textContent = `${said} Changed since the scan: scan again. `;
    }
    find(".c-changed button").onclick = () => {
      const box = document.querySelector("#file-choice-undo textarea, #file-choice-undo input");
      choose({ deed: "undo", was: JSON.parse(box?.value || "null") }, "");
    };
    find(".c-files tbody").onclick = (event) => {
      const row = event.target.closest("tr[data-path]");
      if (row) openChoices(row);
    };
    find(".c-files tbody").onkeydown = (event) => {
      if (event.key === "Escape") closeChoices();
      if (event.key !== "Enter" || !event.target.matches("tr[data-path]")) return;
      openChoices(event.target);
      element.querySelector("tr.c-act button")?.focus();
    };

    find(".c-search").oninput = (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => filter(event.target.value), 150);
    };
    find(".c-more").onclick = () => {
      asked.rows += PAGE;
      ask();
    };
    find(".c-cancel").onclick = async (event) => {
      event.target.disabled = true;
      const error = await server.cancel(asked.scan);
      event.target.disabled = false;
      if (error) CT.toast(error);
      ask();
    };
    find("#b-scan").onclick = () => {
      find("#b-scan").disabled = true;
      find(".c-changed").hidden = true;
      CT.click("b-scan-now");
      setTimeout(ask, 1500); // if it was refused, the button comes back
    };
    element.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-query]");
      if (!pressed) return;
      const again = find(".c-search").value === pressed.dataset.query;
      find(".c-search").value = again ? "" : pressed.dataset.query;
      filter(find(".c-search").value);
    });

    CT.scan = (id) => {
      const search = find(".c-search");
      if (id !== asked.scan) search.value = "";
      Object.assign(asked, { scan: id ?? "", query: search.value, rows: PAGE });
      ask();
    };
    CT.scan(document.querySelector("#current-scan textarea, #current-scan input")?.value);
  });
});
