"""What a training costs elsewhere: how sure base and adapter are of general code, not the person's.

The probe is a folder of short textbook files in eleven languages, written for this purpose; its
holes are cut as those of held-out code are, always the same, so that runs can be compared. Nothing
is written into them: only how likely the true text is, is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from codetune_ui.core.assets import PROBE
from codetune_ui.core.document import Document
from codetune_ui.core.holes import Hole, cut_holes
from codetune_ui.core.languages import language_of
from codetune_ui.core.verdict import Interval, interval

HOLES = 60  # few enough for a CPU
SEED = 0  # not the evaluation's: the price of two evaluations is measured on the same holes

Pair = tuple[float | None, float | None]  # nats per character: base, adapter


def probe_holes(folder: Path = PROBE) -> tuple[Hole, ...]:
    """Return the fixed holes of the probe."""
    return cut_holes(_documents(folder), HOLES, seed=SEED).found


def _documents(folder: Path) -> list[Document]:
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [
        Document(path.read_text(encoding="utf-8"), path.name, language, path.name)
        for path in paths
        if (language := language_of(path.name)) is not None
    ]


def forgetting(holes: Sequence[Hole], measured: Sequence[Pair]) -> dict[str, Any] | None:
    """Return the price of a training as JSON values; None where nothing could be measured.

    measured: of each hole the negative log-likelihood of its text, in nats per character.
    """
    known = [
        (hole, base, adapter)
        for hole, (base, adapter) in zip(holes, measured, strict=True)
        if base is not None and adapter is not None
    ]
    if not known:
        return None
    languages = sorted({hole.language for hole, _, _ in known})
    whole = _part(known)
    return {
        **whole,
        "sentence": sentence(whole["nats_per_char"]),
        "by_language": {
            language: _part([one for one in known if one[0].language == language])
            for language in languages
        },
    }


def _part(known: Sequence[tuple[Hole, float, float]]) -> dict[str, Any]:
    files = [hole.path for hole, _, _ in known]
    base, adapter = (np.array([one[side] for one in known]) for side in (1, 2))
    change: Interval | None = interval(adapter - base, files)
    assert change is not None
    return {
        "holes": len(known),
        "files": len(set(files)),
        "nats_per_char": {
            "base": round(float(base.mean()), 4),
            "adapter": round(float(adapter.mean()), 4),
            "difference": [round(value, 4) for value in change],
        },
    }


def sentence(nats: dict[str, Any]) -> str:
    """Say it in one sentence.

    >>> sentence({"base": 0.407, "adapter": 0.412, "difference": [0.005, 0.001, 0.009]})
    'On general code it is 1.2 % less sure than the base (0.412 against 0.407 nats per character).'
    """
    base, adapter = nats["base"], nats["adapter"]
    change, low, high = nats["difference"]
    against = f"({adapter:.3f} against {base:.3f} nats per character)"
    if low <= 0 <= high or base <= 0:
        return f"On general code it is as sure as the base {against}."
    word = "less" if change > 0 else "more"
    share = f"{100 * abs(change) / base:.1f} %"
    return f"On general code it is {share} {word} sure than the base {against}."
