/* From tab to tab: keys, links, the tab that a reload comes back to; and buttons that copy. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const find = (tab) => document.querySelector(`#nav [role=tab][data-tab-id="${tab}"]`);
  const go = (tab) => find(tab)?.click();

  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.("#nav [role=tab][data-tab-id]");
    if (tab) sessionStorage.ctTab = tab.dataset.tabId;
  });
  // Gradio loads the page anew when the app was away in the midst of an event: nobody is to lose
  // what they were looking at for that. Asked for here and by the rail, and again for a while: on
  // a busy machine the tabs are there before they listen, or are made once more.
  function back() {
    const tab = find(sessionStorage.ctTab);
    if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
  }
  const again = setInterval(back, 300);
  setTimeout(() => clearInterval(again), 15000);

  const tabs = ["data", "fim", "train", "play", "eval", "use", "runs"];
  const tabKeys = Object.fromEntries(tabs.map((name, i) => [i + 1, name]));
  function onKey(event) {
    const typing = event.target.closest?.(
      "input,textarea,select,[contenteditable=true],.cm-editor,dialog",
    );
    const modifier = event.ctrlKey || event.metaKey;
    const take = (action) => {
      event.preventDefault();
      event.stopPropagation();
      action();
    };
    if (modifier && event.key.toLowerCase() === "k") return take(() => CT.palette?.());
    const fills = modifier && event.key === "Enter" && CT.isVisible("b-fill");
    if (fills) return take(() => CT.click("b-fill"));
    if (typing || modifier || event.altKey) return;
    if (tabKeys[event.key]) go(tabKeys[event.key]);
    if (event.key.toLowerCase() === "d") CT.toggleTheme();
    if (event.key.toLowerCase() === "n" && CT.isVisible("b-next")) CT.click("b-next");
  }
  document.addEventListener("keydown", onKey, true); // capture: before the editor sees Ctrl+Enter

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("[data-copy],[data-go]");
    if (!pressed) return;
    if (pressed.dataset.go) return go(pressed.dataset.go);
    copy(pressed, pressed.dataset.copy);
  });

  async function copy(pressed, text) {
    await navigator.clipboard?.writeText(text);
    const label = pressed.textContent;
    pressed.textContent = "Copied";
    setTimeout(() => (pressed.textContent = label), 1200);
  }

  Object.assign(CT, { go, back, copy });
  back();
});
