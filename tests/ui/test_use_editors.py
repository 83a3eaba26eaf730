from __future__ import annotations

from typing import Any

from codetune_ui.core.editors import Access
from codetune_ui.runs.editors import Tried
from codetune_ui.ui import use_editors
from tests.ui.evaluations import EVIL

ACCESS = Access("http://127.0.0.1:8012", "secret-token", "codetune-calm-otter")


def asked(**changes: Any) -> dict[str, Any]:
    """One request as the server tells of it."""
    about = {"time": 100.0, "editor": "Continue", "agent": "node", "path": "/v1/fim/completions"}
    took = {"status": 200, "prompt_tokens": 310, "tokens": 14, "ms_first_token": 40.4, "ms": 81.2}
    return about | took | {"ended": "stop"} | changes


def cells(html: str) -> list[str]:
    row = html.partition("<tbody>")[2]
    return [part.partition(">")[2] for part in row.split("</td>")[:-1]]


def test_a_request_tells_when_who_how_much_and_how_it_ended() -> None:
    found = cells(use_editors.requests([asked()], now=103.0))
    assert [cell.rpartition(">")[2] for cell in found] == [
        *("3 s ago", "Continue", "/v1/fim/completions"),
        *("310", "14", "40 ms", "81 ms", "done"),
    ]


def test_what_was_refused_stands_out_with_its_status() -> None:
    html = use_editors.requests([asked(status=401, ended="refused", tokens=0)], now=100.0)
    assert '<tr class="bad"' in html
    assert "<td>refused (401)</td>" in html


def test_before_anyone_has_asked_it_says_what_to_do() -> None:
    assert "Nobody has asked yet" in use_editors.requests([])


def test_the_token_is_not_in_what_is_shown_at_first() -> None:
    assert use_editors.masked("key: secret-token", ACCESS) == f"key: {use_editors.DOTS}"


def test_what_an_editor_or_a_model_says_is_never_markup() -> None:
    told = asked(editor=EVIL, agent=EVIL, path=EVIL, ended=EVIL)
    for html in (
        use_editors.requests([told], now=100.0),
        use_editors.tried(Tried("/infill", EVIL, 12.0), EVIL),
        use_editors.refused(EVIL),
        use_editors.code(EVIL, "json"),
    ):
        assert "<script>" not in html


def test_a_test_shows_the_answer_in_its_place() -> None:
    html = use_editors.tried(Tried("/infill", "first + second", 80.4), "llama.vim")
    assert "<b>llama.vim</b> would get an answer in 80 ms." in html
    assert 'return <mark class="mid">first + second</mark>' in html
    assert "saw nothing to add" in use_editors.tried(Tried("/infill", "", 80.4), "llama.vim")
