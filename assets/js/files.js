/* The file box of the FIM Preview tab: a combobox whose list the server finds, letter by letter. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const TYPING_MS = 80;
  const AGAIN_MS = 1000;
  const ANY = "Any file";

  CT.define("files", (element, { server }) => {
    const box = element.querySelector("input");
    const list = element.querySelector("ul");
    let chosen = ""; // the path that is looked at
    let marked = 0;
    let order = 0; // only the answer to the last question counts
    let typing = 0;

    const scan = () =>
      document.querySelector("#current-scan textarea, #current-scan input")?.value ?? "";

    async function ask(typed) {
      clearTimeout(typing);
      const mine = ++order;
      let paths = [];
      try {
        paths = await server.find_files({ scan: scan(), typed });
      } catch {
        // The app is away, and says so elsewhere.
        if (mine === order) typing = setTimeout(() => ask(typed), AGAIN_MS);
        return;
      }
      if (mine === order && document.activeElement === box) draw(paths, typed);
    }

    function draw(paths, typed) {
      list.replaceChildren(...(typed ? paths : ["", ...paths]).map(option));
      list.hidden = !list.childElementCount;
      list.dataset.typed = typed;
      box.setAttribute("aria-expanded", !list.hidden);
      mark(0);
    }

    function option(path, index) {
      const item = document.createElement("li");
      item.id = `fim-file-${index}`;
      item.setAttribute("role", "option");
      item.dataset.path = path;
      item.textContent = path || ANY;
      item.onmousedown = (event) => event.preventDefault(); // the box keeps the focus
      item.onclick = () => choose(path);
      return item;
    }

    function mark(index) {
      marked = index;
      [...list.children].forEach((item, at) => item.setAttribute("aria-selected", at === marked));
      const item = list.children[marked];
      box.setAttribute("aria-activedescendant", item?.id ?? "");
      item?.scrollIntoView({ block: "nearest" });
    }

    function close() {
      order += 1;
      clearTimeout(typing);
      list.hidden = true;
      box.setAttribute("aria-expanded", false);
      box.value = chosen;
    }

    function choose(path) {
      chosen = path;
      close();
      CT.tell("fim-path", path);
    }

    function open() {
      if (!list.hidden) return;
      box.select(); // what is typed takes the place of the file that is shown
      ask("");
    }

    box.onfocus = open;
    box.onclick = open; // it keeps the focus after a choice
    box.oninput = () => {
      clearTimeout(typing);
      typing = setTimeout(() => ask(box.value), TYPING_MS);
    };
    box.onblur = close;
    box.onkeydown = (event) => {
      event.stopPropagation();
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const count = list.childElementCount;
      if (event.key === "Escape") close();
      else if (event.key === "Enter") {
        // Typed faster than the server answers: it takes the first file that fits.
        const current = !list.hidden && list.dataset.typed === box.value;
        choose(current || !box.value ? (list.children[marked]?.dataset.path ?? "") : box.value);
      } else if (step && list.hidden) open();
      else if (step && count) mark((marked + step + count) % count);
      else return;
      event.preventDefault();
    };

    CT.anyFile = () => {
      if (!chosen) return; // who types already, while the page begins, is not to be disturbed
      chosen = "";
      close();
    };
  });
});
