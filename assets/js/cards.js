/* The cards on the Train tab: ticks go into the form, what is free is kept up to date. */
(window.ctModules ??= []).push((CT) => {
  "use strict";

  CT.define("cards", (element, watch) => {
    const boxes = () => [...element.querySelectorAll("input")];
    let focused = "";
    let presses = 0;
    element.addEventListener("change", (event) => {
      const ticked = boxes().filter((box) => box.checked);
      if (!ticked.length && element.querySelector("[data-card]")) {
        event.target.checked = true;
        CT.toast("One card at least has to train: tick another one first.");
        return;
      }
      focused = event.target.value;
      presses += 1; // the same ticks as before may be wanted again, after a preset
      CT.tell("ticked", `${presses} ${ticked.map((box) => box.value).join(",")}`);
    });
    const refresh = () => {
      for (const card of CT.store.cards ?? []) {
        const row = element.querySelector(`[data-card="${card.number}"]`);
        if (!row) continue;
        CT.write(row.querySelector(".free"), card.free);
        CT.write(row.querySelector(".who"), card.who);
        row.querySelector(".bar i").style.width = `${card.used}%`;
      }
    };
    watch("value", () =>
      requestAnimationFrame(() => {
        refresh();
        // The list was drawn anew: whoever ticks by keyboard goes on where they were.
        if (focused) boxes().find((box) => box.value === focused)?.focus();
        focused = "";
      }),
    );
    CT.subscribe(element, refresh);
  });
});
