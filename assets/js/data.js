/* The Corpus card: asks for its scan once a second while it runs, and once when it is shown. */
(window.ctModules ??= []).push((CT) => {
  "use strict";

  const PAGE = 200; // rows of the table at a time
  const PREVIEWABLE = "finished";

  CT.define("corpus", (element, { server }) => {
    const find = (selector) => element.querySelector(selector);
    const asked = { scan: "", query: "", rows: PAGE };
    let timer = 0;
    let order = 0; // only the answer to the last question counts
    let active = false;

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
      find(".c-line").textContent = view.line;
      find(".c-hint").textContent = view.hint;
      find(".c-hint").hidden = !view.hint;
      // Markup from our own server, escaped there. null leaves the old result, which CSS dims.
      if (view.body !== null) find(".c-body").innerHTML = view.body;
      if (view.rows !== null) find("tbody").innerHTML = view.rows;
      find(".c-files").hidden = !view.active && !view.matching && !asked.query;
      if (view.active && !find("tbody").childElementCount) find(".c-files").hidden = true;
      find(".c-tools").hidden = view.active;
      find(".c-count").textContent = count(view);
      find(".c-more").hidden = !view.more;
      find(".c-cancel").hidden = !view.active;
      buttons(view);
      if (view.active) timer = setTimeout(ask, 700);
      if (ended) for (const id of ["b-refresh", "b-fim-refresh"]) CT.click(id);
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

    find(".c-search").oninput = (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => filter(event.target.value), 150);
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
