"""What the Evaluate tab says about one evaluation, or about two adapters, as HTML.

Pure, and every text in it is escaped. The verdict comes first; what is not better is said as
plainly as what is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codetune_ui.core.report_page import LABELS
from codetune_ui.core.scores import LOWER_IS_BETTER, MAIN, METRICS
from codetune_ui.ui.code_view import escape

Found = Mapping[str, Any]
Change = Sequence[float]

KINDS = {
    "inside": "Inside a line",
    "rest": "Rest of a line",
    "line": "Whole lines",
    "block": "Blocks",
    "own": "Your own holes",
}
FIRM = 10  # holes; the interval of fewer is so wide that no other could be read beside it
TONES = {"better": "better", "worse": "worse", "no difference": "same"}
HEADLINES = {
    "better": "{new} is better than {old} on this code.",
    "worse": "{new} is worse than {old} on this code.",
    "no difference": "No difference between {new} and {old} could be shown.",
}
FEW = (
    "The interval just clears 0, but so few holes were won or lost that the toss of a coin could "
    "have done it. More holes may tell."
)
STRICT = (
    "Exact match is strict: a fill that does the same in other words counts as a miss. "
    "So look at the difference between the two, not at the height of either."
)
MEANING = {
    "better": "The whole interval lies above 0: other holes of the same code would very likely "
    "show a gain too.",
    "worse": "The whole interval lies below 0: on this code it does harm. Try an earlier "
    "checkpoint, a smaller learning rate, or more code.",
    "no difference": "A gain of this size cannot be told from luck here. More holes make the "
    "interval narrower; longer training, or more code, may make the gain larger.",
}


class Sides(NamedTuple):
    """The two that are compared: their keys in the JSON, and what they are called."""

    old: str
    new: str
    old_name: str
    new_name: str


BASE_AND_ADAPTER = Sides("base", "adapter", "the base", "the adapter")


def result(found: Found, reference: str) -> str:
    """Return the verdict, the bars and the scores of an evaluation named RUN/ID."""
    sides = BASE_AND_ADAPTER
    said = " ".join(remarks(found))
    notes = f'<p class="ev-note">{escape(said)}</p>' if said else ""
    return (
        f"{verdict(found, sides)}{price(found)}{_made(found, reference)}{notes}"
        f'<div class="ev-two">{_card("By kind and language", bars(found, sides) + plainly(found))}'
        f"{_card('All scores', scores(found, sides))}</div>"
    )


def _card(title: str, body: str) -> str:
    return f'<section class="ev-card"><h2>{escape(title)}</h2>{body}</section>'


# --- the verdict


def verdict(found: Found, sides: Sides) -> str:
    """Return the large sentence with its figures, and what it means in two lines."""
    word = str(found["verdict"])
    head = HEADLINES[word].format(new=sides.new_name, old=sides.old_name)
    meaning = "".join(f"<p>{escape(text)}</p>" for text in (_means_what(found), STRICT))
    return (
        f'<section class="ev-verdict {TONES[word]}"><h2 class="ev-says">'
        f"{escape(head[:1].upper() + head[1:])}</h2>"
        f'<p class="ev-sentence">{escape(str(found["sentence"]))}</p>'
        f'<div class="ev-facts">{_facts(found, sides)}</div>'
        f'<div class="ev-means">{meaning}</div></section>'
    )


def _means_what(found: Found) -> str:
    word, change = str(found["verdict"]), found["difference"][MAIN]
    clears = change is not None and tone(MAIN, change) != "same"
    return FEW if clears and word == "no difference" else MEANING[word]


def _facts(found: Found, sides: Sides) -> str:
    old, new = (_means(found, side).get(MAIN) for side in (sides.old, sides.new))
    change = found["difference"][MAIN]
    cells = [
        _fact("Exact match", percent(new), f"against {percent(old)} of {sides.old_name}"),
        _fact(
            "Difference",
            "–" if change is None else f"{points(change[0])} points",
            "" if change is None else f"95 % interval {points(change[1])} to {points(change[2])}",
        ),
        _won(found, sides),
    ]
    return "".join(cells)


def _fact(label: str, value: str, note: str) -> str:
    return f"<div><span>{escape(label)}</span><b>{escape(value)}</b><em>{escape(note)}</em></div>"


def _won(found: Found, sides: Sides) -> str:
    """Return how many holes were won, tied and lost, as a bar and in words."""
    parts = [("new", found["wins"]), ("tie", found["ties"]), ("old", found["losses"])]
    bar = "".join(f'<i class="{name}" style="flex:{count}"></i>' for name, count in parts if count)
    words = f"{found['wins']} won · {found['ties']} tied · {found['losses']} lost"
    note = f"won: only {sides.new_name} is exact"
    return (
        f'<div class="ev-won"><span>{_holes(found["holes"])}</span><b>{escape(words)}</b>'
        f'<span class="ev-stack" aria-hidden="true">{bar}</span><em>{escape(note)}</em></div>'
    )


def _holes(count: int) -> str:
    return f"{count:,} hole{'' if count == 1 else 's'}"


def _made(found: Found, reference: str) -> str:
    """Return the line of settings, with the report as files."""
    asked = found["settings"]
    facts = [
        f"{found['run']} · {when(found['created'])}",
        f"seed {asked['seed']}",
        ", ".join(asked["kinds"]),
        f"{found['held_out_files']} held-out files",
    ]
    if asked.get("holes_of"):
        facts.append(f"the holes of {asked['holes_of']}")
    url = f"/ct-api/evaluations/{escape(reference)}"
    links = "".join(
        f'<a class="mini" href="{url}/report.{kind}" download>{label}</a>'
        for kind, label in (("html", "Report as HTML"), ("json", "As JSON"))
    )
    return f'<div class="ev-made"><span>{escape(" · ".join(facts))}</span>{links}</div>'


def remarks(found: Found) -> list[str]:
    """Return what has to be known about the holes: which were left out, and why."""
    said = []
    if found.get("left_out_in_train"):
        holes = _holes(found["left_out_in_train"])
        said.append(f"{holes} left out: the training code has the same lines.")
    if own := found.get("own_in_train"):
        places = ", ".join(f"{one['path']}:{one['line']}" for one in own[:5])
        more = f" and {len(own) - 5} more" if len(own) > 5 else ""
        said.append(
            f"{_holes(len(own))} of your own left out, being in the training code: {places}{more}."
        )
    if not found.get("training_code_read", True):
        said.append("The training code was not there any more to be compared with.")
    return said


def price(found: Found) -> str:
    """Return what the gain has cost on general code, where it was measured."""
    cost = found.get("forgetting")
    if not cost:
        return ""
    return (
        '<section class="ev-card ev-price"><h2>The price</h2>'
        f"<p>{escape(str(cost['sentence']))}</p></section>"
    )


# --- bars


def bars(found: Found, sides: Sides, metric: str = MAIN) -> str:
    """Return a row for all holes, each kind and each language: both sides and their difference."""
    rows = [("All holes", found)]
    rows += [(KINDS.get(name, name), part) for name, part in found["by_kind"].items()]
    if len(found["by_language"]) > 1:
        rows += list(found["by_language"].items())
    firm = [part for _, part in rows if part["holes"] >= FIRM] or [found]
    most = _reach([part["difference"][metric] for part in firm])
    longest = max(
        (
            _means(part, side).get(metric) or 0
            for _, part in rows
            for side in (sides.old, sides.new)
        ),
        default=0,
    )
    key = (
        f'<p class="ev-key"><i class="old"></i>{escape(sides.old_name)} '
        f'<i class="new"></i>{escape(sides.new_name)}'
        "<span>difference in points, with its 95 % interval</span></p>"
    )
    body = "".join(_bar(label, part, sides, (metric, most, longest)) for label, part in rows)
    return f'{key}<div class="ev-bars">{body}</div>'


def _bar(label: str, part: Found, sides: Sides, scale: tuple[str, float, float]) -> str:
    metric, most, longest = scale
    old, new = (_means(part, side).get(metric) for side in (sides.old, sides.new))
    change = part["difference"][metric]
    both = "".join(
        f'<span class="ev-bar"><i class="{name}" style="width:{length:.1f}%"></i>'
        f"<em>{percent(value)}</em></span>"
        for name, value in (("old", old), ("new", new))
        for length in (100 * (value or 0) / (longest or 1),)
    )
    text, word = "–" if change is None else points(change[0]), judged(part, metric)
    return (
        f'<div class="ev-row"><span class="ev-l">{escape(label)} <small>{part["holes"]}</small>'
        f'</span><span class="ev-both">{both}</span>'
        f"{track(word, change, most)}"
        f'<span class="ev-d {word}">{text}</span></div>'
    )


def track(word: str, change: Change | None, most: float) -> str:
    """Return an interval around zero, on a scale from -`most` to `most`, coloured as `judged`."""
    if change is None:
        return '<span class="ev-track"></span>'
    mean, low, high = (50 + 50 * max(-1.0, min(1.0, value / most)) for value in change)
    title = f"{change[0]:+.3f}, 95 % interval {change[1]:+.3f} to {change[2]:+.3f}"
    return (
        f'<span class="ev-track {word}" role="img" aria-label="{title}" '
        f'title="{title}"><i style="left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%"></i>'
        f'<b style="left:{mean:.1f}%"></b></span>'
    )


def _reach(changes: Sequence[Change | None]) -> float:
    drawn = [abs(value) for change in changes if change is not None for value in change]
    return max(drawn, default=0.0) * 1.08 or 0.1


def judged(part: Found, metric: str) -> str:
    """Return better, worse or same: of exact match what the verdict says, else what `tone` says."""
    if metric == MAIN:
        return TONES[str(part["verdict"])]
    return tone(metric, part["difference"][metric])


def tone(metric: str, change: Change | None) -> str:
    """Return better, worse or same: only an interval that excludes 0 says more than same.

    >>> tone("exact_match", [0.1, 0.02, 0.2]), tone("middle_nll_per_char", [0.1, 0.02, 0.2])
    ('better', 'worse')
    """
    if change is None or change[1] <= 0 <= change[2]:
        return "same"
    return "better" if (change[0] > 0) != (metric in LOWER_IS_BETTER) else "worse"


# --- scores


def scores(found: Found, sides: Sides) -> str:
    """Return the table of all scores with their differences."""
    rows = "".join(_score(found, sides, metric) for metric in METRICS)
    heads = "".join(
        f'<th scope="col" class="{kind}">{escape(text)}</th>'
        for text, kind in (
            ("Score", ""),
            (_short(sides.old_name), "num"),
            (_short(sides.new_name), "num"),
            ("Difference (95 %)", "num"),
        )
    )
    return f'<table class="ev-scores"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _score(found: Found, sides: Sides, metric: str) -> str:
    old, new = (_means(found, side).get(metric) for side in (sides.old, sides.new))
    change = found["difference"][metric]
    text = "–" if change is None else f"{_signed(metric, change[0])}"
    within = (
        "" if change is None else f"{_signed(metric, change[1])} to {_signed(metric, change[2])}"
    )
    return (
        f"<tr><td>{escape(LABELS[metric])}</td>"
        f'<td class="num">{_figure(metric, old)}</td><td class="num">{_figure(metric, new)}</td>'
        f'<td class="num {judged(found, metric)}"><b>{text}</b> <small>{within}</small></td></tr>'
    )


def plainly(found: Found) -> str:
    """Say in which scores and kinds it is better, worse, or neither.

    >>> change = {name: None for name in METRICS} | {"parses": [0.1, 0.05, 0.2]}
    >>> plainly({"difference": change, "by_kind": {}, "verdict": "better"})
    '<ul class="ev-plain"><li class="better"><b>Better:</b> File still parses.</li></ul>'
    """
    named: dict[str, list[str]] = {"better": [], "same": [], "worse": []}
    for metric in METRICS:
        if (change := found["difference"][metric]) is not None:
            named[judged(found, metric)].append(LABELS[metric].partition(" (")[0])
    for kind, part in found["by_kind"].items():
        change = part["difference"][MAIN]
        if len(found["by_kind"]) > 1 and change is not None:
            named[judged(part, MAIN)].append(f"{KINDS.get(kind, kind).lower()} (exact match)")
    words = {"better": "Better", "same": "No clear difference", "worse": "Worse"}
    lines = "".join(
        f'<li class="{key}"><b>{words[key]}:</b> {escape(", ".join(names))}.</li>'
        for key, names in named.items()
        if names
    )
    return f'<ul class="ev-plain">{lines}</ul>'


# --- figures


def _means(part: Found, side: str) -> Mapping[str, float | None]:
    """Return the means of a side; a comparison has them under a longer name."""
    found: Mapping[str, float | None] = part.get(f"{side}_scores") or part[side]
    return found


def percent(share: float | None) -> str:
    """Return a share as a person reads it.

    >>> percent(0.155), percent(None)
    ('15.5 %', '–')
    """
    return "–" if share is None else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """Return a difference of shares in points: a minus that is as wide as the plus.

    >>> points(0.095), points(-0.02)
    ('+9.5', '−2.0')
    """
    return f"{100 * share:+.1f}".replace("-", "−")


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if metric in LOWER_IS_BETTER else percent(value)


def _signed(metric: str, value: float) -> str:
    if metric in LOWER_IS_BETTER:
        return f"{value:+.3f}".replace("-", "−")
    return points(value)


def _short(name: str) -> str:
    return name.removeprefix("the ").capitalize() if name.startswith("the ") else name


def when(created: float) -> str:
    """Return a moment in this machine's own time."""
    moment = time.localtime(created)
    return time.strftime(f"{moment.tm_mday} %b %Y, %H:%M", moment)
