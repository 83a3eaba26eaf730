"""How much a client may send, of a body and of uploads, and how slowly."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codetune_ui.ui.headers import headers_of

MOST_BODY = 20_000_000  # bytes: settings, code that is pasted
MOST_UPLOAD = 2_000_000_000
MOST_FILES = 100  # that wait in the folder of uploads; it is emptied every day
MOST_WAITING = 8_000_000_000  # bytes
MOST_AT_ONCE = 4  # uploads
QUIET_S = 30.0  # between two pieces of a body
SPARE_BYTES = 1_000_000_000  # of the disk that an upload must leave free
UPLOAD = "/gradio_api/upload"


class RefusedError(Exception):
    """What came is read no further."""


class Bounded:
    """Answers 413 to a body that is too long, 408 to one that stops, 429 to an upload too many."""

    def __init__(self, app: ASGIApp, *, folder: Path | None = None) -> None:
        self.app = app
        self.folder = folder
        self.uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, and count what comes of it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] != UPLOAD:
            return await self._counted(scope, receive, send, MOST_BODY)
        if words := self._full(_length(scope)):
            return await PlainTextResponse(words, 429)(scope, receive, send)
        self.uploading += 1
        try:
            return await self._counted(scope, receive, send, MOST_UPLOAD)
        finally:
            self.uploading -= 1

    async def _counted(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        came = 0
        begun = whole = False
        too_long = PlainTextResponse(f"More than {most:,} bytes.", 413)
        refused: PlainTextResponse | None = None

        async def count() -> Message:
            nonlocal came, refused, whole
            if whole:  # from here on a client may be quiet as long as it likes
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), QUIET_S)
            except TimeoutError:
                refused = PlainTextResponse(f"Nothing more came for {QUIET_S:.0f} s.", 408)
                raise RefusedError from None
            came += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if came > most:
                refused = too_long
                raise RefusedError
            return message

        async def note(message: Message) -> None:
            nonlocal begun
            if refused is None:  # else the app's own words on a body that broke off
                begun = True
                await send(message)

        if _length(scope) > most:
            await too_long(scope, receive, send)
            return
        with suppress(RefusedError):
            await self.app(scope, count, note)
        if refused is not None and not begun:
            await refused(scope, receive, send)

    def _full(self, length: int) -> str:
        if self.uploading >= MOST_AT_ONCE:
            return f"{MOST_AT_ONCE} uploads are under way. Wait for one to end."
        if self.folder is None:
            return ""
        files, taken = _waiting(self.folder)
        if files >= MOST_FILES or taken + length > MOST_WAITING:
            return f"Too many uploads wait in {self.folder.name}/; they are cleared every day."
        with suppress(OSError):
            if shutil.disk_usage(self.folder).free < length + SPARE_BYTES:
                return "The disk is nearly full."
        return ""


def _length(scope: Scope) -> int:
    text = headers_of(scope).get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _waiting(folder: Path) -> tuple[int, int]:
    """Return how many files lie in a folder, and their bytes."""
    files = taken = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                taken += (Path(place) / name).lstat().st_size
                files += 1
    return files, taken
