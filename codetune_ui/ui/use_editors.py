"""What the Use tab says of editors, as HTML; all texts are escaped."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from codetune_ui.core.editors import Access
from codetune_ui.runs.editors import AFTER, BEFORE, Tried
from codetune_ui.ui import words
from codetune_ui.ui.code_view import escape, highlight

DOTS = "•" * 12
ENDS = {
    "stop": "done",
    "length": "done, at its limit",
    "cancelled": "typed on",
    "warm-up": "warmed up",
    "": "being answered",
}
NOBODY = "Nobody has asked yet. Type in your editor, or press Test connection."
HEADS = ("When", "Editor", "Asked at", "Prompt", "Wrote", "First", "Whole", "End")
Note = Mapping[str, Any]


def masked(text: str, access: Access) -> str:
    """Return a text without the token in it."""
    return text.replace(access.token, DOTS)


def code(text: str, language: str) -> str:
    """Return a snippet as a block of code."""
    return f'<pre class="code us-code">{highlight(text, [], language)[0]}</pre>'


def tried(found: Tried, title: str) -> str:
    """Return what came of a test: the time, and the text in its place."""
    came = (
        f"<b>{escape(title)}</b> would get an answer in {_ms(found.ms)}"
        if found.text
        else f"<b>{escape(title)}</b> would get an empty answer in {_ms(found.ms)}: "
        "the model saw nothing to add"
    )
    middle = f'<mark class="mid">{escape(found.text)}</mark>'
    filled = f"{escape(BEFORE)}{middle}{escape(AFTER.rstrip())}"
    return f'<p class="us-ok">{came}.</p><pre class="code us-code">{filled}</pre>'


def refused(sentence: str) -> str:
    """Return why a test brought nothing."""
    return f'<p class="us-bad">{escape(sentence)}</p>'


# --- what editors asked


def requests(asked: Sequence[Note], now: float | None = None) -> str:
    """Return the last requests as a table, the newest first; now: unix seconds, for tests."""
    if not asked:
        return f'<p class="us-note">{escape(NOBODY)}</p>'
    moment = time.time() if now is None else now
    heads = "".join(
        f'<th scope="col"{_numeric(index)}>{head}</th>' for index, head in enumerate(HEADS)
    )
    rows = "".join(_row(one, moment) for one in asked)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(one: Note, now: float) -> str:
    ended = str(one.get("ended", ""))
    refused = ended == "refused"
    wrote = bool(one.get("tokens"))
    cells = (
        _ago(now - float(one.get("time", now))),
        _who(str(one.get("editor", ""))),
        str(one.get("path", "")),
        _tokens(one.get("prompt_tokens")),
        _tokens(one.get("tokens")),
        _ms(one.get("ms_first_token") if wrote else None),
        _ms(one.get("ms")),
        f"refused ({one.get('status', 0)})" if refused else ENDS.get(ended, ended),
    )
    kind = ' class="bad"' if refused else ""
    titled = f' title="{escape(str(one.get("agent", "")))}"'
    return (
        f"<tr{kind}{titled}>"
        + "".join(f"<td{_numeric(index)}>{escape(cell)}</td>" for index, cell in enumerate(cells))
        + "</tr>"
    )


def _numeric(index: int) -> str:
    return ' class="num"' if HEADS[index] in ("Prompt", "Wrote", "First", "Whole") else ""


def _who(editor: str) -> str:
    return "this test" if editor == "CodeTune" else editor


def _ago(seconds: float) -> str:
    """Return how long ago something was.

    >>> _ago(0.4), _ago(12.0), _ago(700.0)
    ('now', '12 s ago', '12 min ago')
    """
    return "now" if seconds < 1 else f"{words.duration(seconds)} ago"


def _tokens(count: object) -> str:
    return f"{count:,}" if isinstance(count, int) and count else "–"


def _ms(value: object) -> str:
    """Return a span of milliseconds.

    >>> _ms(80.4), _ms(12588.0), _ms(None)
    ('80 ms', '12.6 s', '–')
    """
    if not isinstance(value, int | float) or not value:
        return "–"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
