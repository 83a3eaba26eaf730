"""What stands before a file's own code: its path, and neighbouring files, in the family's layout.

One function lays it out for training, preview and server, so that the three cannot drift apart:

StarCoder     REPO r FILE p1⏎ c1 FILE p⏎                     then the hole's prompt
StarCoder2    REPO r FILE p1⏎ c1 FILE                        PRE p⏎ prefix ...
Qwen-Coder    REPO r⏎ FILE p1⏎ c1 FILE p⏎                    then the hole's prompt
DeepSeek      #p1⏎ c1 #p⏎                                    then the hole's prompt
Mellum        FILE p1⏎ c1 FILE p⏎                            then the hole's prompt
Codestral     SUF suffix PRE                                 +++++ p1⏎ c1 ⏎ +++++ p⏎ prefix
aiXcoder      PRE                                            # the file path is: p⏎ prefix ...
no tokens     PRE                                            # p1⏎ c1 # p⏎ prefix ...

A family that has no tokens for it reads the path in a comment of the file's language, as the first
line of the prefix. Nothing of the context carries loss, and none of it is ever a part of the hole's
own prompt: it takes the room that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Literal

from codetune_ui.core.errors import FamilyError
from codetune_ui.core.families import FimFormat
from codetune_ui.core.neighbours import Neighbour, Repository
from codetune_ui.core.splice import Known, Piece, encode_pieces, token_starts
from codetune_ui.core.tokens import CodeTokenizer

HEADER_TOKENS = 48  # of a row, kept free for a path
CHARACTERS_PER_TOKEN = 5  # code hardly gives more, so that a longer piece need not be encoded
UNNAMED = "untitled"

ENDED_REPO = frozenset({"qwen-coder", "qwen3-coder", "codeqwen"})  # a line break after its name
NO_REPO = frozenset({"mellum", "codegemma"})
WRITTEN = {  # families that read a path as plain text: how, and what ends a file
    "deepseek": ("#{path}\n", ""),
    "codestral": ("+++++ {path}\n", "\n"),
    "aixcoder": ("# the file path is: {path}\n", ""),
}
BEFORE_PROMPT = frozenset({"deepseek"})  # the others of these have it inside the prefix
COMMENTS = {  # how a line of comment begins; "#" where nothing is said
    "//": "c cc cpp cs cu cxx dart go groovy h hh hpp java js jsx kt kts m mjs mm php proto rs"
    " scala scss swift ts tsx v zig",
    "--": "adb ads elm hs lua sql vhd",
}
COMMENT_OF = {f".{end}": mark for mark, ends in COMMENTS.items() for end in ends.split()}

Place = Literal["before", "inside"]


@dataclass(frozen=True)
class Context:
    """Tokens before the whole prompt, and at the start of the prefix; none of them carries loss."""

    before: tuple[int, ...] = ()
    inside: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Tokens in all."""
        return len(self.before) + len(self.inside)


NO_CONTEXT = Context()


@dataclass(frozen=True)
class Part:
    """A piece of the layout: its ids, whether they are of text, and where they stand."""

    ids: tuple[int, ...]
    is_text: bool
    place: Place


def header_parts(
    format: FimFormat | None,
    tokenizer: CodeTokenizer,
    *,
    repo: str,
    path: str,
    neighbours: Sequence[Neighbour],
    budget: int,
) -> list[Part]:
    """Lay out a path and as much of its neighbours as `budget` tokens hold, cut at line ends.

    The first neighbours come first; where not even the path fits there is nothing. `FamilyError`
    when the tokenizer lacks the tokens of the family's layout.
    """
    layout = _Layout(format, tokenizer)
    own = layout.own(path or UNNAMED)
    start = layout.repo(repo) if repo else []
    room = budget - _size(own)
    if room < 0:
        return []
    start = start if _size(start) <= room else []
    room -= _size(start)
    others: list[Part] = []
    for neighbour in neighbours:
        parts = layout.other(neighbour, room)
        room -= _size(parts)
        others += parts
    return [*start, *others, *own]


def context_of(parts: Sequence[Part]) -> Context:
    """Join the parts of a layout by where they stand."""
    before = tuple(token for part in parts if part.place == "before" for token in part.ids)
    inside = tuple(token for part in parts if part.place == "inside" for token in part.ids)
    return Context(before, inside)


