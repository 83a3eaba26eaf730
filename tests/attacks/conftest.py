"""Gradio makes an event loop for each lock of a page that is built, and leaves them unclosed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_loop_left_open() -> Iterator[None]:
    """Close what the pages of a file left: an unclosed loop is a warning, and so an error."""
    make, made = asyncio.new_event_loop, []

    def remembered() -> asyncio.AbstractEventLoop:
        loop = make()
        made.append(loop)
        return loop

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio, "new_event_loop", remembered)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()
    asyncio.set_event_loop(None)
