"""Which files of a set a file should be read with: those it imports, then its directory's.

Imports are found by their spelling and matched against the paths of the set, nothing is run. Only
the documents that were given are ever named: a set of training files knows no held-out one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from posixpath import normpath

from codetune_ui.core.document import Document

MOST = 12  # neighbours of one file; more never fit a row
LOOKED_AT = 20_000  # characters of a file in which imports are looked for

SCRIPTS = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte")
C_LIKE = (".c", ".cc", ".cpp", ".cxx", ".cu", ".h", ".hh", ".hpp", ".hxx", ".m", ".mm")
JVM = (".java", ".kt", ".kts", ".scala", ".groovy")

PYTHON_FROM = re.compile(r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+\(?([^#\n)]*)", re.M)
PYTHON_IMPORT = re.compile(r"^[ \t]*import[ \t]+([\w., \t]+)", re.M)
SCRIPT_IMPORT = re.compile(r"""(?:\bfrom|\bimport|\brequire\(|\bimport\()\s*['"]([^'"\n]+)['"]""")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)[ \t]*"([^"\n]+)"', re.M)
JVM_IMPORT = re.compile(r"^[ \t]*import[ \t]+(?:static[ \t]+)?([\w.]+)", re.M)
GO_IMPORT = re.compile(r'^[ \t]*(?:import[ \t]+)?(?:[\w.]+[ \t]+)?"([\w./~-]+)"[ \t]*$', re.M)


@dataclass(frozen=True)
class Neighbour:
    """Another file that is read before the one being written."""

    path: str
    text: str


class Repository:
    """The files of one side of a split, and what each should be read with."""

    def __init__(self, documents: Sequence[Document], paths: Iterable[str] | None = None) -> None:
        self._documents = documents  # perhaps on disk: read one by one, and not kept
        paths = (document.path for document in documents) if paths is None else paths
        self._places = {path: place for place, path in enumerate(paths)}
        self._names: dict[str, list[str]] = {}
        self._folders: dict[str, list[str]] = {}
        for path in sorted(self._places):
            self._names.setdefault(_name(path), []).append(path)
            self._folders.setdefault(_folder(path), []).append(path)
        self._wanted = lru_cache(maxsize=65536)(self._choose)

    def neighbours(self, path: str) -> tuple[Neighbour, ...]:
        """Return the files to read before the one at a path, imports first."""
        wanted = self._wanted(path)
        return tuple(Neighbour(p, self._documents[self._places[p]].text) for p in wanted)

    def _choose(self, path: str) -> tuple[str, ...]:
        if path not in self._places:
            return ()
        imported = _imports(self._documents[self._places[path]], self)
        near = self._folders[_folder(path)]
        same = [p for p in near if PurePosixPath(p).suffix == PurePosixPath(path).suffix]
        return tuple([p for p in dict.fromkeys([*imported, *same]) if p != path][:MOST])

    def has(self, path: str) -> bool:
        """Say whether the set holds a path."""
        return path in self._places

    def in_folder(self, folder: str) -> list[str]:
        """Return the files right in a folder, by name."""
        return self._folders.get(folder, [])

    def folders(self) -> list[str]:
        """Return every folder that holds a file."""
        return list(self._folders)

    def ending(self, tail: str, scope: str) -> str | None:
        """Return the one path of a scope that ends with `tail`; None where it is not one."""
        found = [
            path
            for path in self._names.get(_name(tail), [])
            if (path == tail or path.endswith("/" + tail)) and _within(path, scope)
        ]
        return found[0] if len(found) == 1 else None


def _imports(document: Document, files: Repository) -> list[str]:
    """Return the paths of the files that a document imports, in the order of its text."""
    suffix = PurePosixPath(document.path).suffix.lower()
    text = document.text[:LOOKED_AT]
    scope = document.group.rpartition("/")[0]
    if suffix in (".py", ".pyi"):
        tails: Iterable[list[str]] = _python(text, document.path)
    elif suffix in SCRIPTS:
        tails = _scripts(text, document.path)
    elif suffix in C_LIKE:
        tails = ([name] for name in INCLUDE.findall(text))
    elif suffix in JVM:
        tails = _jvm(text)
    elif suffix == ".go":
        return _go(text, files)
    else:
        return []
    found = (_find(choices, document.path, scope, files) for choices in tails)
    return [path for path in found if path is not None]


def _find(choices: list[str], path: str, scope: str, files: Repository) -> str | None:
    """Return the first of some spellings that is a file: seen from the nearest folder upwards."""
    for choice in choices:
        if choice.startswith("/"):  # a path that was already resolved
            if files.has(choice[1:]):
                return choice[1:]
            continue
        for folder in _upwards(_folder(path)):
            near = normpath(f"{folder}/{choice}" if folder else choice)
            if files.has(near):
                return near
        if not choice.startswith(".") and (one := files.ending(choice, scope)):
            return one
    return None


def _python(text: str, path: str) -> Iterator[list[str]]:
    """Yield the spellings of each module that is imported, a package's module before its own."""
    found: list[tuple[int, list[str]]] = []
    for match in PYTHON_FROM.finditer(text):
        dots, module, names = match[1], match[2].replace(".", "/"), match[3].split(",")
        base = _above(path, len(dots)) if dots else ""
        if base is None:
            continue
        start = "/" + base + "/" if dots and base else "/" if dots else ""
        own = (start + module).rstrip("/") if module else start.rstrip("/")
        for name in (name.split(" as ")[0].strip() for name in names):
            inner = [f"{own}/{name}{end}" for end in (".py", "/__init__.py") if name.isidentifier()]
            found.append((match.start(), [*inner, f"{own}.py", f"{own}/__init__.py"]))
    for match in PYTHON_IMPORT.finditer(text):
        for name in match[1].split(","):
            module = name.split(" as ")[0].strip().replace(".", "/")
            found.append((match.start(), [f"{module}.py", f"{module}/__init__.py"]))
    yield from (choices for _, choices in sorted(found, key=lambda item: item[0]))


def _scripts(text: str, path: str) -> Iterator[list[str]]:
    for name in SCRIPT_IMPORT.findall(text):
        if name.startswith("."):
            whole = normpath(f"{_folder(path)}/{name}" if _folder(path) else name)
            if whole.startswith(".."):
                continue
            base = f"/{whole}"
        else:
            base = re.sub(r"^[@~]/", "", name)
        bare = base.removesuffix(".js")  # TypeScript writes .js for a file that is .ts
        ends = (*SCRIPTS, *(f"/index{suffix}" for suffix in SCRIPTS))
        yield [base, *(bare + end for end in ends)]


def _jvm(text: str) -> Iterator[list[str]]:
    for name in JVM_IMPORT.findall(text):
        whole = name.strip(".").replace(".", "/")
        outer = whole.rpartition("/")[0]  # a static import ends with a member
        yield [base + suffix for base in (whole, outer) if base for suffix in JVM]


def _go(text: str, files: Repository) -> list[str]:
    """Return the files of each package whose import path ends with a folder of the set."""
    found: list[str] = []
    folders = sorted(files.folders(), key=len, reverse=True)
    for name in GO_IMPORT.findall(text):
        here = next((f for f in folders if f and (name == f or name.endswith("/" + f))), None)
        inside = files.in_folder(here) if here else []
        found += [p for p in inside if p.endswith(".go") and not p.endswith("_test.go")]
    return found


def _above(path: str, dots: int) -> str | None:
    """Return the package that so many leading dots mean; None above the top."""
    parts = _folder(path).split("/") if _folder(path) else []
    return None if dots - 1 > len(parts) else "/".join(parts[: len(parts) - (dots - 1)])


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = _folder(folder)
    yield ""


def _within(path: str, scope: str) -> bool:
    return not scope or path.startswith(scope + "/")


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
