"""Which licence a file says it is under: an SPDX line, or the well-known words of a header.

Only the head of a file is read, and only what it says itself: a file that declares nothing is not
judged by its neighbours.
"""

from __future__ import annotations

import re

from codetune_ui.core.setting import check_names

HEAD = 4000  # characters; licences stand first
SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n*]+)")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
VERSION = (
    r"[\s,]*(?:\(the .{1,30}?\)[\s,]*)?(?:as published by the free software foundation[;,\s]*)?"
)
VERSION += r"(?:either\s+)?v(?:ersion)?\.?\s*(?P<version>[1-3](?:\.\d)?)"
PHRASES = [  # the first that fits names it; words as in the licences' own "how to apply"
    ("AGPL", re.compile(r"gnu affero general public licen[sc]e" + f"(?:{VERSION})?")),
    ("LGPL", re.compile(r"gnu (?:lesser|library) general public licen[sc]e" + f"(?:{VERSION})?")),
    ("GPL", re.compile(r"gnu general public licen[sc]e" + f"(?:{VERSION})?")),
    ("MPL-2.0", re.compile(r"mozilla public licen[sc]e")),
    (
        "Apache-2.0",
        re.compile(r"apache licen[sc]e,? version 2\.0|apache\.org/licenses/license-2\.0"),
    ),
    ("EPL-2.0", re.compile(r"eclipse public licen[sc]e v(?:ersion)?\.? ?2")),
    ("EPL-1.0", re.compile(r"eclipse public licen[sc]e")),
    ("BSL-1.0", re.compile(r"boost software licen[sc]e")),
    ("Unlicense", re.compile(r"free and unencumbered software released into the public domain")),
    (
        "ISC",
        re.compile(
            r"permission to use, copy, modify,? and(?:/or)? distribute this software for any"
        ),
    ),
    ("MIT", re.compile(r"\bmit licen[sc]e|permission is hereby granted, free of charge, to any")),
    ("BSD-4-Clause", re.compile(r"all advertising materials mentioning features")),
    (
        "BSD-3-Clause",
        re.compile(r"\bbsd 3-clause|\b3-clause bsd|neither the names? of .{1,120}? may be used to"),
    ),
    (
        "BSD-2-Clause",
        re.compile(r"\bbsd 2-clause|redistribution and use in source and binary forms"),
    ),
    # of unknown clauses; both are allowed where any is
    ("BSD-3-Clause", re.compile(r"\bbsd(?:-style)? licen[sc]e")),
]
GNU = {"AGPL": "3.0", "LGPL": "2.1", "GPL": "2.0"}  # where a header names no version
KNOWN = sorted(
    {name for name, _ in PHRASES if name not in GNU}
    | {f"{name}-{version}" for name in GNU for version in ("2.0", "2.1", "3.0")}
    | {"0BSD", "CC0-1.0", "CC-BY-4.0", "Zlib", "Python-2.0", "PSF-2.0", "WTFPL", "Artistic-2.0"}
    | {"MIT-0", "BSD-1-Clause", "BlueOak-1.0.0", "MulanPSL-2.0", "EUPL-1.2", "NCSA", "Ruby"}
)
BLANKS = re.compile(r"\s+(?:[*#/;%!-]+\s+)*")  # with the marks of a comment in between


def declared(text: str) -> str:
    """Return what a file declares, as an SPDX expression; "" when it declares nothing.

    >>> declared("# SPDX-License-Identifier: MIT OR Apache-2.0\\n"), declared("x = 1\\n")
    ('MIT OR Apache-2.0', '')
    """
    head = text[:HEAD]
    if hit := SPDX.search(head):
        return hit[1].removesuffix("-->").strip(" \t\"'")
    if "icen" not in head and "ermission" not in head and "edistribution" not in head:
        return ""  # no header has none of these words; most files stop here
    words = BLANKS.sub(" ", "\n" + head.lower())
    for name, phrase in PHRASES:
        if hit := phrase.search(words):
            return _with_version(name, hit)
    return ""


def _with_version(name: str, hit: re.Match[str]) -> str:
    if name not in GNU:
        return name
    version = hit["version"] or GNU[name]
    return f"{name}-{version if '.' in version else version + '.0'}"


def is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Return whether an SPDX expression can be met with the allowed licences alone.

    >>> is_allowed("MIT OR GPL-3.0-only", frozenset({"mit"}))
    True
    >>> is_allowed("MIT AND GPL-3.0-only", frozenset({"mit"}))
    False
    """
    return any(
        all(_plain(name) in allowed for name in re.split(r"\s+and\s+", part))
        for part in re.split(r"\s+or\s+", re.sub(r"[()]", " ", expression.lower()).strip())
    )


def _plain(name: str) -> str:
    """Return a name without what SPDX adds to it: exceptions and "or later".

    >>> _plain("GPL-2.0-or-later WITH Classpath-exception-2.0")
    'gpl-2.0'
    """
    first = re.split(r"\s+with\s+", name.strip().lower())[0].strip()
    return re.sub(r"(-only|-or-later|\+)$", "", first)


def chosen_licences(text: str) -> frozenset[str]:
    """Read the setting: SPDX names with commas; raises `ConfigError` for one that nobody knows.

    >>> sorted(chosen_licences("MIT, apache-2.0"))
    ['apache-2.0', 'mit']
    """
    return check_names(
        (_plain(name) for name in text.split(",") if name.strip()),
        KNOWN,
        field="licences",
        noun="licence",
        often=("MIT", "Apache-2.0"),
    )
