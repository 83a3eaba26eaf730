from __future__ import annotations

import re

from codetune_ui.core.comparison import comparison
from codetune_ui.core.own_holes import own_hole
from codetune_ui.ui.evaluate_lists import brief, choices, compared, earlier, own_list, refused
from tests.ui.evaluations import EVIL, found

ONE = brief(found(), "calm-otter/20261123-1")
SAME = brief(found(), "brisk-finch/20261123-2")
OTHER = brief(found(holes_id="xyz"), "calm-otter/20261123-3")


def test_a_line_of_an_earlier_evaluation_says_what_came_of_it() -> None:
    html = earlier([ONE, OTHER], "calm-otter/20261123-3")
    assert 'data-open="calm-otter/20261123-1" aria-pressed="false"' in html
    assert 'data-open="calm-otter/20261123-3" aria-pressed="true"' in html
    assert "no difference" in html
    assert "50.0 % → 50.0 %" in html
    assert "4 holes · seed 0 · line" in html


def test_evaluations_of_the_same_holes_stand_together() -> None:
    groups = choices([ONE, OTHER, SAME], []).split("<fieldset")[1:]
    names = [re.findall(r'value="([^"]*)"', group) for group in groups]
    assert names == [["calm-otter/20261123-1", "brisk-finch/20261123-2"], ["calm-otter/20261123-3"]]


def test_the_order_of_ticking_is_shown() -> None:
    html = choices([ONE, SAME], ["brisk-finch/20261123-2", "calm-otter/20261123-1"])
    assert re.findall(r'class="ev-nth">(\d?)<', html) == ["2", "1"]
    assert html.count(" checked>") == 2


def test_two_adapters_are_told_apart_by_name() -> None:
    first, second = found(run="calm-otter"), found(run="brisk-finch", id="20261123-2")
    second["items"][3]["adapter"]["scores"]["exact_match"] = 1.0
    html = compared(comparison(first, second))
    assert "No difference between brisk-finch and calm-otter could be shown." in html
    assert "Where they differ: 1 holes" not in html
    assert "Where they differ: 1 hole" in html
    assert '<em class="ev-who second">brisk-finch</em>' in html
    assert "data-hole" not in html


def test_two_evaluations_of_one_run_are_told_apart_by_their_ids() -> None:
    html = compared(comparison(found(), found(id="20261123-2")))
    assert "calm-otter/20261123-2 and calm-otter/20261123-1" in html
    assert "On every hole either both are exact, or neither is." in html


def test_holes_left_out_of_a_comparison_are_counted() -> None:
    second = found(id="20261123-2")
    second["items"] = second["items"][:3]
    assert "1 of the holes left out" in compared(comparison(found(), second))


def test_where_no_comparison_is_possible_two_ways_out_are_offered() -> None:
    html = refused("They filled different holes: seed 0 against 1.", "a/1", "b/2")
    assert 'data-run="b" data-holes-of="a/1">Evaluate b on the holes of a<' in html
    assert 'data-run="a" data-holes-of="b/2">Evaluate a on the holes of b<' in html


def test_own_holes_are_listed_newest_first_with_the_hole_marked() -> None:
    holes = [own_hole("x = ", "1", "\n", path=f"src/p{n}.py") for n in (1, 2)]
    html = own_list(holes)
    assert re.findall(r"<b>(.*?)</b>", html) == ["src/p2.py:1", "src/p1.py:1"]
    assert html.count('<mark class="mid">') == 2
    assert f'data-remove="{holes[0].id}"' in html


def test_texts_are_escaped() -> None:
    own = own_list([own_hole(EVIL, EVIL, EVIL, path=f"{EVIL}.py")])
    listed = earlier([ONE | {"run": EVIL, "reference": EVIL, "kinds": [EVIL]}], "")
    picks = choices([ONE | {"run": EVIL, "reference": EVIL}], [EVIL])
    ways = refused(EVIL, EVIL, EVIL)
    pair = compared(comparison(found(evil=True, run=EVIL), found(evil=True, run=EVIL)))
    for html in (own, listed, picks, ways, pair):
        assert "<script>" not in html
        assert "script" in html
