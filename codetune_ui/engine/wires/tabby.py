"""Tabby's `/v1/completions`: the same path as OpenAI's, told apart by its `segments`."""

from __future__ import annotations

import os
import platform
from typing import Any

from pydantic import BaseModel, Field

from codetune_ui.core.completion import Ask, Chunk
from codetune_ui.core.context import repository_name
from codetune_ui.core.neighbours import Neighbour
from codetune_ui.engine.wires.common import MaybeSeed, MaybeTemperature


class Snippet(BaseModel):
    """A piece of another file."""

    filepath: str = Field(max_length=1000)
    body: str


class Segments(BaseModel):
    """The code around the cursor, and what the editor thinks belongs to it."""

    prefix: str
    suffix: str | None = None
    filepath: str | None = Field(default=None, max_length=1000)
    git_url: str | None = Field(default=None, max_length=2000)
    declarations: list[Snippet] | None = Field(default=None, max_length=100)
    relevant_snippets_from_changed_files: list[Snippet] | None = Field(default=None, max_length=100)
    relevant_snippets_from_recently_opened_files: list[Snippet] | None = Field(
        default=None, max_length=100
    )


class Body(BaseModel):
    """What a Tabby client sends; it names no model, so the server's own one answers."""

    segments: Segments
    temperature: float | None = MaybeTemperature
    seed: int | None = MaybeSeed

    def ask(self) -> Ask:
        """Return what the model is asked; a clipboard is no file, and is not read."""
        given = self.segments
        found = [
            *(given.declarations or ()),
            *(given.relevant_snippets_from_changed_files or ()),
            *(given.relevant_snippets_from_recently_opened_files or ()),
        ]
        return Ask(
            prefix=given.prefix,
            suffix=given.suffix or "",
            temperature=self.temperature or 0.0,
            seed=self.seed,
            path=given.filepath or "",
            repo=repository_name(given.git_url or ""),
            extra=tuple(Neighbour(one.filepath, one.body) for one in found),
            no_repeat=True,
        )


def reply(identity: str, chunk: Chunk) -> dict[str, Any]:
    """Return the answer; it is never streamed."""
    return {"id": identity, "choices": [{"index": 0, "text": chunk.text}]}


def health(model: str, device: str) -> dict[str, Any]:
    """Return what Tabby's clients ask for before anything else."""
    return {
        "model": model,
        "device": device,
        "arch": platform.machine(),
        "cpu_info": platform.processor() or platform.machine(),
        "cpu_count": os.cpu_count() or 1,
        "cuda_devices": [],
        "version": {
            "build_date": "",
            "build_timestamp": "",
            "git_sha": "",
            "git_describe": "codetune",
        },
    }
