"""Python that a model brings along: what of it would run, and whether a person has allowed it.

It is allowed by its fingerprint, which stands in a setting: code that has changed since somebody
read it is code that nobody allowed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from codetune_ui.core.errors import ModelError

DIGITS = 16  # of the fingerprint: 64 bits, so that nobody makes a second text for one
RUN_BY = ("AutoConfig", "AutoModel", "AutoModelForCausalLM")  # a tokenizer's code is never needed


@dataclass(frozen=True)
class OwnCode:
    """The Python files in a model's folder, in the order of their names.

    elsewhere: another repository that config.json takes code from, "" for none.
    """

    files: tuple[Path, ...]
    fingerprint: str
    elsewhere: str = ""

    @property
    def names(self) -> str:
        """The files as one says them."""
        return ", ".join(path.name for path in self.files) or "none here"


def own_code(folder: Path) -> OwnCode | None:
    """Return what a model's config.json asks to be run; None when it asks for nothing."""
    named = _named(folder)
    if not named:
        return None
    files = sorted(folder.rglob("*.py"))
    digest = hashlib.sha256()
    for path in files:
        text = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(text)}\0".encode() + text)
    elsewhere = next((name.partition("--")[0] for name in named if "--" in name), "")
    return OwnCode(tuple(files), digest.hexdigest()[:DIGITS], elsewhere)


def _named(folder: Path) -> list[str]:
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        auto_map = values["auto_map"]
        return [str(auto_map[key]) for key in RUN_BY if auto_map.get(key)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def check_allowed(code: OwnCode, allowed: str, model: str) -> None:
    """Raise `ModelError` unless just this code was allowed."""
    if code.elsewhere:
        raise ModelError(
            f"The model '{model}' takes Python from another repository ({code.elsewhere}), which "
            "is never run.",
            "Put those files into the model's folder, or choose another model.",
        )
    if allowed == code.fingerprint:
        return
    what = "has changed since it was allowed" if allowed else "is not run unless you allow it"
    raise ModelError(
        f"The model '{model}' needs Python of its own ({code.names}), which {what}.",
        f"Read it, then put {code.fingerprint} into 'Allow the model's own code' (allow_code).",
    )
