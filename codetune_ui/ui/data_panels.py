"""What lies folded up in the Corpus card: languages, lengths, steps and secrets, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codetune_ui.ui.code_view import escape

MOST_SECRETS = 200  # shown; the report has all
WORRYING_LEAK = 0.01  # share of the held-out code that also stands in the training code

Report = Mapping[str, Any]


def panels(report: Report) -> str:
    """Return the panels that this report has something for; one of an older app has none."""
    return "".join(
        (
            secrets(report.get("secrets") or [], report.get("secrets_redacted", 0)),
            by_language(report.get("by_language") or {}),
            lengths(report.get("lengths") or [], report.get("row_tokens", 0)),
            steps(report.get("steps") or []),
            leaks((report.get("leak") or {}).get("pairs") or []),
            offers(report.get("offers") or {}),
        )
    )


def leak_meaning(share: float) -> tuple[str, str, str]:
    """Return a leak's figure, what it means, and "ok" or "odd".

    >>> leak_meaning(0.004)
    ('0.4 %', 'of the held-out code also stands in the training code', 'ok')
    """
    kind = "ok" if share < WORRYING_LEAK else "odd"
    return f"{share * 100:.1f} %", "of the held-out code also stands in the training code", kind


def secrets(found: Sequence[Report], redacted: int) -> str:
    """Return every finding with its place, its rule and its mask; a press shows its file.

    >>> secrets([], 0)
    ''
    """
    if not found:
        return ""
    files = len({finding["path"] for finding in found})
    done = "redacted" if redacted == len(found) else f"{redacted:,} redacted"
    title = f"Secrets: {len(found):,} found in {_files(files)}, {done}"
    lines = "".join(map(_secret, found[:MOST_SECRETS]))
    more = len(found) - MOST_SECRETS
    rest = f'<p class="c-note">and {more:,} more, in report.json</p>' if more > 0 else ""
    return _panel(title, f"<table><tbody>{lines}</tbody></table>{rest}", "alarm")


def _secret(finding: Report) -> str:
    path = escape(finding["path"])
    return (
        f'<tr><td><button data-query="{path}" title="{path}">{path}:{finding["line"]}</button></td>'
        f"<td>{escape(finding['rule'])}</td><td><code>{escape(finding['masked'])}</code></td></tr>"
    )


def by_language(counts: Mapping[str, Report]) -> str:
    """Return files, characters, tokens and the fit of the tokenizer for each language."""
    if not counts:
        return ""
    head = "<th>Language</th><th>Files</th><th>Characters</th><th>Tokens</th><th>Tokenizer</th>"
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{line['files']:,}</td><td>{line['characters']:,}</td>"
        f"<td>{line['tokens']:,}</td><td>{escape(line['verdict'])}</td></tr>"
        for name, line in counts.items()
    )
    title = f"{len(counts)} language{'' if len(counts) == 1 else 's'}"
    return _panel(title, f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def lengths(bars: Sequence[Report], row: int) -> str:
    """Return how many files are how long beside a row of training."""
    total = sum(bar["files"] for bar in bars)
    if not total:
        return ""
    fit = sum(bar["files"] for bar in bars if bar["rows"] is not None and bar["rows"] <= 1)
    most = max(bar["files"] for bar in bars)
    lines = "".join(
        f"<tr><td>{_up_to(bar, bars)}</td><td>{bar['files']:,}</td>"
        f'<td class="c-len"><i style="width:{100 * bar["files"] / most:.0f}%"></i></td></tr>'
        for bar in bars
    )
    title = f"{fit / total:.0%} of the files fit into a row of {row:,} tokens".replace("%", " %", 1)
    return _panel(title, f"<table><tbody>{lines}</tbody></table>")


def _up_to(bar: Report, bars: Sequence[Report]) -> str:
    if bar["up_to"] is None:
        return f"more than {bars[-2]['up_to']:,} tokens"
    return f"up to {bar['up_to']:,} tokens"


def steps(counts: Sequence[Report]) -> str:
    """Return how many files are left after each step."""
    if not counts:
        return ""
    lines = "".join(
        f"<tr><td>{'' if line['step'] == 'found' else 'after '}{escape(line['step'])}</td>"
        f"<td>{line['files']:,}</td></tr>"
        for line in counts
    )
    return _panel("Step by step", f"<table><tbody>{lines}</tbody></table>")


def leaks(pairs: Sequence[Report]) -> str:
    """Return which held-out files share code with which training files."""
    if not pairs:
        return ""
    lines = "".join(
        f"<tr><td>{escape(pair['held_out'])}</td><td>{escape(pair['train'])}</td>"
        f"<td>{pair['lines']:,} lines</td></tr>"
        for pair in pairs
    )
    head = "<th>Held out</th><th>In training</th><th>Both have</th>"
    return _panel("Leaks", f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>")


def offers(offered: Mapping[str, Sequence[str]]) -> str:
    """Return what a Hub dataset has to choose from."""
    words = {"configs": "Configurations", "splits": "Splits", "columns": "Columns"}
    lines = "".join(
        f"<tr><td>{label}</td><td>{escape(', '.join(offered[name]))}</td></tr>"
        for name, label in words.items()
        if offered.get(name)
    )
    return (
        _panel("What the dataset offers", f"<table><tbody>{lines}</tbody></table>") if lines else ""
    )


def _panel(title: str, body: str, kind: str = "") -> str:
    return (
        f'<details class="{kind}"><summary>{escape(title)}</summary>'
        f'<div class="c-panel">{body}</div></details>'
    )


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"
