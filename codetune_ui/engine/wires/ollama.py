"""Ollama's `/api/generate` with suffix, and what its clients ask before: tags, show, version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk
from codetune_ui.engine.wires.common import (
    MaybeSeed,
    MaybeTemperature,
    MaybeTopP,
    hole,
    packed,
    stops,
)

TAG = ":latest"
SPOKEN = "0.6.4"  # the release whose /api/show first lists capabilities: what is spoken here
NANO = 1_000_000  # nanoseconds in a millisecond


class Options(BaseModel):
    """How it is written; what is not known here is ignored."""

    num_predict: int | None = None
    temperature: float | None = MaybeTemperature
    top_p: float | None = MaybeTopP
    stop: str | list[str] | None = None
    seed: int | None = MaybeSeed


class Body(BaseModel):
    """What `POST /api/generate` takes; it streams unless told otherwise."""

    model: str
    prompt: str = ""
    suffix: str | None = None
    stream: bool | None = True
    options: Options | None = Field(default=None)

    @property
    def is_load(self) -> bool:
        """Nothing is asked: the model is only to be in memory, where it always is."""
        return not self.prompt and not self.suffix

    def ask(self) -> Ask:
        """Return what the model is asked."""
        prefix, suffix = hole(self.prompt, self.suffix)
        how = self.options or Options()
        most = how.num_predict
        return Ask(
            prefix=prefix,
            suffix=suffix,
            max_tokens=MAX_TOKENS if most is None or most < 0 else min(most, MAX_TOKENS),
            temperature=how.temperature or 0.0,
            top_p=how.top_p or 1.0,
            seed=how.seed,
            stop=stops(how.stop),
            no_repeat=True,
        )


class Named(BaseModel):
    """What `POST /api/show` takes; older clients say `name`."""

    model: str = ""
    name: str = ""


def plain_name(model: str) -> str:
    """Return a model's name without Ollama's tag.

    >>> plain_name("codetune-otter:latest")
    'codetune-otter'
    """
    return model.removesuffix(TAG)


class Form:
    """How an answer is written: one object, or one a line."""

    media_type = "application/x-ndjson"

    def __init__(self, model: str) -> None:
        self._model = model

    def whole(self, chunk: Chunk) -> dict[str, Any]:
        """Return the reply that is sent at once."""
        return self._last(chunk, chunk.text)

    def pieces(self, chunk: Chunk) -> Iterator[bytes]:
        """Yield a stream's lines for one piece of the answer."""
        if chunk.text:
            line = {**self._common(), "response": chunk.text, "done": False}
            yield packed(line) + b"\n"
        if chunk.finish:
            yield packed(self._last(chunk, "")) + b"\n"

    def end(self) -> bytes:
        """Return what ends a stream."""
        return b""

    def broken(self, error: dict[str, Any]) -> bytes:
        """Return what ends a stream that broke off."""
        return packed(error) + b"\n"

    def loaded(self) -> dict[str, Any]:
        """Return the reply to a request that asks for nothing."""
        return {**self._common(), "response": "", "done": True, "done_reason": "load"}

    def _common(self) -> dict[str, Any]:
        return {"model": self._model, "created_at": _time(datetime.now(UTC))}

    def _last(self, chunk: Chunk, text: str) -> dict[str, Any]:
        reason = "length" if chunk.finish == "length" else "stop"
        found = {**self._common(), "response": text, "done": True, "done_reason": reason}
        timings = chunk.timings
        if timings is None:
            return found
        written = timings.ms_total - timings.ms_first_token
        return {
            **found,
            "context": [],
            "total_duration": int(timings.ms_total * NANO),
            "load_duration": 0,
            "prompt_eval_count": timings.prompt_tokens,
            "prompt_eval_duration": int(timings.ms_first_token * NANO),
            "eval_count": timings.tokens,
            "eval_duration": int(written * NANO),
        }


def tags(models: list[tuple[str, float, int]], family: str) -> dict[str, Any]:
    """Return what `GET /api/tags` tells of models: name, time of change (s), size (bytes)."""
    found = [
        {
            "name": name + TAG,
            "model": name + TAG,
            "modified_at": _time(datetime.fromtimestamp(changed, UTC)),
            "size": size,
            "digest": hashlib.sha256(name.encode()).hexdigest(),
            "details": details(family),
        }
        for name, changed, size in models
    ]
    return {"models": found}


def show(template: str, family: str, n_ctx: int) -> dict[str, Any]:
    """Return what `POST /api/show` tells; editors look for `.Suffix` in the template."""
    return {
        "modelfile": f'TEMPLATE """{template}"""',
        "parameters": f"num_ctx {n_ctx}",
        "template": template,
        "details": details(family),
        "model_info": {"general.architecture": family, f"{family}.context_length": n_ctx},
        "capabilities": ["completion", *(["insert"] if ".Suffix" in template else [])],
    }


def details(family: str) -> dict[str, Any]:
    """Return what Ollama tells of a model's kind."""
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": family,
        "families": [family],
        "parameter_size": "",
        "quantization_level": "",
    }


def _time(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")
