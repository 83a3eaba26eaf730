"""Paths as a person typed them, made whole: a worker has another working directory."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.errors import SourceError
from codetune_ui.core.sources import (
    SourceSpec,
    format_sources,
    is_git_url,
    is_hub_source,
    parse_sources,
)

PATTERN = re.compile(r"[*?\[]")


def with_whole_paths(config: Config) -> Config:
    """Return the settings with absolute paths: a worker has another working directory."""
    specs = parse_sources(config.source)
    source = format_sources([replace(spec, place=_whole(spec.place)) for spec in specs])
    model = config.base_model
    if model != DEMO and Path(model).expanduser().exists():
        model = str(Path(model).expanduser().absolute())
    return config.replace(source=source, base_model=model)


def named_by(spec: SourceSpec) -> list[SourceSpec]:
    """Return the files that a pattern like shards/*.jsonl names, in the order of their names.

    What is no pattern, or a file of that very name, is returned as it is.
    """
    place = Path(spec.place).expanduser()
    foreign = is_hub_source(spec.place) or is_git_url(spec.place)
    if foreign or not PATTERN.search(spec.place) or place.exists():
        return [spec]
    inside = place.relative_to(place.anchor)
    found = sorted(map(str, Path(place.anchor).glob(str(inside))))
    if not found:
        raise SourceError(f"No file is named by '{spec.place}'.", "Check the pattern.")
    return [replace(spec, place=path) for path in found]


def _whole(place: str) -> str:
    if place in ("", DEMO) or is_hub_source(place) or is_git_url(place):
        return place
    return str(Path(place).expanduser().absolute())
