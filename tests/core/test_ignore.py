from __future__ import annotations

import pytest

from codetune_ui.core.ignore import IgnoreRules, read_patterns


@pytest.fixture
def rules() -> IgnoreRules:
    rules = IgnoreRules()
    rules.add("", "*.log\n/build\n!important.log\n**/cache/\n")
    rules.add("src/", "!*.log\ngen/*\n!gen/keep.py\n")
    return rules


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("a.log", True),
        ("important.log", False),
        ("src/a.log", False),  # the deeper file speaks last
        ("build/x.py", True),
        ("src/build/x.py", False),  # anchored at the root
        ("src/gen/x.py", True),
        ("src/gen/keep.py", False),
        ("deep/er/cache/x.py", True),
        ("deep/er/cache", False),  # a file of that name is no folder
        ("deep/er/cache/", True),
    ],
)
def test_the_deepest_pattern_decides(rules: IgnoreRules, path: str, ignored: bool) -> None:
    assert rules.ignores(path) is ignored


def test_nothing_inside_an_ignored_folder_comes_back() -> None:
    rules = IgnoreRules()
    rules.add("", "out/\n")
    rules.add("out/", "!keep.py\n")
    assert rules.ignores("out/keep.py")


def test_lines_that_are_no_pattern_are_handed_back() -> None:
    spec, bad = read_patterns(["*.py", "!", "[z-a]", "# words", ""])
    assert bad == ["!", "[z-a]"]
    assert spec.match_file("a.py")


def test_a_file_added_later_is_asked_from_then_on() -> None:
    rules = IgnoreRules()
    rules.add("", "*.log")
    assert not rules.ignores("a/b/c.py")
    rules.add("a/b/d/", "*.py\n!keep.py\n!x.log")
    told = {name: rules.ignores(f"a/b/d/{name}") for name in ("c.py", "keep.py", "x.log", "y.log")}
    assert told == {"c.py": True, "keep.py": False, "x.log": False, "y.log": True}
