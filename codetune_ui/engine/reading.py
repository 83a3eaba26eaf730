"""All sources of a config as one stream: those on this machine, git URLs and the Hub.

Loads neither numpy nor a tokenizer: a scan shows its first files before it does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from codetune_ui.core import pipeline
from codetune_ui.core.admit import Rules
from codetune_ui.core.assets import DEMO_CODE
from codetune_ui.core.config import Config
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.source import read_place, read_sources
from codetune_ui.core.sources import check_git_url, is_git_url, is_hub_source
from codetune_ui.engine.fetch import fetch, never
from codetune_ui.runs.store import Home

STREAM_BLOCK = 2000  # documents that are shuffled together at most; of a Hub dataset a scan's
HUB_ROWS_AMONG_SEVERAL = 20_000


def read_documents(
    config: Config,
    *,
    cancelled: Callable[[], bool] = never,
    refresh: bool = True,
    alternate: bool = False,
    on_read: Callable[[Document | Dropped], None] | None = None,
) -> Iterator[Document | Dropped]:
    """Yield everything the sources hold, kept or dropped with a reason.

    A git URL is fetched when its turn comes; without `refresh` a clone made before is read as it
    is. `cancelled` ends a fetch that is on its way with `StopRequested`. With `alternate` several
    sources give a file each in turn. `on_read` is told of each file before secrets and copies are
    looked for.
    """
    single = is_hub_source(config.source)

    def read(place: str, config: Config, rules: Rules) -> Iterator[Document | Dropped]:
        if is_hub_source(place):
            from codetune_ui.engine.hub import hub_documents

            rows = hub_documents(config.replace(source=place), rules=rules)
            # a stream of terabytes would keep the sources after it waiting
            return rows if single else itertools.islice(rows, HUB_ROWS_AMONG_SEVERAL)
        if is_git_url(place):
            check_git_url(place)
            return _fetched(place, config, rules, cancelled, refresh)
        return read_place(place, config, rules, demo_code=DEMO_CODE)

    return pipeline.collect(read_sources(config, read, alternate=alternate), config, on_read)


def _fetched(
    url: str, config: Config, rules: Rules, cancelled: Callable[[], bool], refresh: bool
) -> Iterator[Document | Dropped]:
    dated = bool(config.held_out_after)
    folder = fetch(url, Home.current(), history=dated, refresh=refresh, cancelled=cancelled)
    yield from read_place(str(folder), config, rules, demo_code=DEMO_CODE, called=url)
