from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.ui.code_view import copy_button, highlight, numbered, pane, side_by_side


def text_of(html: str) -> str:
    """What a browser would show of our own markup (tags without '>' in attributes)."""
    import html as escaping
    import re

    return escaping.unescape(re.sub(r"<[^>]*>", "", html))


def test_code_is_coloured_and_escaped() -> None:
    (piece,) = highlight("if a < b:", [], "python")
    assert piece == '<i class="k">if</i> <i class="n">a</i> <i class="o">&lt;</i> ' + (
        '<i class="n">b</i><i class="p">:</i>'
    )


def test_markup_in_code_stays_text() -> None:
    html = numbered('x = "<img onerror=alert(1)>${alert(2)}"', language="javascript")
    assert "<img" not in html
    assert "&lt;img onerror=alert(1)&gt;${alert(2)}" in text_of(html).replace("<", "&lt;").replace(
        ">", "&gt;"
    )


def test_marks_keep_their_place_with_windows_line_ends() -> None:
    code = "\ufeffa = 1\r\nb = 2\r\n"
    start = code.index("b = 2")
    html = numbered(code, [(start, start + 5, "mid")])
    assert html.count('<mark class="mid">') == 1
    assert text_of(html.split('<mark class="mid">')[1]) == "b = 2"


def test_a_mark_over_several_lines_is_one_mark_per_line() -> None:
    html = numbered("one\ntwo\nthree", [(2, 9, "mid")], language="text")
    assert html == (
        '<pre class="code" style="counter-reset:l 0">'
        '<span class="ln">on<mark class="mid">e</mark></span>'
        '<span class="ln"><mark class="mid">two</mark></span>'
        '<span class="ln"><mark class="mid">t</mark>hree</span></pre>'
    )


def test_lines_are_numbered_from_the_files_own_line() -> None:
    assert "counter-reset:l 41" in numbered("x", first_line=42)


def test_the_end_of_the_last_line_is_no_line() -> None:
    assert numbered("a\n", language="text").count("ln") == 1


def test_an_unknown_language_is_plain_text() -> None:
    assert highlight("if x", [], "klingon") == ["if x"]


def test_a_pane_escapes_its_words() -> None:
    html = pane("<b>", '"x"', "<i>", "BODY", kind="base", chip_kind="ok", footer="FOOT")
    assert html == (
        '<div class="pane base"><div class="pane-h"><b>&lt;b&gt;</b><span>&quot;x&quot;</span>'
        '<em class="chip ok">&lt;i&gt;</em></div>BODY<div class="pane-f">FOOT</div></div>'
    )
    assert side_by_side("A", "B") == '<div class="split">AB</div>'
    assert copy_button('"') == '<button class="mini" data-copy="&quot;">Copy</button>'


@given(st.text(max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_no_character_is_lost_or_added(code: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(code)) for cut in cuts})
    pieces = highlight(code, places, "python")
    ends = [*places, len(code)]
    assert [text_of(piece) for piece in pieces] == [
        code[start:end] for start, end in zip([0, *places], ends, strict=True)
    ]
