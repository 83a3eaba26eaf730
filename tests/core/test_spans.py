from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.errors import ConfigError
from codetune_ui.core.spans import choose_span, parse_mix
from codetune_ui.core.syntax import Place

CODE = "def area(r):\n    # of a circle\n    return 3.14 * r * r\n\n\nprint(area(2))\n"
CODE_TEXT = st.text(st.sampled_from("ab \t\n\r{}é🦀"), max_size=60)


@given(
    CODE_TEXT,
    st.sampled_from(["characters", "rest_of_line", "lines", "syntax", "mixed"]),
    st.integers(),
)
def test_a_span_lies_inside_the_text(text: str, kind: str, seed: int) -> None:
    start, end = choose_span(text, kind, random.Random(seed))
    assert 0 <= start <= end <= len(text)


@given(st.integers())
def test_a_rest_of_line_ends_at_the_line_break(seed: int) -> None:
    start, end = choose_span(CODE, "rest_of_line", random.Random(seed))
    assert CODE[end] == "\n"
    assert "\n" not in CODE[start:end]
    assert CODE[start:end].strip()


@given(st.integers())
def test_a_rest_of_line_never_begins_inside_the_indentation(seed: int) -> None:
    start, _ = choose_span(CODE, "rest_of_line", random.Random(seed))
    line_start = CODE.rfind("\n", 0, start) + 1
    assert line_start == start or CODE[line_start:start].strip() or CODE[start] != " "


@given(st.integers())
def test_whole_lines_hold_their_indentation_and_not_the_last_line_break(seed: int) -> None:
    start, end = choose_span(CODE, "lines", random.Random(seed))
    assert start == 0 or CODE[start - 1] == "\n"
    assert CODE[end] == "\n"
    assert CODE[start:end].splitlines()[-1].strip()


def test_whole_lines_are_one_to_eight() -> None:
    text = "".join(f"line {number}\n" for number in range(100))
    rng = random.Random(0)
    counts = {
        text[a:b].count("\n") + 1 for a, b in (choose_span(text, "lines", rng) for _ in range(400))
    }
    assert counts == {1, 2, 3, 4, 5, 6, 7, 8}


def test_whole_lines_stay_short_where_lines_are_long() -> None:
    text = "".join("x" * 300 + "\n" for _ in range(20))
    rng = random.Random(0)
    longest = max(b - a for a, b in (choose_span(text, "lines", rng) for _ in range(200)))
    assert longest == 601  # two lines and the break between them; three would pass 700


def test_a_windows_line_end_is_not_in_the_hole() -> None:
    for seed in range(50):
        _, end = choose_span("one two\r\nthree\r\n", "rest_of_line", random.Random(seed))
        assert end in (7, 14)


def test_blank_text_is_cut_by_characters() -> None:
    assert choose_span("", "mixed", random.Random(0)) == (0, 0)
    start, end = choose_span("\n\n\n", "lines", random.Random(1))
    assert 0 <= start <= end <= 3


def test_characters_are_two_uniform_points() -> None:
    rng = random.Random(0)
    spans = [choose_span("x" * 99, "characters", rng) for _ in range(4000)]
    mean = sum(end - start for start, end in spans) / len(spans)
    assert 32 < mean < 35  # a third of the text
    assert min(start for start, _ in spans) == 0
    assert max(end for _, end in spans) == 99


def test_the_mix_is_half_rests_of_lines_and_a_third_whole_lines() -> None:
    rng = random.Random(0)
    text = "".join(f"    value_{number} = {number}\n" for number in range(50))
    counts = {"rest": 0, "lines": 0, "other": 0}
    for _ in range(2000):
        start, end = choose_span(text, "mixed", rng)
        if text[end : end + 1] == "\n" and text[start - 1 : start] in ("", "\n"):
            counts["lines"] += 1
        elif text[end : end + 1] == "\n" and "\n" not in text[start:end]:
            counts["rest"] += 1
        else:
            counts["other"] += 1
    assert 920 < counts["rest"] < 1080
    assert 630 < counts["lines"] < 770
    assert 230 < counts["other"] < 380


def test_the_same_luck_gives_the_same_span() -> None:
    first = [choose_span(CODE, "mixed", random.Random(seed)) for seed in range(30)]
    assert first == [choose_span(CODE, "mixed", random.Random(seed)) for seed in range(30)]
    assert len(set(first)) > 10


def test_the_default_mix_draws_what_fixed_weights_drew() -> None:
    kinds, weights = ("rest_of_line", "lines", "characters"), (50, 35, 15)
    for seed in range(300):
        rng = random.Random(seed)
        kind = rng.choices(kinds, weights)[0]
        assert choose_span(CODE, kind, rng) == choose_span(CODE, "mixed", random.Random(seed))


@pytest.mark.parametrize(
    ("text", "mix"),
    [
        (
            "characters 15, rest_of_line 50, lines 35, syntax 0",
            {"rest_of_line": 50, "lines": 35, "characters": 15, "syntax": 0},
        ),
        ("lines 1", {"rest_of_line": 0, "lines": 1, "characters": 0, "syntax": 0}),
        (
            " syntax  .5 ,lines 0.25,",
            {"rest_of_line": 0, "lines": 0.25, "characters": 0, "syntax": 0.5},
        ),
    ],
)
def test_a_mix_is_read_as_it_is_typed(text: str, mix: dict[str, float]) -> None:
    assert parse_mix(text) == mix


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words 3", "The mix of holes does not understand 'words 3'."),
        ("lines", "The mix of holes does not understand 'lines'."),
        ("lines x", "The mix of holes does not understand 'lines x'."),
        ("lines -1", "The mix of holes does not understand 'lines -1'."),
        ("lines nan", "The mix of holes does not understand 'lines nan'."),
        ("lines inf", "The mix of holes does not understand 'lines inf'."),
        ("lines 1 2", "The mix of holes does not understand 'lines 1 2'."),
        ("", "The mix of holes is empty."),
        ("lines 0, syntax 0", "The mix of holes is empty."),
    ],
)
def test_a_mix_that_is_none_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mix(text)
    assert caught.value.message == message
    assert caught.value.hint == "Write rest_of_line 50, lines 35, characters 15, syntax 0."
    assert caught.value.field == "span_mix"


def test_a_mix_gives_only_what_it_names() -> None:
    mix = parse_mix("characters 0, rest_of_line 1, lines 0")
    for seed in range(100):
        span = choose_span(CODE, "mixed", random.Random(seed), mix=mix)
        assert span == choose_span(CODE, "rest_of_line", _after_one_draw(seed))


def _after_one_draw(seed: int) -> random.Random:
    rng = random.Random(seed)
    rng.random()
    return rng


def test_syntax_without_a_grammar_is_cut_by_lines() -> None:
    for seed in range(50):
        expected = choose_span(CODE, "lines", random.Random(seed))
        assert choose_span(CODE, "syntax", random.Random(seed)) == expected
        place = Place(CODE, 0, "no such grammar")
        assert choose_span(CODE, "syntax", random.Random(seed), place=place) == expected
