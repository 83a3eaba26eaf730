"""House registry: services, rules, jobs, sheets and forms announce themselves by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One announced thing. ``every_minutes`` is zero for all but jobs."""

    kind: str
    name: str
    target: Any
    every_minutes: int = 0


_ENTRIES: dict[tuple[str, str], RegistryEntry] = {}


def _announce(entry: RegistryEntry) -> None:
    known = _ENTRIES.get((entry.kind, entry.name))
    if known is not None and known.target.__qualname__ != entry.target.__qualname__:
        raise ValueError(f"{entry.kind} {entry.name!r} is announced twice")
    _ENTRIES[(entry.kind, entry.name)] = entry


def harbor_service(name: str) -> Callable[[C], C]:
    """Announce a service class under ``<package>.<entity>``."""

    def wrap(cls: C) -> C:
        _announce(RegistryEntry("service", name, cls))
        return cls

    return wrap


def quay_rule(name: str) -> Callable[[F], F]:
    """Announce a rule: a function that only reads and decides."""

    def wrap(func: F) -> F:
        _announce(RegistryEntry("rule", name, func))
        return func

    return wrap


def tide_job(name: str, every_minutes: int) -> Callable[[F], F]:
    """Announce a job that the tide scheduler runs every so many minutes."""

    def wrap(func: F) -> F:
        _announce(RegistryEntry("job", name, func, every_minutes))
        return func

    return wrap


def quay_sheet(name: str) -> Callable[[F], F]:
    """Announce a sheet: a report that the quay office prints."""

    def wrap(func: F) -> F:
        _announce(RegistryEntry("sheet", name, func))
        return func

    return wrap


def quay_form(name: str) -> Callable[[F], F]:
    """Announce a form: it turns a terminal payload into a service call."""

    def wrap(func: F) -> F:
        _announce(RegistryEntry("form", name, func))
        return func

    return wrap


def entries_of(kind: str) -> list[RegistryEntry]:
    """All entries of one kind, in name order."""
    found = [entry for entry in _ENTRIES.values() if entry.kind == kind]
    return sorted(found, key=lambda entry: entry.name)


def jobs_due(minute_of_day: int) -> list[RegistryEntry]:
    """The jobs whose turn it is at this minute of the day."""
    return [entry for entry in entries_of("job") if minute_of_day % entry.every_minutes == 0]
