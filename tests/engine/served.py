"""A running server with two adapters, and how the tests of its protocols ask it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from codetune_ui.runs.client import ServerState

RUN = "codetune-amber-otter"
PREFIX, SUFFIX = "def add(left", ":\n    return left + right\n"
FIM = {"model": RUN, "prompt": PREFIX, "suffix": SUFFIX, "max_tokens": 8, "temperature": 0}


@dataclass
class Served:
    state: ServerState
    http: httpx.Client

    def post(self, path: str, **body: Any) -> Any:
        reply = self.http.post(path, json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def text(self, model: str = "base", most: int = 8) -> str:
        """What our own protocol says, which is tested elsewhere."""
        body = {"model": model, "prompt": PREFIX, "suffix": SUFFIX, "max_tokens": most}
        return str(self.post("/v1/completions", **body)["choices"][0]["text"])

    def generated(self) -> int:
        return int(self.http.get("/health").json()["generated_tokens"])


def events(body: bytes) -> list[Any]:
    """The events of a stream, which consists of nothing else."""
    parts = body.split(b"\n\n")
    assert parts.pop() == b""
    assert all(part.startswith(b"data: ") and b"\n" not in part for part in parts)
    ended = parts[-1] == b"data: [DONE]"
    found = [json.loads(part[6:]) for part in (parts[:-1] if ended else parts)]
    return [*found, "[DONE]"] if ended else found
