"""One request answered, whole or as a stream, with an ear for the client who leaves.

An editor leaves at every key that is pressed: it closes the connection, which the server is told at
once, and the writing ends after the token or the piece of the prompt that it is at. This holds for
a plain JSON reply as for a stream. HTTP/1.1 lets a connection ask one thing at a time, and no
protocol here names its client otherwise (minuet asks for several answers at once, each over a
connection of its own), so nothing but a closed connection ever ends an answer early.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, Protocol

from fastapi import Request
from fastapi.responses import StreamingResponse

from codetune_ui.core.completion import Ask, Chunk
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.engine.desk import Desk
from codetune_ui.engine.wires.common import error_of, plain_ends

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Form(Protocol):
    """How a protocol writes a stream."""

    media_type: str

    def pieces(self, chunk: Chunk) -> Iterator[bytes]:
        """Yield what is sent for one piece of the answer."""

    def end(self) -> bytes:
        """Return what ends a stream."""

    def broken(self, error: dict[str, Any]) -> bytes:
        """Return what ends a stream that broke off."""


class Talk:
    """A request that is answered, by the model that has the name `model`."""

    def __init__(self, desk: Desk, request: Request, model: str) -> None:
        """Find what shall answer; raise `CodeTuneError` for a name that nobody has."""
        self.model = model or desk.default
        self._run = desk.find(self.model)
        self._desk = desk
        self._request = request
        self._cancels: list[threading.Event] = []
        self._gone = False

    async def whole(self, asks: list[Ask]) -> list[Chunk]:
        """Return the answers, each in one piece; they are written side by side."""
        listener = asyncio.create_task(self._listen())
        try:
            return list(await asyncio.gather(*[self._one(ask) for ask in asks]))
        finally:
            self._leave()
            listener.cancel()

    async def _one(self, ask: Ask) -> Chunk:
        found = [chunk async for chunk in self._chunks(ask)]
        if not found:  # the client left before it was its turn
            return Chunk("", 0, "cancelled")
        return replace(found[-1], text="".join(chunk.text for chunk in found))

    async def stream(self, ask: Ask, form: Form) -> StreamingResponse:
        """Return the answer as it is written. What is refused is refused with a status."""
        listener = asyncio.create_task(self._listen())
        chunks = self._chunks(ask)
        try:
            first = await anext(chunks, Chunk("", 0, "cancelled"))
        except BaseException:
            listener.cancel()
            raise
        events = self._events(chunks, first, form, listener)
        return StreamingResponse(events, media_type=form.media_type, headers=HEADERS)

    async def _events(
        self, chunks: AsyncIterator[Chunk], first: Chunk, form: Form, listener: asyncio.Task[None]
    ) -> AsyncIterator[bytes]:
        try:
            for piece in form.pieces(first):
                yield piece
            async for chunk in chunks:
                for piece in form.pieces(chunk):
                    yield piece
        except Exception as error:  # noqa: BLE001 - the status is sent, so the stream must tell it
            yield form.broken(error_of(self._request.url.path, 500, _sentence(error)))
        else:
            if end := form.end():
                yield end
        finally:
            self._leave()
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    async def _chunks(self, ask: Ask) -> AsyncIterator[Chunk]:
        r"""Yield what is written, with \r\n where the request has it."""
        plain, has_returns = plain_ends(ask)
        cancel = threading.Event()
        self._cancels.append(cancel)
        if self._gone:
            cancel.set()
        async for chunk in self._desk.answer(plain, self._run, cancel):
            if chunk.finish:
                self._request.state.note.take(self.model, chunk)
            yield replace(chunk, text=chunk.text.replace("\n", "\r\n")) if has_returns else chunk

    async def _listen(self) -> None:
        """Set the cancel once the client is gone; the server tells it without being asked."""
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._gone = True
        for cancel in self._cancels:
            cancel.set()


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, CodeTuneError) else "The answer broke off."
