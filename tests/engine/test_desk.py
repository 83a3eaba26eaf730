from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from codetune_ui.core.completion import Ask, Chunk
from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError
from codetune_ui.engine.answer import Job
from codetune_ui.engine.desk import QUEUE, Desk, as_trained
from codetune_ui.engine.generate import Completer, Take
from codetune_ui.runs.store import Home


class Scribe:
    """Writes one letter after the other until it is told to stop; counts its answers."""

    def __init__(self) -> None:
        self.answers = 0
        self.writing = 0
        self.most_at_once = 0

    def together(self, take: Take) -> Iterator[tuple[Job, Chunk]]:
        while (job := take()) is not None:
            self.answers += 1
            self.writing += 1
            self.most_at_once = max(self.most_at_once, self.writing)
            while not job.cancel.wait(0.001):
                yield job, Chunk("a", 1)
            self.writing -= 1


class Duet:
    """Where there is a job it waits for another one, and answers both."""

    def together(self, take: Take) -> Iterator[tuple[Job, Chunk]]:
        jobs = [job] if (job := take()) is not None else []
        while len(jobs) == 1:
            if (job := take()) is not None:
                jobs.append(job)
        for job in jobs:
            yield job, Chunk(job.ask.prefix, 1, "stop")


@pytest.fixture
def desk(home: Path) -> Iterator[Desk]:
    made = Desk(Home(home), Config())
    yield made
    made.close()


def test_while_it_loads_nobody_is_served(desk: Desk) -> None:
    async def ask() -> None:
        await anext(desk.answer(Ask("a"), None, threading.Event()))

    with pytest.raises(MachineError, match="The model is being loaded"):
        asyncio.run(ask())
    assert desk.idle_s() == 0.0


def test_one_is_served_a_few_wait_and_more_are_refused(desk: Desk) -> None:
    scribe = Scribe()
    desk.open(cast(Completer, scribe))
    cancels = [threading.Event() for _ in range(QUEUE + 1)]

    async def one(cancel: threading.Event) -> int:
        return len([chunk async for chunk in desk.answer(Ask("a"), None, cancel)])

    async def crowd() -> list[int]:
        tasks = [asyncio.create_task(one(cancel)) for cancel in cancels]
        await asyncio.sleep(0.05)
        with pytest.raises(MachineError, match="Too many requests wait"):
            await one(threading.Event())
        for cancel in cancels:
            cancel.set()
        return await asyncio.gather(*tasks)

    written = asyncio.run(crowd())
    assert written[0] > 0
    assert written[1:] == [0] * QUEUE  # they left before their turn, which costs nothing
    assert scribe.answers == 1
    assert scribe.most_at_once == 1


def test_leaving_ends_the_writing(desk: Desk) -> None:
    scribe = Scribe()
    desk.open(cast(Completer, scribe))

    async def leave() -> None:
        chunks = desk.answer(Ask("a"), None, threading.Event())
        await anext(chunks)
        await chunks.aclose()

    asyncio.run(leave())
    desk.close()
    assert scribe.writing == 0


@pytest.mark.parametrize(
    ("how", "asked", "given"),
    [
        ("neighbours", None, 300),
        ("neighbours", 200, 200),
        ("neighbours", 400, 300),
        ("path", None, 0),
        ("none", None, None),
    ],
)
def test_files_take_no_more_of_a_prompt_than_of_the_run_s_rows(
    how: str, asked: int | None, given: int | None
) -> None:
    config = Config(repo_context=how, context_tokens=300)
    assert as_trained(Ask("a", context_tokens=asked), config, None).context_tokens == given


def test_who_comes_while_another_is_written_is_served_beside_it(desk: Desk) -> None:
    desk.open(cast(Completer, Duet()))

    async def one(text: str) -> list[str]:
        answer = desk.answer(Ask(text), None, threading.Event())
        return [chunk.text async for chunk in answer]

    async def both() -> tuple[list[str], list[str]]:
        first, second = await asyncio.gather(one("a"), one("b"))
        return first, second

    assert asyncio.run(both()) == (["a"], ["b"])


def test_what_goes_wrong_is_told_to_those_who_are_served(desk: Desk) -> None:
    class Broken:
        def together(self, take: Take) -> Iterator[tuple[Job, Chunk]]:
            job = take()
            assert job is not None
            yield job, Chunk("a", 1)
            raise RuntimeError("out of memory")

    desk.open(cast(Completer, Broken()))

    async def ask() -> None:
        chunks = desk.answer(Ask("x"), None, threading.Event())
        assert (await anext(chunks)).text == "a"
        with pytest.raises(RuntimeError, match="out of memory"):
            await anext(chunks)

    asyncio.run(ask())
