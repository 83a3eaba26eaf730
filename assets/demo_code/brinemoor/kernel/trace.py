"""House tracing: one span for each public call, named ``harbor.<package>.<entity>.<verb>``."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from brinemoor.kernel.context import BerthContext, SpanRecord

SPAN_PREFIX = "harbor."


class TraceSpan:
    """An open span. ``note`` keeps facts that the quay master wants to search for."""

    def __init__(self, record: SpanRecord) -> None:
        self.record = record

    def note(self, key: str, value: Any) -> None:
        self.record.notes[key] = value

    def __enter__(self) -> TraceSpan:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if error is not None:
            self.record.broke_with = type(error).__name__


def trace_span(name: str, ctx: BerthContext) -> TraceSpan:
    """Open a span on ``ctx``; use it in a ``with`` block."""
    if not name.startswith(SPAN_PREFIX):
        raise ValueError(f"span name {name!r} must begin with {SPAN_PREFIX!r}")
    record = SpanRecord(name=name)
    ctx.spans.append(record)
    return TraceSpan(record)


def spans_named(ctx: BerthContext, name: str) -> list[SpanRecord]:
    """All spans of ``name`` that were opened on ``ctx``, oldest first."""
    return [record for record in ctx.spans if record.name == name]
