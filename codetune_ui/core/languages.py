"""Which language a file is written in, told from its name, or from its first line.

`identify` knows the names; the tables below say which of its tags are code, and what people call
them. Data, configuration and prose are not code: they would teach the model to copy figures.
"""

from __future__ import annotations

import io
from functools import lru_cache
from posixpath import splitext

from identify import extensions, identify

LANGUAGES = {  # tag of `identify` -> name
    "astro": "Astro",
    "asm": "Assembly",
    "bash": "Shell",
    "bazel": "Starlark",
    "batch": "Batch",
    "c": "C",
    "c#": "C#",
    "c++": "C++",
    "clojure": "Clojure",
    "cmake": "CMake",
    "coffee": "CoffeeScript",
    "crystal": "Crystal",
    "csh": "Shell",
    "css": "CSS",
    "cuda": "CUDA",
    "cython": "Cython",
    "dart": "Dart",
    "dockerfile": "Dockerfile",
    "elixir": "Elixir",
    "elm": "Elm",
    "erb": "ERB",
    "erlang": "Erlang",
    "f#": "F#",
    "fish": "Shell",
    "fortran": "Fortran",
    "gdscript": "GDScript",
    "gleam": "Gleam",
    "go": "Go",
    "graphql": "GraphQL",
    "groovy": "Groovy",
    "haskell": "Haskell",
    "hcl": "HCL",
    "handlebars": "Handlebars",
    "hlsl": "HLSL",
    "html": "HTML",
    "idris": "Idris",
    "java": "Java",
    "javascript": "JavaScript",
    "jsx": "JavaScript",
    "jsonnet": "Jsonnet",
    "julia": "Julia",
    "kotlin": "Kotlin",
    "lean": "Lean",
    "less": "CSS",
    "literate-haskell": "Haskell",
    "lua": "Lua",
    "luau": "Lua",
    "makefile": "Makefile",
    "metal": "Metal",
    "nim": "Nim",
    "nix": "Nix",
    "nushell": "Shell",
    "objective-c": "Objective-C",
    "objective-c++": "Objective-C++",
    "ocaml": "OCaml",
    "pascal": "Pascal",
    "perl": "Perl",
    "php": "PHP",
    "powershell": "PowerShell",
    "prisma": "Prisma",
    "proto": "Protocol Buffers",
    "python": "Python",
    "puppet": "Puppet",
    "purescript": "PureScript",
    "pyi": "Python",
    "r": "R",
    "ruby": "Ruby",
    "rust": "Rust",
    "robot": "Robot Framework",
    "sass": "CSS",
    "scala": "Scala",
    "scheme": "Scheme",
    "scss": "CSS",
    "shell": "Shell",
    "solidity": "Solidity",
    "sql": "SQL",
    "svelte": "Svelte",
    "swift": "Swift",
    "system-verilog": "Verilog",
    "terraform": "Terraform",
    "thrift": "Thrift",
    "ts": "TypeScript",
    "tsx": "TypeScript",
    "vala": "Vala",
    "vb": "Visual Basic",
    "verilog": "Verilog",
    "vhdl": "VHDL",
    "vim": "Vim script",
    "vue": "Vue",
    "zig": "Zig",
    "zsh": "Shell",
}

EXTENSIONS = {  # what `identify` does not know, or names too widely
    ".adb": "Ada",
    ".ads": "Ada",
    ".cl": "OpenCL",
    ".el": "Emacs Lisp",
    ".f": "Fortran",
    ".for": "Fortran",
    ".glsl": "GLSL",
    ".hx": "Haxe",
    ".lisp": "Common Lisp",
    ".mojo": "Mojo",
    ".odin": "Odin",
    ".rkt": "Racket",
    ".tcl": "Tcl",
    ".vhdl": "VHDL",
    ".wgsl": "WGSL",
}

WHOLE_NAMES = frozenset(extensions.NAMES)  # Makefile, Dockerfile: also as a part between dots


def language_of(path: str, first_line: bytes = b"") -> str | None:
    """Return the name of the language a file is written in; None when it is no code.

    >>> language_of("src/app.tsx"), language_of("README.md"), language_of("run", b"#!/bin/sh")
    ('TypeScript', None, 'Shell')
    """
    name = path.rpartition("/")[2]  # by hand: pathlib would be a tenth of a scan's time
    if not first_line or "." in name:
        stem, dot, ending = name.rpartition(".")
        plain = stem.strip(".") and WHOLE_NAMES.isdisjoint((name, ending, *stem.split(".")))
        return _of_name("x" + dot + ending if plain else name)
    tags = identify.tags_from_filename(name)
    if not tags and first_line.startswith(b"#!"):
        interpreter = identify.parse_shebang(io.BytesIO(first_line))
        tags = identify.tags_from_interpreter(interpreter[0]) if interpreter else set()
    return _best(tags)


@lru_cache(maxsize=4096)
def _of_name(name: str) -> str | None:
    """Look a name up; those that are no more than their ending share one answer."""
    known = EXTENSIONS.get(splitext(name)[1].lower())
    return known or _best(identify.tags_from_filename(name))


def may_need_first_line(path: str) -> bool:
    """Say whether only the first line can tell the language: a name without a dot.

    >>> may_need_first_line("bin/deploy"), may_need_first_line("Makefile")
    (True, False)
    """
    name = path.rpartition("/")[2]
    return "." not in name and not identify.tags_from_filename(name)


def _best(tags: set[str]) -> str | None:
    """Choose one of several: a `.h` is C and C++, a `.mm` Objective-C++ and C++."""
    names = sorted({LANGUAGES[tag] for tag in tags if tag in LANGUAGES})
    for special in ("Objective-C++", "C++"):
        if special in names:
            return special
    return names[0] if names else None
