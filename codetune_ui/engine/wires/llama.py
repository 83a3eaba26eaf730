"""llama.cpp's `/infill`, as llama.vim and llama.vscode ask it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, Field

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk, Timings
from codetune_ui.core.context import UNNAMED
from codetune_ui.core.neighbours import Neighbour
from codetune_ui.engine.wires.common import (
    MaybeSeed,
    MaybeTemperature,
    MaybeTopP,
    event,
    stops,
)

MOST_ANSWERS = 4


class Extra(BaseModel):
    """A piece of another file; llama.vim sends some without a name."""

    filename: str | None = Field(default=None, max_length=1000)
    text: str


class Body(BaseModel):
    """What `POST /infill` takes; sampling that is not known here is ignored.

    prompt: what stands between the prefix and the cursor, mostly the line's beginning. It is read
    as the prefix's end, as the model was trained, not behind the last token as llama.cpp has it.
    """

    model: str | None = None
    input_prefix: str = ""
    input_suffix: str = ""
    input_extra: list[Extra] | None = Field(default=None, max_length=1000)
    prompt: str = ""
    n_predict: int | None = None
    n_indent: int | None = Field(default=None, ge=0)
    n_cmpl: int | None = Field(default=None, ge=1)
    temperature: float | None = MaybeTemperature
    top_p: float | None = MaybeTopP
    seed: int | None = MaybeSeed
    stop: str | list[str] | None = None
    stream: bool | None = False
    t_max_predict_ms: int | None = None
    response_fields: list[str] | None = None

    @property
    def is_warm_up(self) -> bool:
        """Nothing is to be written: llama.vim and llama.vscode only show what is coming."""
        return self.n_predict == 0

    def asks(self) -> list[Ask]:
        """Return what the model is asked, once for each answer that is wanted.

        Without a temperature the likeliest text is written, and there is only one of it.
        """
        most = MAX_TOKENS if self.n_predict is None or self.n_predict < 0 else self.n_predict
        line_ms = self.t_max_predict_ms
        count = min(self.n_cmpl or 1, MOST_ANSWERS) if self.temperature else 1
        return [
            Ask(
                prefix=self.input_prefix + self.prompt,
                suffix=self.input_suffix,
                max_tokens=min(most, MAX_TOKENS),
                temperature=self.temperature or 0.0,
                top_p=self.top_p or 1.0,
                seed=None if self.seed is None or self.seed < 0 else self.seed + number,
                stop=stops(self.stop),
                extra=tuple(Neighbour(one.filename or UNNAMED, one.text) for one in self._extra()),
                no_repeat=True,
                line_ms=line_ms if line_ms is not None and line_ms > 0 else None,
                indent=self.n_indent or 0,
            )
            for number in range(count)
        ]

    def _extra(self) -> Sequence[Extra]:
        return self.input_extra or ()

    def reply(self, model: str, chunks: Sequence[Chunk]) -> Any:
        """Return one object, or an array where several answers were asked for."""
        found = [
            self._wanted(whole(model, chunk, self, index)) for index, chunk in enumerate(chunks)
        ]
        return found if (self.n_cmpl or 1) > 1 else found[0]

    def _wanted(self, found: dict[str, Any]) -> dict[str, Any]:
        """Keep the fields that were asked for; one with a slash keeps it in its name."""
        if not self.response_fields:
            return found
        picked = {}
        for field in self.response_fields:
            value: Any = found
            for part in field.split("/"):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                picked[field] = value
        return picked


EMPTY = Chunk("", 0, "length", Timings(0, 0, 0.0, 0.0))


def whole(model: str, chunk: Chunk, body: Body, index: int = 0) -> dict[str, Any]:
    """Return the reply that is sent at once, or the last object of a stream."""
    timings = chunk.timings or EMPTY.timings
    assert timings is not None
    kind = {"stop": "word" if chunk.stop_word else "eos", "length": "limit"}
    return {
        "index": index,
        "content": chunk.text,
        "tokens": [],
        "stop": True,
        "model": model,
        "tokens_predicted": timings.tokens,
        "tokens_evaluated": timings.prompt_tokens,
        "generation_settings": {
            "n_predict": body.n_predict,
            "temperature": body.temperature or 0.0,
            "top_p": body.top_p or 1.0,
            "seed": body.seed,
            "stop": list(stops(body.stop)),
            "stream": bool(body.stream),
        },
        "truncated": False,
        "stop_type": kind.get(chunk.finish, "none"),
        "stopping_word": chunk.stop_word,
        "tokens_cached": timings.prompt_tokens + max(0, timings.tokens - 1),
        "timings": _timings(timings),
    }


def _timings(timings: Timings) -> dict[str, Any]:
    """Return what was read and written; of the prompt only what was not known already."""
    read, wrote = timings.prompt_tokens - timings.kept_tokens, timings.tokens
    read_ms, write_ms = timings.ms_first_token, timings.ms_total - timings.ms_first_token
    return {
        "cache_n": timings.kept_tokens,
        "prompt_n": read,
        "prompt_ms": read_ms,
        "prompt_per_token_ms": _share(read_ms, read),
        "prompt_per_second": _share(1000 * read, read_ms),
        "predicted_n": wrote,
        "predicted_ms": round(write_ms, 1),
        "predicted_per_token_ms": _share(write_ms, wrote),
        "predicted_per_second": _share(1000 * wrote, write_ms),
    }


def _share(whole: float, count: float) -> float:
    return round(whole / count, 3) if count > 0 else 0.0


class Form:
    """How an answer is streamed; there is no `[DONE]`, the last object says `stop`."""

    media_type = "text/event-stream"

    def __init__(self, model: str, body: Body) -> None:
        self._model = model
        self._body = body

    def pieces(self, chunk: Chunk) -> Iterator[bytes]:
        """Yield a stream's events for one piece of the answer."""
        if chunk.finish:
            yield event(whole(self._model, chunk, self._body))
        else:
            yield event({"index": 0, "content": chunk.text, "tokens": [], "stop": False})

    def end(self) -> bytes:
        """Return what ends a stream."""
        return b""

    def broken(self, error: dict[str, Any]) -> bytes:
        """Return what ends a stream that broke off."""
        return event(error)


def props(model: str, n_ctx: int, slots: int) -> dict[str, Any]:
    """Return what `GET /props` tells; no path of this machine is in it."""
    return {
        "default_generation_settings": {"n_ctx": n_ctx, "params": {"temperature": 0.0}},
        "total_slots": slots,
        "model_alias": model,
        "chat_template": "",
        "modalities": {"vision": False, "audio": False},
    }
