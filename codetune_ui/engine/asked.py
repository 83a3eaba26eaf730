"""What editors asked last, in memory: when, who, where, how much and how it ended; never code."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codetune_ui.core.completion import Chunk
from codetune_ui.core.editors import name_editor

KEPT = 50
WARM_UP = "warm-up"  # nothing was to be written
AGENT_SIGNS = 120  # of a User-Agent that is kept


@dataclass
class Note:
    """One request. `ended` is "" while it is answered; times are in seconds and milliseconds."""

    time: float
    editor: str
    agent: str
    path: str
    model: str = ""
    status: int = 0
    prompt_tokens: int = 0
    kept_tokens: int = 0
    tokens: int = 0
    ms_first_token: float = 0.0
    ms: float = 0.0
    ended: str = ""

    def take(self, model: str, last: Chunk) -> None:
        """Write down how an answer ended."""
        self.model = model
        self.ended = last.finish
        if (timings := last.timings) is not None:
            self.prompt_tokens = timings.prompt_tokens
            self.kept_tokens = timings.kept_tokens
            self.tokens += timings.tokens
            self.ms_first_token = timings.ms_first_token


class Asked:
    """The last requests for an answer, the newest first."""

    def __init__(self, paths: set[str]) -> None:
        self.paths = paths
        self._notes: deque[Note] = deque(maxlen=KEPT)

    def begin(self, scope: Scope) -> Note:
        """Begin a note of a request."""
        heads = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        agent = heads.get("user-agent", b"").decode("latin-1")[:AGENT_SIGNS]
        editor = name_editor(agent, scope["path"], has_api_key="x-api-key" in heads)
        note = Note(time.time(), editor, agent, scope["path"])
        self._notes.appendleft(note)
        return note

    def end(self, note: Note) -> None:
        """Let go of older warm-ups, which come every second: the newest says enough."""
        if note.ended == WARM_UP:
            others = [one for one in self._notes if one is note or one.ended != WARM_UP]
            self._notes = deque(others, maxlen=KEPT)

    def told(self) -> list[dict[str, Any]]:
        """Return the notes as the wire has them."""
        return [asdict(note) for note in self._notes]


class Listening:
    """Writes a note of every request to one of the paths, refused ones too."""

    def __init__(self, app: ASGIApp, asked: Asked) -> None:
        self.app = app
        self.asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and see how it ends."""
        if scope["type"] != "http" or scope["path"] not in self.asked.paths:
            await self.app(scope, receive, send)
            return
        note = self.asked.begin(scope)
        scope.setdefault("state", {})["note"] = note
        began = time.perf_counter()

        async def heard(message: Message) -> None:
            if message["type"] == "http.response.start":
                note.status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, heard)
        finally:
            note.ms = round((time.perf_counter() - began) * 1000, 1)
            if not note.ended:
                note.ended = "refused" if note.status >= 400 else "cancelled"
            self.asked.end(note)
