"""What a tree's own files say of its paths: ignored, not tracked, generated, vendored."""

from __future__ import annotations

from pathlib import Path

from codetune_ui.core.attributes import Attributes
from codetune_ui.core.disk import read_text
from codetune_ui.core.document import DropReason
from codetune_ui.core.git import Checkout, same_form
from codetune_ui.core.history import History, history_since
from codetune_ui.core.ignore import IGNORE_FILES, MOST_BYTES, IgnoreRules

OWN = ".codetuneignore"
ATTRIBUTES = ".gitattributes"
RULE_NAMES = frozenset({ATTRIBUTES, *(name.partition("/")[0] for name in IGNORE_FILES)})
NONE: frozenset[DropReason] = frozenset()


class Scope:
    """One tree with rules of its own: a plain folder, or a checkout.

    `base` is where it begins in the walk ("" or "libs/x/"), `inside` the folder of the checkout
    that this is ("" when it is all of it). Tracked files stay although .gitignore names them, as
    with git; `.codetuneignore` is asked of every file.
    """

    def __init__(
        self, base: str = "", checkout: Checkout | None = None, inside: str = "", since: float = 0
    ) -> None:
        self.base, self.checkout, self.inside = base, checkout, inside
        self.attributes = Attributes()
        self._ignored, self._own = IgnoreRules(), IgnoreRules()
        self.history: History | None = None
        if checkout is not None:
            self._enter_from_top(checkout)
            self.history = history_since(checkout, since) if since else None

    def _enter_from_top(self, checkout: Checkout) -> None:
        """Read the rules of the folders above the one that was named."""
        info = checkout.common_dir / "info"
        above = self.inside.split("/")[:-1]
        self._ignored.add("", read_text(info / "exclude", MOST_BYTES))
        for depth in range(len(above)):
            inner = "".join(part + "/" for part in above[:depth])
            self._add(inner, checkout.top / inner)

    def enter(self, path: str, folder: Path, hidden: frozenset[str]) -> None:
        """Read the rules that lie in a folder; `path` is "" or ends with "/".

        `hidden` are its names that begin with a dot, in small letters: most folders have no rules,
        and to ask for four files in each takes as long as to list it.
        """
        if not hidden.isdisjoint(RULE_NAMES):
            self._add(self._local(path), folder)

    def _add(self, inner: str, folder: Path) -> None:
        texts = {name: read_text(folder / name, MOST_BYTES) for name in IGNORE_FILES}
        self.add(inner, texts, read_text(folder / ATTRIBUTES, MOST_BYTES))

    def add(self, inner: str, ignore: dict[str, str], attributes: str) -> None:
        """Take a folder's ignore files by name, and its .gitattributes."""
        self._ignored.add(inner, "\n".join(ignore.get(name, "") for name in IGNORE_FILES))
        self._own.add(inner, ignore.get(OWN, ""))
        self.attributes.add(inner, attributes)

    def _local(self, path: str) -> str:
        return same_form(self.inside + path.removeprefix(self.base))

    def leaves_out(self, folder: str) -> bool:
        """Return whether a whole folder is ignored; its path ends with "/"."""
        local = self._local(folder)
        if self.checkout is not None and local in self.checkout.folders:
            return False  # some file in it is tracked: each is asked
        return self._ignored.ignores(local)

    def is_submodule(self, folder: str) -> bool:
        """Return whether the index names this folder a repository of its own."""
        local = self._local(folder).rstrip("/")
        return self.checkout is not None and local in self.checkout.submodules

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said of any file: no checkout, and no rules so far."""
        return self.checkout is None and not self._ignored and not self.attributes

    def reason(self, path: str) -> DropReason | None:
        """Return why a file is left out, None when nothing here speaks against it."""
        if self.is_silent:
            return None
        local = self._local(path)
        if self.checkout is None:
            if self._ignored.ignores(local):
                return DropReason.IGNORED
        elif local not in self.checkout.tracked:
            ignored = self._ignored.ignores(local)
            return DropReason.IGNORED if ignored else DropReason.NOT_TRACKED
        elif self._own.ignores(local):
            return DropReason.IGNORED
        elif local in self.checkout.links:  # where links are checked out as small files
            return DropReason.LINK
        if not self.attributes:
            return None
        marks = self.attributes.marks(local)
        return next((reason for reason, value in marks.items() if value), None)

    def pardoned(self, path: str) -> frozenset[DropReason]:
        """Return the rules by name from which .gitattributes excepts a file."""
        if not self.attributes:
            return NONE
        marks = self.attributes.marks(self._local(path))
        return frozenset(reason for reason, value in marks.items() if not value)

    def changed(self, path: str) -> float:
        """Return when git last saw a file change, 0 where nobody knows."""
        return self.history.changed(self._local(path)) if self.history else 0.0
