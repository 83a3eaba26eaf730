"""Is the tokenizer that cuts and serves the one in the model's `tokenizer.json`? Asked at load.

Preview, training, server and export all load it in one place, which encodes without control
tokens. That must change nothing else: on each probe it gives the ids of the file itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from codetune_ui.core.errors import ModelError

PROBES = (  # one kind of trouble each, all of which tokenizers have got wrong
    "def f(x):\n\treturn x\n\n\tpass\n",
    "a\r\nb\r\n\r\n",
    "        1\n    22\n\t333\n",  # indentation before digits
    "x = 3.14e-10 + 0xFF_FF - 1234567890\n",
    "  two leading spaces and trailing  \n",
    "\n\n\n    \n",
    "naïve = 'żółć' # ½ Ω ﬁ e\u0301\n",
    "名前 = '日本語' + \"中文\"\n",
    "s = '🦀👩\u200d👩\u200d👧🇩🇪'\n",
    "\ufeffimport os\u00a0\u200b\n",
    "\x00\x01\x7f\n",
    "it's don't WE'LL __init__ camelCase HTTPServer2\n",
    "if (a<b && d->e || !f[0]) { x = *p++; } /* <? */\n",
    "#" * 40 + "=" * 40 + " " * 40 + "\n",
)


class Difference(NamedTuple):
    """A text that two tokenizers read differently, and its ids in ours and in the file's."""

    text: str
    ours: list[int]
    theirs: list[int]


Encode = Callable[[str], list[int]]


def check_parity(
    ours: Encode, theirs: Encode, control: Mapping[str, int | None], name: str
) -> None:
    """Raise `ModelError` with the text that both read differently, if there is one.

    control: tokens that steer the model, by their text, which ours must read as plain text; `name`
    is the folder's, for the message.
    """
    plain = [probe for probe in PROBES if not any(token in probe for token in control)]
    found = first_difference(ours, theirs, plain)
    if found is not None:
        raise ModelError(
            f"The tokenizer in '{name}' reads {found.text[:60]!r} as {found.ours[:12]}, "
            f"its own tokenizer.json as {found.theirs[:12]}.",
            "Choose another model, and report this one.",
        )
    for text in control:
        if set(control.values()).intersection(ours(text)):
            raise ModelError(
                f"Code that spells {text} would become a control token of '{name}'.",
                "Choose another model, and report this one.",
            )


def first_difference(ours: Encode, theirs: Encode, probes: Iterable[str]) -> Difference | None:
    """Return the first probe that both read differently, or the word of it that does."""
    for probe in probes:
        for text in (*_parts(probe), probe):
            found = Difference(text, ours(text), theirs(text))
            if found.ours != found.theirs:
                return found
    return None


def _parts(probe: str) -> list[str]:
    """Return the words of a probe with the space before them, the likeliest to differ."""
    words = probe.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if len(words) > 1 else []
