from __future__ import annotations

import pytest

from codetune_ui.core.repeat import repeated_lines


@pytest.mark.parametrize(
    ("suffix", "lines"),
    [
        (None, ()),
        ("", ()),
        (")\n}\n", ()),
        ("\n\n    return total\n", ("\n    return total",)),
        ("first, second)  \nend\n", ("first, second)", "\nend")),
        (" + tax\nreturn x", (" + tax", "\nreturn x")),
    ],
)
def test_two_lines_of_the_suffix_end_an_answer(suffix: str | None, lines: tuple[str]) -> None:
    assert repeated_lines(suffix) == lines
