"""Mistral's `/v1/fim/completions`, as Continue asks it: the answer has the shape of a chat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk
from codetune_ui.engine.wires.common import (
    MaybeSeed,
    MaybeTemperature,
    MaybeTopP,
    event,
    hole,
    stops,
)
from codetune_ui.engine.wires.openai import finish_of, usage_of


class Body(BaseModel):
    """What `POST /v1/fim/completions` takes; fields it does not know are ignored."""

    model: str | None = None
    prompt: str
    suffix: str | None = None
    max_tokens: int | None = Field(default=None, ge=0)
    temperature: float | None = MaybeTemperature
    top_p: float | None = MaybeTopP
    stop: str | list[str] | None = None
    random_seed: int | None = MaybeSeed
    stream: bool | None = False

    def ask(self) -> Ask:
        """Return what the model is asked."""
        prefix, suffix = hole(self.prompt, self.suffix)
        most = MAX_TOKENS if self.max_tokens is None else self.max_tokens
        return Ask(
            prefix=prefix,
            suffix=suffix,
            max_tokens=min(most, MAX_TOKENS),
            temperature=self.temperature or 0.0,
            top_p=self.top_p or 1.0,
            seed=self.random_seed,
            stop=stops(self.stop),
            no_repeat=True,
        )


class Form:
    """How an answer is written: a message at once, or deltas one after the other."""

    media_type = "text/event-stream"

    def __init__(self, identity: str, model: str) -> None:
        self._common = {"id": identity, "created": int(time.time()), "model": model}

    def whole(self, chunk: Chunk) -> dict[str, Any]:
        """Return the reply that is sent at once."""
        message = {"role": "assistant", "content": chunk.text, "tool_calls": None}
        choice = {"index": 0, "message": message, "finish_reason": finish_of(chunk)}
        usage = {} if chunk.timings is None else {"usage": usage_of(chunk.timings)}
        return {**self._common, "object": "chat.completion", "choices": [choice], **usage}

    def pieces(self, chunk: Chunk) -> Iterator[bytes]:
        """Yield a stream's events for one piece of the answer."""
        delta = {"role": "assistant", "content": chunk.text}
        choice = {"index": 0, "delta": delta, "finish_reason": finish_of(chunk)}
        usage = {} if chunk.timings is None else {"usage": usage_of(chunk.timings)}
        yield event(
            {**self._common, "object": "chat.completion.chunk", "choices": [choice], **usage}
        )

    def end(self) -> bytes:
        """Return what ends a stream."""
        return event("[DONE]")

    def broken(self, error: dict[str, Any]) -> bytes:
        """Return what ends a stream that broke off."""
        return event({"error": error})