def check_context(format: FimFormat, tokenizer: CodeTokenizer) -> None:
    """Refuse a tokenizer that lacks one of the tokens of the family's layout: `FamilyError`."""
    header_parts(format, tokenizer, repo="r", path="p", neighbours=(), budget=HEADER_TOKENS)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The context of any file of a set: what a recipe needs to lay it out.

    `most` is the tokens that neighbours may take; `repository` None is the path alone.
    """

    format: FimFormat | None
    tokenizer: CodeTokenizer
    repo: str = ""
    most: int = 0
    repository: Repository | None = None

    def around(self, path: str, room: int) -> Context:
        """Return the context of a file in at most `room` tokens."""
        found = self.repository.neighbours(path) if self.repository and self.most else ()
        return fitted(
            self.format,
            self.tokenizer,
            repo=self.repo,
            path=path,
            neighbours=found,
            most=self.most,
            room=room,
        )


def fitted(
    format: FimFormat | None,
    tokenizer: CodeTokenizer,
    *,
    repo: str,
    path: str,
    neighbours: Sequence[Neighbour],
    most: int,
    room: int,
) -> Context:
    """Return repository and path, and neighbours in at most `most` tokens, all within `room`."""
    named = {"repo": repo, "path": path}
    header = header_parts(format, tokenizer, **named, neighbours=(), budget=room)
    if not header or not neighbours:
        return context_of(header)
    budget = min(room, _size(header) + most)
    return context_of(
        header_parts(format, tokenizer, **named, neighbours=neighbours, budget=budget)
    )


def repository_name(source: str) -> str:
    """Return the name of the one repository that a source is, "" when it is none or many.

    >>> repository_name("/home/me/shop/"), repository_name("https://git.example/me/app.git")
    ('shop', 'app')
    >>> [repository_name(source) for source in ("/home/me/a; /home/me/b", "hub:me/code", "x.zip")]
    ['', '', '']
    """
    plain = source.strip().replace("\\", "/").rstrip("/")
    name = plain.rpartition("/")[2].removesuffix(".git")
    known = PurePosixPath(name).suffix in (".zip", ".jsonl", ".json", ".parquet", ".txt")
    kinds = plain.startswith("hub:") or ";" in plain or plain in ("", "demo")
    return "" if kinds or known or "*" in name else name


# --- the layout of one family


class _Layout:
    def __init__(self, format: FimFormat | None, tokenizer: CodeTokenizer) -> None:
        self.format = format
        self.tokenizer = tokenizer
        self.name = format.family.name if format else ""

    @cached_property
    def _place(self) -> Place:
        """Where what comes before the own path stands."""
        marked = self.format is not None and self.format.family.file is not None
        return "before" if marked or self.name in BEFORE_PROMPT else "inside"

    def repo(self, name: str) -> list[Part]:
        """Return the repository's name, where the family has a token for it."""
        format = self.format
        if format is None or format.family.repo is None or self.name in NO_REPO:
            return []
        mark = self._token(format.family.repo, format.repo_id)
        ended = name + ("\n" if self.name in ENDED_REPO else "")
        return [Part((mark,), False, "before"), self._text(ended, "before")]

    def own(self, path: str) -> list[Part]:
        """Return what announces the file that is being written."""
        inside = self.format is not None and self.format.family.path_inside_prefix
        place: Place = "inside" if inside else self._place
        return [*self._mark(), self._text(self._title(path), place)]

    def other(self, neighbour: Neighbour, room: int) -> list[Part]:
        """Return a neighbour, cut at a line end to fit; nothing when not one line of it fits."""
        end = WRITTEN.get(self.name, ("", ""))[1]
        parts = [*self._mark(), self._text(self._title(neighbour.path), self._place)]
        ends = [self._text(end, self._place)] if end else []
        left = room - _size(parts) - _size(ends)
        body = _whole_lines(neighbour.text, left, self.tokenizer) if left > 0 else ()
        return [*parts, Part(body, True, self._place), *ends] if body else []

    def _mark(self) -> list[Part]:
        if self.format is None or self.format.family.file is None:
            return []
        mark = self._token(self.format.family.file, self.format.file_id)
        return [Part((mark,), False, "before")]

    def _title(self, path: str) -> str:
        if self.format is not None and self.format.family.file is not None:
            return f"{path}\n"
        if self.name in WRITTEN:
            return WRITTEN[self.name][0].format(path=path)
        return comment(path)

    def _text(self, text: str, place: Place) -> Part:
        return Part(_encoded(text, self.tokenizer), True, place)

    def _token(self, text: str, token_id: int | None) -> int:
        if token_id is None or token_id == self.tokenizer.unk_id:
            label = self.format.family.label if self.format else ""
            raise FamilyError(
                f"The tokenizer has no token {text}, which {label} puts before a path.",
                "Set 'Repository context' (repo_context) to none.",
            )
        return token_id


def comment(path: str) -> str:
    r"""Return a path as a comment in the language of its file.

    >>> comment("src/app.ts"), comment("run.py")
    ('// src/app.ts\n', '# run.py\n')
    """
    return f"{COMMENT_OF.get(PurePosixPath(path).suffix.lower(), '#')} {path}\n"


def _size(parts: Sequence[Part]) -> int:
    return sum(len(part.ids) for part in parts)


@lru_cache(maxsize=4096)
def _encoded(text: str, tokenizer: CodeTokenizer) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, continues=True))


def _whole_lines(text: str, room: int, tokenizer: CodeTokenizer) -> tuple[int, ...]:
    """Return the tokens of a text's first whole lines, at most `room`; it ends with a line break.

    Cut where the tokens of the whole say, and the end encoded anew, for the cut may part a token.
    """
    # in powers of two, so that the rooms of many examples ask for the same few heads of a file
    most = CHARACTERS_PER_TOKEN << (room - 1).bit_length()
    known = _head(text[: most + 1], most, tokenizer)
    head, ids = known.text, known.ids
    while len(ids) > room:
        limit = min(int(known.starts[room]), len(head) - 1)
        head = head[: head.rfind("\n", 0, limit) + 1]
        (ids,) = encode_pieces([Piece(head, known)], tokenizer, continues=True)
    return tuple(ids)


@lru_cache(maxsize=2048)
def _head(text: str, most: int, tokenizer: CodeTokenizer) -> Known:
    """Return the whole lines within so many characters of a text, and their tokens."""
    head = text[: text.rfind("\n", 0, most) + 1] if len(text) > most else text
    head = head.rstrip("\n") + "\n" if head.strip() else ""
    ids = tokenizer.encode(head, continues=True)
    return Known(ids, token_starts(head, ids, tokenizer), head)
