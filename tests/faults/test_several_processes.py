"""A training on several processes is the same training, whatever befalls one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.runs.store import Run
from tests.faults.test_training import curve, events, make, undisturbed, warnings, why
from tests.faults.zygote import Workers

__all__ = ["undisturbed"]

SAME = 1e-5  # what another order of summing may change, relative


def assert_same(run: Run, other: Run) -> None:
    """Every figure of every step is the other's, but for the order of summing."""
    ours, theirs = curve(run), curve(other)
    assert ours.keys() == theirs.keys()
    for key, values in ours.items():
        assert values == pytest.approx(theirs[key], rel=SAME, abs=SAME), key


@pytest.fixture
def places(home: Path, tiny_model: Path, code_folder: Path) -> tuple[Path, Path, Path]:
    return home, tiny_model, code_folder


def test_two_processes_train_as_one_does(
    zygote: Workers, undisturbed: dict[str, Run], places: tuple[Path, Path, Path]
) -> None:
    run = make(*places, "two")
    assert zygote.work(run, "train", processes=2) == 0, why(run)
    assert run.state() == "finished"
    assert_same(run, undisturbed["fused"])
    assert events(run, "plan")[0]["processes"] == 2
    assert warnings(run) == []
