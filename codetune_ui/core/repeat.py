r"""Where an answer begins to write once more what already stands after the hole.

The rule: an answer ends before a line that the suffix goes on with. Two lines count: the rest of
the cursor's own line, and the first line below it that is not blank. Each must hold three letters
or digits, so that `}` and `)` never count, must stand in the answer exactly as in the suffix, with
the same indentation, and must end there where it ends in the suffix: at a line break, or the
answer's own end. What is cut off is what the file goes on with anyway.

It looks at nothing but the request: the same request is always answered alike, whatever other
files, other people's code or earlier answers there are.
"""

from __future__ import annotations

SIGNS = 3  # letters and digits that a line must hold


def repeated_lines(suffix: str | None) -> tuple[str, ...]:
    r"""Return the texts before which an answer ends, if a line break or its end follows them.

    >>> repeated_lines(" + tax\n\n    return total\n")
    (' + tax', '\n    return total')
    >>> repeated_lines(")\n}\n"), repeated_lines(None)
    ((), ())
    """
    own, _, below = (suffix or "").partition("\n")
    following = next((line for line in below.split("\n") if line.strip()), "")
    found = [own.rstrip()] if _counts(own) else []
    return (*found, "\n" + following.rstrip()) if _counts(following) else tuple(found)


def _counts(line: str) -> bool:
    return sum(character.isalnum() for character in line) >= SIGNS
