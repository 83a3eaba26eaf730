"""What .gitattributes says of generated and vendored files, in linguist's words.

`linguist-generated` and `linguist-vendored` mark a file, `-linguist-vendored` (or `=false`) pardons
one that a rule by name would drop. Every other attribute is passed over: filters run programs.
"""

from __future__ import annotations

from codetune_ui.core.document import DropReason

NAMES = {b"linguist-generated": DropReason.GENERATED, b"linguist-vendored": DropReason.VENDORED}
MOST_LINES = 2000
LONGEST_PATTERN = 500
MOST_STARS = 6  # a pattern of many stars takes for ever to say no

Marks = dict[DropReason, bool]


class Attributes:
    """The .gitattributes of one tree; a folder's must be added before its entries are asked."""

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[object, dict[DropReason, bool | None]]]] = {}

    def add(self, folder: str, text: str) -> None:
        """Take the lines of one folder's file; folder: "" for the top, else "src/"."""
        if "linguist-" not in text:
            return
        from dulwich.attrs import Pattern, parse_git_attributes
        from dulwich.wildmatch import MalformedPattern

        lines = self._lines.setdefault(folder, [])
        wanted = [line for line in text.encode().splitlines() if b"linguist-" in line]
        for pattern, said in parse_git_attributes(iter(wanted[:MOST_LINES])):  # type: ignore[arg-type]
            marks = {NAMES[name]: _truth(value) for name, value in said.items() if name in NAMES}
            if not marks or len(pattern) > LONGEST_PATTERN or pattern.count(b"*") > MOST_STARS:
                continue
            try:
                lines.append((Pattern(pattern), marks))
            except MalformedPattern:
                continue  # as git does

    def __bool__(self) -> bool:
        return bool(self._lines)

    def marks(self, path: str) -> Marks:
        """Return what is said of a file: the deepest folder's last word.

        >>> attributes = Attributes()
        >>> attributes.add("", "*.py linguist-generated\\nkeep.py -linguist-generated")
        >>> [list(attributes.marks(path).values()) for path in ("a.py", "src/keep.py", "b.c")]
        [[True], [False], []]
        """
        if not self._lines:
            return {}
        found: dict[DropReason, bool | None] = {}
        parts = path.split("/")
        for depth in range(len(parts)):
            folder = "".join(part + "/" for part in parts[:depth])
            inner = "/".join(parts[depth:]).encode()
            for pattern, marks in self._lines.get(folder, ()):
                if pattern.match(inner):  # type: ignore[attr-defined]
                    found |= marks
        return {reason: value for reason, value in found.items() if value is not None}


def _truth(value: object) -> bool | None:
    """Read "name", "-name", "!name" and "name=false"."""
    if isinstance(value, bytes):
        return value.lower() not in (b"false", b"0", b"no")
    return None if value is None else bool(value)
