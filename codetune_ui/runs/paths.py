"""Paths as a person typed them, made whole: a worker has another working directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.sources import format_sources, is_git_url, is_hub_source, parse_sources


def with_whole_paths(config: Config) -> Config:
    """Return the settings with absolute paths: a worker has another working directory."""
    specs = parse_sources(config.source)
    source = format_sources([replace(spec, place=_whole(spec.place)) for spec in specs])
    model = config.base_model
    if model != DEMO and Path(model).expanduser().exists():
        model = str(Path(model).expanduser().absolute())
    return config.replace(source=source, base_model=model)


def _whole(place: str) -> str:
    if place in ("", DEMO) or is_hub_source(place) or is_git_url(place):
        return place
    return str(Path(place).expanduser().absolute())
