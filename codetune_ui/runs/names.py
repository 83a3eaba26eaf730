"""Names of runs: what is allowed, and a friendly one when a person gives none."""

from __future__ import annotations

import random
import re

from codetune_ui.core.errors import RunError

ADJECTIVES = (
    "amber bold brave bright brisk calm clear clever crisp eager early fair gentle glad golden "
    "green happy honest jolly keen kind lively lucky mellow merry mild neat noble patient plain "
    "proud quick quiet ready silver sharp steady still sunny swift tidy vivid warm wise witty"
)
ANIMALS = (
    "badger beaver bison crane crow deer dove duck eagle falcon ferret finch fox frog gecko goose "
    "hare hawk heron horse ibis jay koala lark lemur lion lynx magpie marten mole moose newt otter "
    "owl panda pigeon puma quail raven robin salmon seal sparrow stork swan tern tiger trout wren"
)

MOST_CHARACTERS = 64
_ALLOWED = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9_-])?")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")  # Windows' own names


def check_name(name: str) -> str:
    """Return a usable run name as it is; raise `RunError` with a proposal otherwise.

    >>> check_name("calm-otter")
    'calm-otter'
    """
    if _ALLOWED.fullmatch(name) and not _DEVICES.fullmatch(name):
        return name
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:64].rstrip("-")
    proposal = slug if slug and not _DEVICES.fullmatch(slug) else "my-run"
    raise RunError(
        f"{name[:80]!r} cannot be the name of a run.",
        f"Use small letters, digits, - _ and . (64 at most), for example '{proposal}'.",
    )


def with_suffix(base: str, suffix: str) -> str:
    """Return the name of one run of several, the suffix whole.

    >>> with_suffix("calm-otter", "seed-2")
    'calm-otter-seed-2'
    """
    return f"{base[: MOST_CHARACTERS - len(suffix) - 1].rstrip('-._')}-{suffix}"


def propose_name(rng: random.Random) -> str:
    """Return two words, adjective and animal."""
    return f"{rng.choice(ADJECTIVES.split())}-{rng.choice(ANIMALS.split())}"
