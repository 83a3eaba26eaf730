"""What the Model & Data tab says about scanned code: a scan's report as HTML, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from codetune_ui.core.clean import STANDS
from codetune_ui.core.document import DropReason
from codetune_ui.core.fit import ratio_meaning
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.data_panels import leak_meaning, panels

MOST_LANGUAGES = 5  # in the bar; the rest is "other"
SPLITS = {"train": "train", "val": "held out"}
SETTING_OF = {  # what to change when most files were dropped for this reason
    DropReason.NOT_INCLUDED: "'Only these files' is too narrow.",
    DropReason.EXCLUDED: "'Not these files' is too wide.",
    DropReason.IGNORED: "A .gitignore file leaves them out; scan a folder below it.",
    DropReason.NOT_TEXT: "'Column' names the wrong column.",
    DropReason.NOT_CODE: "The source holds no code in a language we know.",
    DropReason.VENDORED: "Scan the vendored folder itself if it is what you want.",
    DropReason.DUPLICATE: "The source holds copies of the same files.",
    DropReason.NEAR_DUPLICATE: "'Near-duplicates from' is too low, or these are copies.",
    DropReason.LANGUAGE: "'Only these languages' is too narrow.",
    DropReason.LICENCE: "'Only these licences' is too narrow.",
    DropReason.SECRETS: "'Secrets in code' drops them; 'redact' keeps the files.",
    DropReason.NOT_TRACKED: "Run git add in that folder, or name them in 'Always these files'.",
}

Report = Mapping[str, Any]
FileLine = Mapping[str, Any]


def counts(report: Report) -> str:
    """Return one line of counts that add up.

    >>> counts({"found": 5, "kept": 4, "dropped": {"binary": 1}, "tokens": 1200})
    '5 files found = 4 kept + 1 dropped · 1,200 tokens kept'
    """
    found, kept = report["found"], report["kept"]
    line = f"{_files(found)} found = {kept:,} kept"
    line += f" + {sum(report['dropped'].values()):,} dropped"
    return f"{line} · {report['tokens']:,} tokens kept" if report.get("tokens") else line


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def result(report: Report) -> str:
    """Return the figures, the language bar, the panels and the reasons of one finished scan."""
    return (
        f'<div class="c-facts">{_figures(report)}</div>{languages(report["languages"])}'
        f'<div class="c-panels">{panels(report)}</div>{reasons(report["dropped"])}'
    )


def _figures(report: Report) -> str:
    ratio = report.get("chars_per_token")
    cells = [
        _figure("Train", _files(report["train"]), f"{report['train_tokens']:,} tokens"),
        _figure("Held out", _files(report["held_out"]), f"{report['held_out_tokens']:,} tokens"),
    ]
    if ratio:
        cells.append(_figure("Characters per token", f"{ratio:.2f}", *ratio_meaning(ratio)))
    if leak := report.get("leak"):
        cells.append(_figure("Leak", *leak_meaning(leak["share"])))
    notes = [
        f"{_files(count)}: {escape(note)}"
        for note, count in report.get("notes", {}).items()
        if "redacted" not in note  # secrets have a panel of their own
    ]
    if notes:
        cells.append(f'<div><p class="c-note">{"<br>".join(notes)}</p></div>')
    return "".join(cells)


def _figure(label: str, value: str, note: str, kind: str = "") -> str:
    return (
        f'<div class="{kind}"><span>{label}</span><b>{value}</b><p class="c-note">{note}</p></div>'
    )


def languages(characters: Mapping[str, int]) -> str:
    """Return the bar of languages with its legend, by characters, the largest first.

    >>> "Python 75 %" in languages({"Python": 3, "Go": 1})
    True
    """
    ordered = sorted(characters.items(), key=lambda item: -item[1])
    shown = ordered[:MOST_LANGUAGES]
    rest = sum(count for _, count in ordered[MOST_LANGUAGES:])
    if rest:
        shown.append(("other", rest))
    total = sum(count for _, count in shown)
    if not total:
        return ""
    bar = "".join(f'<i style="flex:{count}"></i>' for _, count in shown)
    legend = "".join(
        f"<span><i></i>{escape(f'{name} {_share(count / total)}')}</span>" for name, count in shown
    )
    return f'<div class="c-bar" aria-hidden="true">{bar}</div><div class="c-legend">{legend}</div>'


def _share(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.005 else "< 1 %"


def reasons(dropped: Mapping[str, int]) -> str:
    """Return one button per drop reason; a press filters the table by it."""
    if not dropped:
        return ""
    buttons = "".join(
        f'<button class="mini" data-query="{escape(reason)}">{escape(reason)} <b>{count:,}</b>'
        "</button>"
        for reason, count in dropped.items()
    )
    return f'<div class="c-reasons"><span>Dropped</span>{buttons}</div>'


def nothing_kept(report: Report) -> str:
    """Return what to do when a scan kept too little: the two most common reasons, with a cure."""
    common = list(report["dropped"].items())[:2]
    lines = [
        f"<li><b>{count:,}</b> {escape(reason)}. {escape(SETTING_OF.get(reason, ''))}</li>"
        for reason, count in common
    ]
    return f'<ul class="c-cures">{"".join(lines)}</ul>' if lines else ""


def ordered(files: Sequence[FileLine], sort: str) -> list[FileLine]:
    """Return the files by "path", "language", "tokens" or "side"; "-" before it turns it round.

    Files without a count come last either way. An unknown word leaves the order of the scan.
    """
    name, down = sort.removeprefix("-"), sort.startswith("-")
    if name not in SORTS:
        return list(files)
    known = [line for line in files if name != "tokens" or line.get("tokens") is not None]
    rest = [line for line in files if name == "tokens" and line.get("tokens") is None]
    return [*sorted(known, key=SORTS[name], reverse=down), *rest]


def matching(files: Sequence[FileLine], query: str) -> list[FileLine]:
    """Return the files whose path, language, split or reason holds every word of the query."""
    words = query.casefold().split()
    return [line for line in files if all(word in _searchable(line) for word in words)]


def _searchable(line: FileLine) -> str:
    return f"{line['path']} {line['language']} {_side(line)}".casefold()


def _side(line: FileLine) -> str:
    if line["reason"]:
        return f"{line['reason']} {line.get('detail', '')}".strip()
    return SPLITS.get(line.get("split") or "", "kept")


SORTS: dict[str, Callable[[FileLine], Any]] = {
    "path": lambda line: line["path"].casefold(),
    "language": lambda line: (line["language"].casefold(), line["path"].casefold()),
    "tokens": lambda line: line["tokens"],
    "side": lambda line: (_side(line), line["path"].casefold()),
}


def rows(files: Sequence[FileLine]) -> str:
    """Return table rows: file, language, tokens, side of the split or reason."""
    return "".join(_row(line) for line in files)


def _row(line: FileLine) -> str:
    tokens, path = line.get("tokens"), escape(line["path"])
    kind = "dropped" if line["reason"] else (line.get("split") or "")
    found = line.get("secrets")
    mark = f' <i class="c-secret">{_several(found, "secret")}</i>' if found else ""
    stands = " data-stands" if line["reason"] in STANDS else ""
    return (
        f'<tr class="{kind}" data-path="{path}"{stands} tabindex="0">'
        f'<td title="{path}">{path}{mark}</td>'
        f"<td>{escape(line['language'])}</td><td>{f'{tokens:,}' if tokens is not None else ''}</td>"
        f'<td title="{escape(_side(line))}">{escape(_side(line))}</td></tr>'
    )


def _several(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
