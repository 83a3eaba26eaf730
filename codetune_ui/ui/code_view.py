"""Code on the page: coloured and escaped here, never through a template that runs `${…}`."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

Mark = tuple[int, int, str]  # start, end (characters), CSS class: mid, tuned, base, pre, suf


def escape(text: str) -> str:
    """Escape text for a place between tags or inside a quoted attribute."""
    return html.escape(text, quote=True)


def highlight(code: str, cuts: Sequence[int], language: str = "python") -> list[str]:
    """Colour the code as one text, then hand it back in pieces, cut at `cuts` (ascending).

    >>> highlight("a < b", [2], "text")
    ['a ', '&lt; b']
    """
    parts: list[list[str]] = [[] for _ in range(len(cuts) + 1)]
    position = 0
    for name, text in _tokens(code, language):
        while text:
            index = bisect_right(cuts, position)
            end = cuts[index] if index < len(cuts) else position + len(text)
            piece, text = text[: end - position], text[end - position :]
            position += len(piece)
            parts[index].append(_coloured(piece, name))
    return ["".join(part) for part in parts]


def numbered(
    code: str, marks: Sequence[Mark] = (), first_line: int = 1, language: str = "python"
) -> str:
    """Return a block of code with line numbers, the marked ranges on a background."""
    starts = {match.end() for match in re.finditer("\n", code)}
    edges = {edge for start, end, _ in marks for edge in (start, end)}
    cuts = sorted((starts | edges) - {0})
    lines = [""]
    for start, piece in zip([0, *cuts], highlight(code, cuts, language), strict=True):
        if start in starts:
            lines.append("")
        lines[-1] += _marked(re.sub(r"[\r\n]", "", piece), start, marks)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()  # what follows the last line break is no line
    body = "".join(f'<span class="ln">{line or " "}</span>' for line in lines)
    return f'<pre class="code" style="counter-reset:l {first_line - 1}">{body}</pre>'


def pane(
    title: str,
    subtitle: str,
    chip: str,
    body: str,
    *,
    kind: str = "",
    chip_kind: str = "",
    footer: str = "",
) -> str:
    """Return a framed pane; title, subtitle and chip are text, body and footer are HTML.

    `kind` ("base" or "tuned") colours its top line; `chip_kind` ("mid", "tuned", "ok", "bad").
    """
    chip_html = f'<em class="chip {chip_kind}">{escape(chip)}</em>' if chip else ""
    head = f"<b>{escape(title)}</b><span>{escape(subtitle)}</span>{chip_html}"
    foot = f'<div class="pane-f">{footer}</div>' if footer else ""
    return f'<div class="pane {kind}"><div class="pane-h">{head}</div>{body}{foot}</div>'


def side_by_side(*panes: str) -> str:
    """Return panes of equal width beside each other (below each other on a narrow window)."""
    return f'<div class="split">{"".join(panes)}</div>'


def copy_button(text: str) -> str:
    """Return a small button that copies `text`."""
    return f'<button class="mini" data-copy="{escape(text)}">Copy</button>'


def _tokens(code: str, language: str) -> list[tuple[str, str]]:
    """Return (CSS class, text) pairs whose texts join to `code` exactly.

    Not `pygments.lex`: it rewrites line ends and drops a byte order mark, which would move marks.
    """
    try:
        lexer = get_lexer_by_name(language.lower())
    except ClassNotFound:
        return [("", code)]
    tokens = [(_css_class(kind), text) for _, kind, text in lexer.get_tokens_unprocessed(code)]
    return tokens if "".join(text for _, text in tokens) == code else [("", code)]


def _css_class(token: Any) -> str:
    while token.parent and not STANDARD_TYPES.get(token):
        token = token.parent
    return STANDARD_TYPES.get(token) or ""


def _coloured(piece: str, name: str) -> str:
    safe = escape(piece)
    return f'<i class="{name}">{safe}</i>' if name and piece.strip() else safe


def _marked(piece: str, start: int, marks: Sequence[Mark]) -> str:
    kind = next((name for first, last, name in marks if first <= start < last), None)
    return f'<mark class="{kind}">{piece}</mark>' if kind and piece else piece
