/* The editor's half of the Use tab: the server on and off, what sets an editor up, a test, and what
   editors asked last. The run is chosen in use.js, which writes it into data-run. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const API = "/ct-api/use/server";
  const DOTS = "•".repeat(12);

  CT.define("use-editor", (card) => {
    const find = (selector) => card.querySelector(selector);
    let known = null; // the last answer
    let told = null; // the snippet of the chosen editor
    let drawn = ""; // what that snippet was made for
    let shown = false; // the token

    const run = () => card.dataset.run ?? "";
    const editor = () => find("#us-editors input:checked")?.value ?? "";

    const look = CT.looking(
      card,
      async (isLast) => {
        const answer = await CT.get(`${API}?${new URLSearchParams({ run: run() })}`);
        if (isLast()) take(answer);
      },
      { atWork: () => ["on", "starting"].includes(known?.state), may: run },
    );

    function take(answer) {
      known = answer;
      const on = answer.state === "on";
      card.dataset.state = answer.state;
      const press = find("#b-serve");
      press.setAttribute("aria-checked", on || answer.state === "starting");
      press.disabled = false;
      CT.write(press.querySelector("span"), answer.state === "other" ? `Serve ${run()} instead` : "Serve to editors");
      CT.write(find("#us-state"), answer.line);
      find("#us-serving").hidden = on;
      find("#us-on").hidden = !on;
      if (!on) return;
      CT.write(find("#us-address"), answer.address);
      CT.write(find("#us-model"), answer.model);
      CT.write(find("#us-token"), shown ? answer.token : DOTS);
      CT.markup(find("#us-requests"), answer.requests);
      editors(answer.editors);
      snippet();
    }

    function editors(list) {
      const group = find("#us-editors");
      const text = JSON.stringify(list);
      if (group.ctShown === text) return;
      group.ctShown = text;
      const was = editor() || localStorage.ctEditor;
      group.replaceChildren(
        ...list.map(([name, title]) => {
          const label = document.createElement("label");
          const radio = Object.assign(document.createElement("input"), { type: "radio" });
          Object.assign(radio, { name: "us-editor", value: name, checked: name === was });
          const words = document.createElement("span");
          words.textContent = title;
          label.append(radio, words);
          return label;
        }),
      );
      if (!editor()) group.querySelector("input").checked = true;
    }

    async function snippet() {
      const wanted = [run(), editor(), known.address, known.token].join(" ");
      if (drawn === wanted) return;
      drawn = wanted;
      const query = new URLSearchParams({ run: run(), editor: editor() });
      const found = await CT.get(`${API}/snippet?${query}`).catch(() => null);
      if (drawn !== wanted) return;
      if (!found || found.error) {
        drawn = ""; // the server has gone meanwhile: the next look says so
        return;
      }
      told = found;
      CT.markup(find("#us-tried"), "");
      draw();
    }

    function draw() {
      if (!told) return;
      CT.write(find("#us-place"), told.place);
      CT.markup(find("#us-text"), shown ? told.shown : told.hidden);
      CT.write(find("#us-hint"), shown ? told.note : told.masked_note);
      card.dataset.editor = editor();
    }

    // ---------- what a person does ----------
    find("#b-serve").onclick = async () => {
      const on = ["on", "starting"].includes(known?.state);
      find("#b-serve").disabled = true;
      await CT.post(on ? `${API}/stop` : API, { run: run() });
      look();
    };
    find("#us-editors").onchange = () => {
      localStorage.ctEditor = editor();
      snippet();
    };
    find("#b-token").onclick = (event) => {
      shown = !shown;
      event.target.setAttribute("aria-pressed", shown);
      CT.write(event.target, shown ? "Hide" : "Show");
      CT.write(find("#us-token"), shown ? known.token : DOTS);
      draw();
    };
    find(".us-facts").addEventListener("click", (event) => {
      const name = event.target.dataset?.copyOf;
      if (name) CT.copy(event.target, known[name]);
    });
    find("#b-copy-snippet").onclick = (event) => told && CT.copy(event.target, told.text);
    find("#b-try").onclick = async () => {
      const mine = drawn;
      find("#b-try").disabled = true;
      CT.markup(find("#us-tried"), '<p class="us-note">Asking …</p>');
      const answer = await CT.post(`${API}/try`, { run: run(), editor: editor() });
      find("#b-try").disabled = false;
      if (mine === drawn) CT.markup(find("#us-tried"), answer?.html ?? "");
      look();
    };
    card.addEventListener("ct-run", () => {
      known = told = null;
      drawn = "";
      look();
    });

    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) look();
    }).observe(card);
    look();
  });
});
