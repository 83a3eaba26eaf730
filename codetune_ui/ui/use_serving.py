"""What the Use tab knows of the server that editors ask: on or off, its address, who asked."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from codetune_ui.core.completion import adapter_model
from codetune_ui.core.editors import Access, Snippet, snippet, snippets
from codetune_ui.core.errors import CodeTuneError, ConfigError, MachineError
from codetune_ui.runs import editors
from codetune_ui.runs.client import CompletionClient, server_state
from codetune_ui.runs.infill import access
from codetune_ui.runs.store import Home
from codetune_ui.ui import use_editors

MOST_SHOWN = 8  # requests
TITLES = {one.editor: one.title for one in snippets(Access("", "", ""))}


class Serving:
    """Switches the server on and off; all it says is read anew, save a start under way."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._starting: tuple[str, threading.Thread] | None = None
        self._failed: tuple[str, CodeTuneError] | None = None

    # --- on and off

    def start(self, run: str) -> None:
        """Begin to start a server for a run; what goes wrong is told by `state`."""
        if self._at_work() is not None:
            raise MachineError("The server is being started already.", "Wait a moment.")
        self.home.run(run)
        thread = threading.Thread(target=self._open, args=(run,), daemon=True, name="serve")
        self._starting, self._failed = (run, thread), None
        thread.start()

    def _open(self, run: str) -> None:
        try:
            editors.open_for(self.home, run)
        except CodeTuneError as error:
            starting = self._starting
            if starting is not None and starting[1] is threading.current_thread():
                self._failed = run, error

    def stop(self) -> None:
        """End the server, also one that is on its way."""
        self._starting = self._failed = None
        editors.close(self.home)

    def _at_work(self) -> str | None:
        starting = self._starting
        return starting[0] if starting is not None and starting[1].is_alive() else None

    # --- how it stands

    def state(self, run: str) -> dict[str, Any]:
        """Return whether editors are served with a run, and what they need to know."""
        at_work, server = self._at_work(), server_state(self.home)
        opened = editors.opened_for(self.home) if server is not None else ""
        if at_work is not None:
            return _only("starting", f"Loading the model for {at_work} …")
        if server is None or not opened:
            return self._off(run)
        if opened != run:
            return _only("other", f"It answers with {opened} now.")
        client = CompletionClient(server)
        if (client.health() or {}).get("status") != "ok":
            return _only("starting", f"Loading the model for {run} …")
        return _on(client, run)

    def _off(self, run: str) -> dict[str, Any]:
        failed = self._failed
        if failed is not None and failed[0] == run:
            return _only("failed", str(failed[1]))
        if editors.wanted_for(self.home) == run:
            return _only("off", "It has ended, to make room or with the machine.")
        return _only("off", "Off")

    # --- setting an editor up

    def snippet(self, run: str, editor: str) -> dict[str, Any]:
        """Return what sets an editor up: to be copied, and to be shown with and without token."""
        how = access(self._client(run), run)
        found: Snippet = snippet(editor, how)
        return {
            "text": found.text,
            "shown": use_editors.code(found.text, found.language),
            "hidden": use_editors.code(use_editors.masked(found.text, how), found.language),
            "place": found.place,
            "note": found.note,
            "masked_note": use_editors.masked(found.note, how),
        }

    def try_as(self, run: str, editor: str) -> dict[str, str]:
        """Ask for a completion as an editor does, and return what came, as HTML."""
        client = self._client(run)
        if editor not in editors.WAYS:
            raise ConfigError(f"There is no editor '{editor}'.", "Load the page again.")
        return {
            "html": use_editors.tried(editors.try_as(client.state, editor, run), TITLES[editor])
        }

    def _client(self, run: str) -> CompletionClient:
        server = server_state(self.home)
        if server is None or editors.opened_for(self.home) != run:
            raise MachineError("Editors are not served now.", "Switch it on.")
        return CompletionClient(server)


def _on(client: CompletionClient, run: str) -> dict[str, Any]:
    address, model = f"http://127.0.0.1:{client.state.port}", adapter_model(run)
    asked: list[dict[str, Any]] = []
    with contextlib.suppress(CodeTuneError):  # it goes just now: the next look says so
        asked = client.requests()
    return {
        **_only("on", "On"),
        "address": address,
        "token": client.state.token,
        "model": model,
        "editors": list(TITLES.items()),
        "requests": use_editors.requests(asked[:MOST_SHOWN]),
    }


def _only(state: str, line: str) -> dict[str, Any]:
    return {"state": state, "line": line}
