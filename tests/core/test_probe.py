from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.assets import PROBE
from codetune_ui.core.holes import HOLE_KINDS, Hole
from codetune_ui.core.probe import Pair, forgetting, probe_holes
from codetune_ui.core.syntax import grammar_of, parses


def hole(path: str, language: str) -> Hole:
    return Hole(path, language, "line", "", "a = 1", "\n")


def test_the_probe_has_sixty_holes_in_eleven_languages() -> None:
    found = probe_holes()
    assert len(found) == 60
    assert len({one.path for one in found}) == 26
    assert {one.language for one in found} == {
        *("C", "C++", "Go", "Java", "JavaScript", "Python"),
        *("Ruby", "Rust", "SQL", "Shell", "TypeScript"),
    }
    assert {one.kind for one in found} == set(HOLE_KINDS)


def test_the_holes_of_the_probe_are_always_the_same() -> None:
    first = probe_holes()[0]
    assert (first.path, first.kind, first.middle) == ("lines.rs", "inside", "(count")
    assert probe_holes() == probe_holes()


def test_every_file_of_the_probe_is_a_whole_program_of_20_to_60_lines() -> None:
    found = {one.path: one for one in probe_holes()}
    for one in found.values():
        assert 20 <= one.text.count("\n") <= 60
        assert parses(one.text, grammar_of(one.language, one.path))
    assert len(list(PROBE.iterdir())) == 30
    assert sum(path.stat().st_size for path in PROBE.iterdir()) < 60_000


def test_a_price_is_told_with_its_interval_and_by_language() -> None:
    holes = [hole(f"{number}.py", "Python") for number in range(6)] + [hole("a.go", "Go")]
    measured: list[Pair] = [*[(0.5, 0.625)] * 6, (0.25, 0.375)]
    found = forgetting(holes, measured)
    assert found is not None
    assert found["nats_per_char"] == {
        "base": 0.4643,
        "adapter": 0.5893,
        "difference": [0.125, 0.125, 0.125],
    }
    assert (found["holes"], found["files"]) == (7, 7)
    assert found["by_language"]["Go"]["nats_per_char"]["adapter"] == 0.375
    assert list(found["by_language"]) == ["Go", "Python"]
    assert found["sentence"] == (
        "On general code it is 26.9 % less sure than the base "
        "(0.589 against 0.464 nats per character)."
    )


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        ([0.25, 0.375, 0.25, 0.375, 0.25], "40.0 % more sure than the base (0.300 against 0.500"),
        ([0.25, 0.75, 0.25, 0.75, 0.5], "as sure as the base (0.500 against 0.500"),
    ],
)
def test_a_gain_and_no_difference_have_words_of_their_own(adapter: list[float], words: str) -> None:
    holes = [hole(f"{number}.py", "Python") for number in range(5)]
    measured: list[Pair] = [(0.5, value) for value in adapter]
    found = forgetting(holes, measured)
    assert found is not None
    assert found["sentence"] == f"On general code it is {words} nats per character)."


def test_what_could_not_be_measured_takes_no_part() -> None:
    assert forgetting([hole("a.py", "Python")], [(None, None)]) is None
    some = [hole("a.py", "Python"), hole("b.py", "Python")]
    found = forgetting(some, [(None, None), (0.5, 0.5)])
    assert found is not None
    assert found["holes"] == 1


def test_a_folder_without_code_has_no_holes(tmp_path: Path) -> None:
    (tmp_path / "notes.unknown").write_text("nothing", encoding="utf-8")
    assert probe_holes(tmp_path) == ()
