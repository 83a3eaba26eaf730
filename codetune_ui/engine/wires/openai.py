"""OpenAI's `/v1/completions`, with `suffix`; also what DeepSeek's and vLLM's clients send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, field_validator

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk, Timings
from codetune_ui.core.neighbours import Neighbour
from codetune_ui.engine.wires.common import (
    File,
    MaybeSeed,
    MaybeTemperature,
    MaybeTopP,
    event,
    hole,
    stops,
)


class StreamOptions(BaseModel):
    """What else a stream tells."""

    include_usage: bool | None = False


class Body(BaseModel):
    """What `POST /v1/completions` takes; fields it does not know are ignored.

    The last five are our own. keep_repeats: also what stands after the hole may be written.
    """

    model: str | None = None
    prompt: str
    suffix: str | None = None
    max_tokens: int | None = Field(default=None, ge=0)
    temperature: float | None = MaybeTemperature
    top_p: float | None = MaybeTopP
    stop: str | list[str] | None = None
    seed: int | None = MaybeSeed
    n: int | None = Field(default=1, ge=1, le=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    path: str = Field(default="", max_length=1000)
    repo: str = Field(default="", max_length=200)
    input_extra: list[File] = Field(default_factory=list, max_length=100)
    context_tokens: int | None = Field(default=None, ge=0)
    keep_repeats: bool = False

    @field_validator("prompt", mode="before")
    @classmethod
    def _one(cls, given: Any) -> Any:
        """Take a list of one text for the text; clients may send either."""
        return given[0] if isinstance(given, list) and len(given) == 1 else given

    def ask(self) -> Ask:
        """Return what the model is asked; too many tokens are cut to what is allowed."""
        prefix, suffix = hole(self.prompt, self.suffix)
        most = 128 if self.max_tokens is None else self.max_tokens
        return Ask(
            prefix=prefix,
            suffix=suffix,
            max_tokens=min(most, MAX_TOKENS),
            temperature=self.temperature or 0.0,
            top_p=self.top_p or 1.0,
            seed=self.seed,
            stop=stops(self.stop),
            path=self.path,
            repo=self.repo,
            extra=tuple(Neighbour(file.filename, file.text) for file in self.input_extra),
            context_tokens=self.context_tokens,
            no_repeat=not self.keep_repeats,
        )


class Form:
    """How an answer is written: once, or as a stream of objects of the same shape."""

    media_type = "text/event-stream"

    def __init__(self, identity: str, model: str, options: StreamOptions | None) -> None:
        self._common = {
            "id": identity,
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._tells_usage = options is not None and bool(options.include_usage)

    def whole(self, chunk: Chunk) -> dict[str, Any]:
        """Return the reply that is sent at once."""
        usage = {} if chunk.timings is None else {"usage": usage_of(chunk.timings)}
        return {**self._common, **_choices(chunk), **usage, **_extra(chunk)}

    def pieces(self, chunk: Chunk) -> Iterator[bytes]:
        """Yield a stream's events for one piece of the answer."""
        usage = {"usage": None} if self._tells_usage else {}
        yield event({**self._common, **_choices(chunk), **usage, **_extra(chunk)})
        if self._tells_usage and chunk.timings is not None:
            yield event({**self._common, "choices": [], "usage": usage_of(chunk.timings)})

    def end(self) -> bytes:
        """Return what ends a stream."""
        return event("[DONE]")

    def broken(self, error: dict[str, Any]) -> bytes:
        """Return what ends a stream that broke off."""
        return event(error)


def usage_of(timings: Timings) -> dict[str, int]:
    """Return the tokens of a prompt and its answer, as OpenAI and Mistral count them."""
    return {
        "prompt_tokens": timings.prompt_tokens,
        "completion_tokens": timings.tokens,
        "total_tokens": timings.prompt_tokens + timings.tokens,
    }


def finish_of(chunk: Chunk) -> str | None:
    """Return why an answer ended, in OpenAI's words; None while it goes on."""
    return {"": None, "cancelled": "stop"}.get(chunk.finish, chunk.finish)


def _choices(chunk: Chunk) -> dict[str, Any]:
    choice = {"index": 0, "text": chunk.text, "logprobs": None, "finish_reason": finish_of(chunk)}
    return {"choices": [choice]}


def _extra(chunk: Chunk) -> dict[str, Any]:
    """Return what our own client reads beside the protocol."""
    if chunk.timings is None:
        return {}
    return {"timings": chunk.timings.to_dict(), "mode": chunk.mode}
