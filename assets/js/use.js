/* The Use tab: one choice of a run, and its export as files. Exports themselves lie on disk; what
   is chosen here is kept for this browser tab only. */
(window.ctModules ??= []).push((CT) => {
  "use strict";
  const API = "/ct-api/use";

  CT.define("use", (element) => {
    const find = (selector) => element.querySelector(selector);
    const all = (selector) => [...element.querySelectorAll(selector)];
    const root = element.closest("#use") ?? element; // what CSS and tests look at
    const precisions = JSON.parse(find("#us-form").dataset.precisions);
    let known = null; // the last answer
    let pending = null; // what was asked for while a question is open

    const run = () => find("#us-run").value;
    const format = () => find('[name="us-format"]:checked').value;

    // ---------- how everything stands ----------
    const look = CT.looking(
      element,
      async (isLast) => {
        const list = await CT.get(`${API}/runs`);
        if (isLast()) runs(list.runs);
        const query = { run: run(), format: format(), quant: find("#us-quant").value };
        const answer = await CT.get(`${API}/exports?${new URLSearchParams(query)}`);
        if (isLast()) take(answer);
      },
      { atWork: () => known?.job?.active },
    );

    function runs(list) {
      const select = find("#us-run");
      const text = JSON.stringify(list);
      root.dataset.runs = list.length;
      find(".us-none").hidden = list.length > 0;
      for (const part of all(".us-card, .us-run")) part.hidden = !list.length;
      if (select.ctShown === text) return;
      select.ctShown = text;
      const was = select.value || sessionStorage.ctUseRun;
      select.replaceChildren(...list.map(({ name, label }) => new Option(label, name)));
      if (list.some(({ name }) => name === was)) select.value = was;
      told();
    }

    function told() {
      // The editor's half of the tab follows the same choice.
      find("#us-editor").dataset.run = run();
      find("#us-editor").dispatchEvent(new Event("ct-run"));
    }

    function take(answer) {
      known = answer;
      find("#us-to").placeholder = answer.place;
      CT.markup(find("#us-standing"), answer.standing);
      for (const radio of all('[name="us-format"]')) {
        const why = answer.refused[radio.value] ?? "";
        radio.disabled = Boolean(why);
        radio.closest("label").title = why;
      }
      if (find('[name="us-format"]:checked').disabled) choose("adapter");
      job(answer.job);
      press();
      CT.markup(find(".us-list"), answer.earlier);
      find("#us-earlier").hidden = !answer.count;
      CT.write(find("#us-earlier h3"), `Earlier exports of ${run()} · ${answer.count}`);
    }

    function job(now) {
      const card = find("#us-job");
      card.hidden = !now || (!now.active && now.id === (sessionStorage.ctUseSeen ?? ""));
      if (now?.state === "finished") card.hidden = true; // it is in the list below
      if (card.hidden) return;
      card.dataset.state = now.state;
      CT.write(card.querySelector("b"), now.active ? `Exporting ${now.run}` : now.run);
      CT.write(card.querySelector(".us-line"), now.line);
      CT.write(card.querySelector(".us-hint"), now.hint);
      card.querySelector(".us-hint").hidden = !now.hint;
      card.querySelector(".bar").hidden = !now.active || now.percent === null;
      card.querySelector(".bar i").style.width = `${now.percent ?? 0}%`;
      const button = find("#b-us-cancel");
      CT.write(button, now.active ? "Cancel" : "Close");
      button.classList.toggle("stop", now.active);
      button.disabled = now.state === "stopping";
    }

    function press() {
      const why = run() ? (known?.busy ?? "") : "";
      find("#b-export").disabled = !run() || !known || Boolean(why) || !find("#us-ask").hidden;
      CT.write(find("#us-why"), known?.job?.active ? "" : why);
    }

    // ---------- the form ----------
    function choose(name) {
      find(`[name="us-format"][value="${name}"]`).checked = true;
      fillPrecisions();
    }

    function fillPrecisions() {
      const offered = precisions[format()];
      const options = offered.map(([value, label]) => new Option(label, value));
      find("#us-quant").replaceChildren(...options);
      find(".us-quant").hidden = !offered.length;
    }

    async function begin(answers) {
      const asked = pending ?? {
        ...{ run: run(), format: format(), quant: find("#us-quant").value },
        to: find("#us-to").value,
      };
      pending = { ...asked, ...answers };
      find("#b-export").disabled = true;
      const answer = await CT.post(`${API}/exports`, pending);
      if (answer?.ask) question(answer);
      else close();
      if (answer && !answer.ask) find("#us-to").value = "";
      await look();
    }

    function question({ ask, about }) {
      const replace = about === "replace";
      CT.write(find("#us-asked"), ask);
      CT.write(find("#b-us-yes"), replace ? "Replace it" : "Export all the same");
      find("#b-us-evaluate").hidden = replace;
      find("#us-ask").dataset.about = about;
      find("#us-ask").hidden = false;
      find(replace ? "#b-us-yes" : "#b-us-evaluate").focus();
    }

    function close() {
      pending = null;
      find("#us-ask").hidden = true;
      press();
    }

    // ---------- what a person does ----------
    find("#us-run").onchange = () => {
      sessionStorage.ctUseRun = run();
      close();
      told();
      look();
    };
    find("#us-formats").onchange = () => {
      fillPrecisions();
      close();
      look();
    };
    find("#us-quant").onchange = () => {
      close();
      look();
    };
    find("#us-to").oninput = close;
    find("#us-form").onsubmit = (event) => {
      event.preventDefault();
      pending = null;
      begin({});
    };
    find("#b-us-yes").onclick = () => begin({ [find("#us-ask").dataset.about]: true });
    find("#b-us-no").onclick = () => {
      close();
      find("#b-export").focus();
    };
    find("#b-us-evaluate").onclick = () => {
      sessionStorage.ctEvRun = run(); // Evaluate opens with the same run, when it was not open yet
      close();
    };
    find("#us-ask").onkeydown = (event) => {
      if (event.key === "Escape") find("#b-us-no").click();
    };
    find("#b-us-cancel").onclick = async () => {
      if (!known?.job) return;
      if (known.job.active) await CT.post(`${API}/exports/${known.job.id}/cancel`);
      else sessionStorage.ctUseSeen = known.job.id;
      look();
    };

    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) look();
    }).observe(element);
    fillPrecisions();
    (window.ctQueue ??= []).push(["use-editor", find("#us-editor")]);
    look();
  });
});
