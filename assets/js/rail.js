/* The rail at the left: the run at work, the machine, the theme; and code panes that show their mark. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const { store } = CT;

  CT.define("rail", (element) => {
    const find = (selector) => element.querySelector(selector);
    find(".theme").onclick = CT.toggleTheme;
    find("[data-cmdk]").onclick = () => CT.palette?.();
    find(".runcard").onclick = () => {
      if (store.card && sessionStorage.ctRun) CT.show("");
      CT.go("train");
    };
    CT.subscribe(element, () => rail(find));
    CT.back?.();
  });

  function rail(find) {
    const card = store.card;
    const now = CT.offline() ? "offline" : (card?.state ?? "none");
    find(".runcard").dataset.state = now;
    find(".runcard").title = card ? `${card.name}: ${card.label}` : "No run yet";
    CT.write(find(".rc-name"), card ? card.name : "No run yet");
    const label = [card?.label, store.queued && `${store.queued} queued`].filter(Boolean).join(" · ");
    CT.write(find(".rc-state"), CT.offline() ? "offline" : label);
    find(".bar i").style.width = `${card?.percent ?? 0}%`;
    const steps = card && `${card.step.toLocaleString()} / ${card.total.toLocaleString()}`;
    CT.write(find(".rc-step"), steps ?? "Scan code, then press Start");
    CT.write(find(".rc-eta"), card?.left ? `${card.left} left` : "");
    CT.sparkline(find(".rc-spark"), card?.spark ?? []);
    const parts = machine();
    if (find(".gpu").textContent === parts.map((part) => part.textContent ?? part).join("")) return;
    find(".gpu").replaceChildren(...parts);
  }

  function machine() {
    if (!store.gpu) return ["CPU only"];
    const used = document.createElement("b");
    used.textContent = `${store.gpu.used.toFixed(1)} of ${store.gpu.total.toFixed(0)} GiB`;
    return [`${store.gpu.name} · `, used];
  }

  CT.define("reveal", (element, watch) => {
    // Scroll each code pane so that its marked part is in view.
    const scroll = () =>
      requestAnimationFrame(() => {
        for (const pane of element.querySelectorAll("pre.code")) {
          const marked = pane.querySelector("mark, .seg.m");
          if (!marked) continue;
          const offset = marked.getBoundingClientRect().top - pane.getBoundingClientRect().top;
          pane.scrollTop += offset - pane.clientHeight * 0.42;
        }
      });
    watch("value", scroll);
    scroll();
    setTimeout(scroll, 250);
  });
});
