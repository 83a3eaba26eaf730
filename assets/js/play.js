/* The Playground tab: shows the hole in the editor and the fills in their panes. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const MARKER = "<FILL>";
  const EXAMPLE_LINE = 13; // where the first text of the editor has its hole

  // ---------- the hole: a range of text, so that CodeMirror's own elements stay as they are ------
  function holeRange(content) {
    const walker = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
    const nodes = [];
    let text = "";
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      nodes.push([text.length, node]);
      text += node.data;
    }
    const at = text.indexOf(MARKER);
    if (at < 0) return null;
    const place = (offset) => {
      const [start, node] = nodes.filter(([first]) => first <= offset).at(-1);
      return [node, offset - start];
    };
    const range = new Range();
    range.setStart(...place(at));
    const [last, offset] = place(at + MARKER.length - 1);
    range.setEnd(last, offset + 1);
    return range;
  }

  function markHole(editor) {
    if (!CSS.highlights) return; // an older browser shows the marker as plain text
    const content = editor.querySelector(".cm-content");
    const range = content && holeRange(content);
    if (range) CSS.highlights.set("ct-hole", new Highlight(range));
    else CSS.highlights.delete("ct-hole");
  }

  // ---------- colours: those of Gradio's editor are weak in light, amber in dark, and fixed -------
  // Its theme is a run of rules, one per kind of token, in this order; the first is the keyword's.
  const KEYWORD = ["rgb(94, 129, 172)", "rgb(253, 163, 49)"]; // light, dark
  const KINDS = ["keyword", "", "", "name", "", "", "", "", "", "", "name", "", "", "", ""].concat(
    ["", "string", "", "string", "", "string", "decorator", "comment"],
  );
  const colour = (kind) =>
    kind === "comment"
      ? "var(--body-text-color-subdued)"
      : `var(--${kind ? `ct-code-${kind}` : "body-text-color"})`;

  function recolour() {
    for (const sheet of document.styleSheets) {
      if (sheet.href || !sheet.ownerNode?.textContent.includes(".ͼ")) continue;
      const rules = [...sheet.cssRules];
      const first = rules.findIndex(
        (rule) => /^\.ͼ\w+$/.test(rule.selectorText) && KEYWORD.includes(rule.style.color),
      );
      if (first < 0) continue; // done before, or another version: then its own colours stay
      KINDS.forEach((kind, i) => rules[first + i]?.style.setProperty("color", colour(kind)));
    }
  }

  // CodeMirror draws only the lines in view, so the hole's line is reckoned, not looked up.
  function scrollToHole(editor, prefixLines) {
    const scroller = editor.querySelector(".cm-scroller");
    const line = editor.querySelector(".cm-line");
    if (!scroller || !line) return;
    scroller.scrollTop = prefixLines * line.offsetHeight - scroller.clientHeight * 0.42;
  }

  function watchEditor(element) {
    let timer = 0;
    const again = () => {
      cancelAnimationFrame(timer);
      timer = requestAnimationFrame(() => {
        markHole(element);
        recolour();
      });
    };
    new MutationObserver(again).observe(element, {
      childList: true,
      subtree: true,
      characterData: true,
    });
    again();
    return (line) => setTimeout(() => scrollToHole(element, line), 120);
  }

  // ---------- a hole is kept as a test ----------
  function selection() {
    // What is selected in the editor, with the code around it; null for nothing.
    const content = document.querySelector("#editor .cm-content");
    const view = content?.cmTile?.root?.view ?? content?.cmView?.rootView?.view;
    const chosen = view?.state?.selection?.main;
    if (!chosen || chosen.empty) return null;
    const part = (from, to) => view.state.sliceDoc(from, to);
    const before = part(0, chosen.from);
    return { truth: part(chosen.from, chosen.to), text: `${before}${MARKER}${part(chosen.to)}` };
  }

  function askTruth(truth) {
    // Resolve to what should stand in the hole, or to null.
    const dialog = document.createElement("dialog");
    dialog.className = "ct-ask ct-truth";
    const words = document.createElement("p");
    words.textContent = "What should stand in the hole?";
    const field = document.createElement("textarea");
    field.rows = 5;
    field.spellcheck = false;
    field.value = truth;
    field.setAttribute("aria-label", words.textContent);
    const no = CT.button("Cancel", "btn");
    const yes = CT.button("Keep", "btn primary");
    dialog.append(words, field, no, yes);
    CT.host().append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      const end = (answer) => {
        dialog.remove();
        resolve(answer);
      };
      no.onclick = () => end(null);
      yes.onclick = () => end(field.value);
      dialog.oncancel = () => end(null);
    });
  }

  CT.keepHole = async (text, known) => {
    const marked = (text ?? "").includes(MARKER);
    const chosen = marked ? null : selection();
    let answer = { truth: "", text: "" }; // no hole at all: the app says what to do
    if (chosen) answer = chosen;
    else if (marked) answer = { truth: await askTruth(JSON.parse(known || "{}").truth ?? ""), text };
    return [text, known, JSON.stringify(answer)];
  };

  // ---------- the fills ----------
  function showFill(element) {
    for (const pane of element.querySelectorAll("pre.code")) {
      const marked = pane.querySelector("mark");
      if (!marked) continue;
      const offset = marked.getBoundingClientRect().top - pane.getBoundingClientRect().top;
      pane.scrollTop += offset - pane.clientHeight * 0.42;
    }
  }

  // Gradio fetches the editor's code when the tab is first opened, so it may come later than we.
  function whenThere(id, begin) {
    const found = document.getElementById(id);
    if (found) begin(found);
    else setTimeout(() => whenThere(id, begin), 100);
  }

  CT.define("play", (element) => {
    const tab = element.closest("#t-play") ?? document.body;
    const known = () => document.querySelector("#play-known :is(textarea, input)")?.value ?? "";
    let scroll = () => {};
    let sample = "";
    whenThere("editor", (editor) => {
      scroll = watchEditor(editor);
      scroll(EXAMPLE_LINE);
    });

    function mode() {
      const chosen = tab.querySelector("#play-mode input:checked")?.value;
      tab.dataset.mode = chosen === "Sampled" ? "sampled" : "greedy";
    }
    tab.addEventListener("change", mode);
    mode();

    function look() {
      const now = known();
      if (now && now !== sample) scroll(JSON.parse(now).line - 1);
      sample = now;
    }

    new MutationObserver(() =>
      requestAnimationFrame(() => {
        showFill(element);
        look();
      }),
    ).observe(element, { childList: true, subtree: true });
    // a run may have ended on another tab since
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) CT.click("b-play-refresh");
    }).observe(element);
    showFill(element);
  });
});
