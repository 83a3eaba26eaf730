/* The command palette (Ctrl K): a combobox over a list of what can be done now. */
(window.ctModules ??= []).push((CT) => {
  "use strict";

  const goThenClick = (tab, id) => () => {
    CT.go(tab);
    setTimeout(() => CT.click(id), 60); // a tab is built when it is first opened
  };
  const tabs = [
    ["Model & Data", "data"],
    ["FIM Preview", "fim"],
    ["Train", "train"],
    ["Playground", "play"],
    ["Evaluate", "eval"],
    ["Use", "use"],
    ["Runs", "runs"],
  ];

  function commands() {
    const can = (CT.store.view?.can ?? []).concat(CT.offline() ? [] : ["form"]);
    const list = tabs.map(([label, id], i) => ["Go to", `${label}`, `${i + 1}`, () => CT.go(id)]);
    const start = document.getElementById("b-start");
    if (!start?.disabled && document.documentElement.dataset.view === "form") {
      list.push(["Do", "Start training", "", goThenClick("train", "b-start")]);
    }
    if (can.includes("new")) list.push(["Do", "New run", "", () => (CT.newRun(), CT.go("train"))]);
    if (can.includes("edit")) list.push(["Do", "Edit the waiting run", "", goThenClick("train", "b-edit")]);
    if (can.includes("resume")) list.push(["Do", "Resume", "", goThenClick("train", "b-resume")]);
    if (can.includes("stop")) list.push(["Do", "Stop and save", "", goThenClick("train", "b-stop")]);
    list.push(["Do", "Next FIM sample", "N", goThenClick("fim", "b-next")]);
    list.push(["Do", "Fill the hole", "Ctrl ⏎", goThenClick("play", "b-fill")]);
    list.push(["Do", "Toggle dark mode", "D", CT.toggleTheme]);
    for (const name of CT.store.names ?? []) {
      list.push(["Open run", name, "", () => (CT.show(name), CT.go("train"))]);
    }
    return list;
  }

  const MARKUP = `<div class="ctp-b"><input role="combobox" aria-label="Command" aria-expanded="true"
    aria-controls="ctp-list" aria-autocomplete="list" placeholder="Type a command or a run's name…">
    <ul role="listbox" id="ctp-list" aria-label="Commands"></ul></div>`;

  CT.palette = () => {
    const open = document.getElementById("ctp");
    if (open) return open.close();
    const dialog = document.createElement("dialog");
    dialog.id = "ctp";
    dialog.setAttribute("aria-label", "Command palette");
    dialog.innerHTML = MARKUP;
    CT.host().append(dialog);
    const input = dialog.querySelector("input");
    const list = dialog.querySelector("ul");
    const all = commands();
    let chosen = 0;
    let shown = [];

    function run(command) {
      dialog.close();
      command?.[3]();
    }

    function option([, label, key], index) {
      const item = document.createElement("li");
      item.id = `ctp-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", index === chosen);
      const text = document.createElement("span");
      text.textContent = label;
      item.append(text);
      if (key) {
        const hint = document.createElement("kbd");
        hint.textContent = key;
        item.append(hint);
      }
      item.onclick = () => run(shown[index]);
      item.onpointermove = () => index !== chosen && ((chosen = index), mark());
      return item;
    }

    function mark() {
      for (const item of list.querySelectorAll("li[role=option]")) {
        item.setAttribute("aria-selected", item.id === `ctp-${chosen}`);
      }
      input.setAttribute("aria-activedescendant", shown.length ? `ctp-${chosen}` : "");
      document.getElementById(`ctp-${chosen}`)?.scrollIntoView({ block: "nearest" });
    }

    function draw() {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (c) => words.every((word) => `${c[0]} ${c[1]}`.toLowerCase().includes(word));
      shown = all.filter(fits);
      chosen = 0;
      const rows = [];
      shown.forEach((command, i) => {
        if (command[0] !== shown[i - 1]?.[0]) {
          const heading = document.createElement("li");
          heading.setAttribute("role", "presentation");
          heading.className = "ctp-h";
          heading.textContent = command[0];
          rows.push(heading);
        }
        rows.push(option(command, i));
      });
      list.replaceChildren(...rows);
      mark();
    }

    input.oninput = draw;
    input.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter") return run(shown[chosen]);
      const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!move || !shown.length) return;
      event.preventDefault();
      chosen = (chosen + move + shown.length) % shown.length;
      mark();
    };
    dialog.onclick = (event) => event.target === dialog && dialog.close();
    dialog.onclose = () => dialog.remove();
    draw();
    dialog.showModal(); // keeps the focus inside, and gives it back when closed
    input.focus();
  };
});
