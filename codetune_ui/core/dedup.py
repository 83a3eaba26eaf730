"""Leave out what was seen before: exact duplicates, by the hash of the text without blank ends."""

from __future__ import annotations

import hashlib


class SeenTexts:
    """Remembers a hash of each text (about 150 bytes a file) and the first path that had it."""

    def __init__(self) -> None:
        self._first: dict[bytes, str] = {}

    def first_path(self, text: str, path: str) -> str | None:
        """Return the path that had this text before; None when it is new, and remember it.

        >>> seen = SeenTexts()
        >>> seen.first_path("a = 1\\n", "a.py"), seen.first_path("a = 1  \\n\\n", "b.py")
        (None, 'a.py')
        """
        return self.first_path_of(text_hash(text), path)

    def first_path_of(self, key: bytes, path: str) -> str | None:
        """Do what `first_path` does with a text's hash."""
        if key in self._first:
            return self._first[key]
        self._first[key] = path
        return None


def text_hash(text: str) -> bytes:
    """Return a hash that blanks at line ends and at the file's ends do not change."""
    normal = text.strip()
    if " \n" in normal or "\t\n" in normal:  # few files have any
        normal = "\n".join(line.rstrip(" \t") for line in normal.split("\n"))
    return hashlib.blake2b(normal.encode("utf-8", "surrogatepass"), digest_size=16).digest()
