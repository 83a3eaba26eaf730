"""Keep a file or drop it, each drop with a named reason; thresholds from The Stack v1 and v2.

Sources: bigcode-dataset (line lengths, share of letters), StarCoder2's paper (arXiv 2402.19173:
markers of generated code in the first lines), linguist's generated.rb and vendor.yml (names).
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from pathspec import GitIgnoreSpec

from codetune_ui.core.document import Document, DropReason
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.ignore import read_patterns
from codetune_ui.core.languages import EXTENSIONS, LANGUAGES
from codetune_ui.core.licence import chosen_licences, declared, is_allowed
from codetune_ui.core.setting import check_names
from codetune_ui.core.shape import encoded_share, is_minified, letter_share, says_generated

MOST_BYTES = 1_000_000
FORCED_MOST_BYTES = 10_000_000  # a person who wants a file may have a longer one, not any
STANDS = frozenset(  # what "Always these files" cannot overrule: there is no text, or no place
    {
        DropReason.BINARY,
        DropReason.EMPTY,
        DropReason.TOO_LARGE,  # beyond `FORCED_MOST_BYTES`
        DropReason.UNDECODABLE,
        DropReason.UNREADABLE,
        DropReason.LINK,
        DropReason.OUTSIDE,
        DropReason.NOT_TEXT,
        DropReason.SECRETS,  # the policy is a setting of its own
    }
)
MOST_ENCODED = 0.5  # share of a file; StarCoder2 has the same
LONGEST_LINE = 1000
LONGEST_MEAN_LINE = 100
FEWEST_LETTERS = 0.25  # of what is not blank, so that deep indentation is no data

LOCK_FILES = re.compile(
    r"(Cargo|poetry|pdm|Pipfile|composer|Gopkg|uv|Gemfile|yarn|flake)\.lock|go\.sum"
    r"|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml"
)
GENERATED_ENDINGS = (
    ".min.js",
    ".min.css",
    "_pb2.py",
    "_pb2_grpc.py",
    ".pb.go",
    ".pb.cc",
    ".pb.h",
    ".designer.cs",
    ".g.dart",
)
VENDORED_FOLDERS = re.compile(
    r"node_modules|bower_components|third[_-]party|vendors?|dist|site-packages"
    r"|Pods|Godeps|\.venv|\.tox|\.eggs"
)
PRIVATE_NAMES = re.compile(
    r"(\.env(\..*)?|.*\.env|.*\.(pem|key|p12|pfx|jks|keystore|tfstate)|id_(rsa|dsa|ecdsa|ed25519).*"
    r"|\.npmrc|\.pypirc|\.netrc|_netrc|\.htpasswd|.*\.tfvars"
    # a secrets.py is code: what it holds is looked at, and redacted
    r"|(secrets?|credentials?)(\.(json|ya?ml|toml|ini|cfg|conf|txt|xml|csv|properties|enc))?)",
    re.IGNORECASE,
)


class NameRules:
    """What a path alone decides: the person's own patterns first, then the rules above.

    "Always these files" goes before everything else: a forced file passes every rule but those in
    `STANDS`, here, in the ignore files and in `collect`.
    """

    def __init__(self, include: str, exclude: str, force_in: str = "") -> None:
        self._include = _typed(include, "include")
        self._exclude = _typed(exclude, "exclude")
        self._force = _typed(force_in, "force_in")

    def forces(self, path: str) -> bool:
        """Return whether the person wants this file whatever the rules say.

        >>> rules = NameRules("", "", "dist/app.js")
        >>> rules.forces("dist/app.js"), rules.forces("dist/b.js"), rules.reason("dist/app.js")
        (True, False, None)
        """
        return self._force is not None and self._force.match_file(path)

    @property
    def forces_some(self) -> bool:
        """Whether there is any such pattern: only then must left-out folders be entered."""
        return self._force is not None

    def most_bytes(self, path: str) -> int:
        """Return how large this file may be."""
        return FORCED_MOST_BYTES if self.forces(path) else MOST_BYTES

    def reason(self, path: str, pardoned: frozenset[DropReason] = frozenset()) -> DropReason | None:
        """Return why a path is left out before it is opened, None when it is wanted.

        `pardoned` are the rules by name that the tree's .gitattributes lifts.
        """
        if self.forces(path):
            return None
        if (reason := reason_by_name(path)) and reason not in pardoned:
            return reason
        if self._include is not None and not self._include.match_file(path):
            return DropReason.NOT_INCLUDED
        if self._exclude is not None and self._exclude.match_file(path):
            return DropReason.EXCLUDED
        return None


@lru_cache(maxsize=8)
def name_rules(include: str, exclude: str, force_in: str = "") -> NameRules:
    """Return the rules for these settings; a stream of rows asks for them a million times."""
    return NameRules(include, exclude, force_in)


def _typed(text: str, field: str) -> GitIgnoreSpec | None:
    lines = [part.strip() for part in text.split(",") if part.strip()]
    spec, bad = read_patterns(lines)
    if bad:
        raise ConfigError(
            f"'{bad[0]}' is no pattern.", "Write them as in .gitignore: *.py, src/.", field=field
        )
    return spec if lines else None


def reason_by_name(path: str) -> DropReason | None:
    """Return why a file is dropped for its path alone, before it is opened.

    >>> reason_by_name("web/node_modules/a/index.js").value
    'vendored'
    """
    folder, _, name = path.rpartition("/")
    if _is_vendored(folder):
        return DropReason.VENDORED
    if PRIVATE_NAMES.fullmatch(name):
        return DropReason.PRIVATE
    if LOCK_FILES.fullmatch(name) or name.lower().endswith(GENERATED_ENDINGS):
        return DropReason.GENERATED
    return None


@lru_cache(maxsize=1024)
def _is_vendored(folder: str) -> bool:
    return any(map(VENDORED_FOLDERS.fullmatch, folder.split("/")))


def decode(data: bytes, most_bytes: int = MOST_BYTES) -> str | DropReason:
    """Return a file's text with line ends as \\n and no byte order mark, or why it has none.

    UTF-8, and UTF-16 where a byte order mark says so. Other encodings are not guessed: a wrong
    guess would teach the model broken letters.

    >>> decode(b"\\xef\\xbb\\xbfa = 1\\r\\n")
    'a = 1\\n'
    """
    if len(data) > most_bytes:
        return DropReason.TOO_LARGE
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in data and not wide:
        return DropReason.BINARY
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        return DropReason.UNDECODABLE
    return DropReason.BINARY if "\0" in text else with_plain_line_ends(text)


def with_plain_line_ends(text: str) -> str:
    r"""Return the text with \n for \r\n and for a lone \r.

    >>> with_plain_line_ends("a\r\nb\rc")
    'a\nb\nc'
    """
    return text.replace("\r\n", "\n").replace("\r", "\n")


def reason_by_text(document: Document) -> DropReason | None:
    """Return why a document is dropped for what is in it, None to keep it."""
    text = document.text
    if not text.strip():
        return DropReason.EMPTY
    if len(text) > MOST_BYTES:
        return DropReason.TOO_LARGE
    if encoded_share(text) > MOST_ENCODED:
        return DropReason.BLOBS
    lines = text.split("\n")
    if is_minified(text, lines, document.language):
        return DropReason.MINIFIED
    if max(map(len, lines)) > LONGEST_LINE or len(text) / len(lines) > LONGEST_MEAN_LINE:
        return DropReason.LONG_LINES
    if letter_share(text) < FEWEST_LETTERS:
        return DropReason.FEW_LETTERS
    return DropReason.GENERATED if says_generated(lines) else None


class TextRules:
    """What a text decides, with the person's choice of languages and licences."""

    def __init__(self, languages: str, licences: str) -> None:
        self._languages = chosen_languages(languages)
        self._licences = chosen_licences(licences)

    def reason(self, document: Document, *, forced: bool) -> tuple[DropReason | None, str]:
        """Return why a document is dropped and more about it; None to keep it."""
        reason = reason_by_text(document)
        if forced:
            long = len(document.text) > FORCED_MOST_BYTES
            return (reason if reason == DropReason.EMPTY or long else None), ""
        if reason:
            return reason, ""
        if self._languages and document.language.lower() not in self._languages:
            return DropReason.LANGUAGE, document.language
        licence = declared(document.text) if self._licences else ""
        if licence and not is_allowed(licence, self._licences):
            return DropReason.LICENCE, licence
        return None, ""


def text_rules(languages: str, licences: str) -> TextRules:
    """Return the rules for these settings; `ConfigError` names what is unknown."""
    return TextRules(languages, licences)


def chosen_languages(text: str) -> frozenset[str]:
    """Read the setting: names of languages with commas, in small letters.

    Raises `ConfigError` with the nearest names for one that no file can have.

    >>> sorted(chosen_languages("python, C++"))
    ['c++', 'python']
    """
    return check_names(
        (name.strip().lower() for name in text.split(",") if name.strip()),
        (*LANGUAGES.values(), *EXTENSIONS.values()),
        field="languages",
        noun="language",
        often=("Python", "TypeScript"),
    )
