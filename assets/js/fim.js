/* The FIM Preview tab: shows the middle, looks again when the tab or the scan comes up. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const AGAIN_MS = 1000;

  CT.define("fim", (element) => {
    let timer = 0;
    const look = () => CT.click("b-fim-refresh");

    function shown() {
      for (const pane of element.querySelectorAll("pre.code")) {
        const marked = pane.querySelector("mark.mid, .seg.m");
        pane.scrollTop = 0;
        if (!marked) continue;
        const offset = marked.getBoundingClientRect().top - pane.getBoundingClientRect().top;
        pane.scrollTop += offset - pane.clientHeight * 0.42;
      }
      clearTimeout(timer);
      const waiting = element.querySelector("[data-wait]") && element.offsetParent;
      if (waiting) timer = setTimeout(look, AGAIN_MS);
    }

    // settings may have changed on another tab since
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) look();
    }).observe(element);
    // not `watch`: the same sample drawn again is no new value, but begins at its top
    new MutationObserver(() => requestAnimationFrame(shown)).observe(element, {
      childList: true,
      subtree: true,
    });
    shown();
  });
});
