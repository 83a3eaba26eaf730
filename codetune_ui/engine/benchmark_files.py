"""The file of a published benchmark: the one named, one fetched before, or the official one.

HumanEval-Infilling comes over https from its repository, SAFIM from its dataset on the Hub. What is
fetched lies in HOME/cache/benchmarks with its SHA-256 beside it, whole or not at all.
"""

from __future__ import annotations

import os
import secrets
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from codetune_ui.core.benchmark_sets import SAFIM_HUB, BenchmarkSet
from codetune_ui.core.errors import SourceError
from codetune_ui.engine import durable
from codetune_ui.engine.hub import REACH_S
from codetune_ui.runs.files import replace_text
from codetune_ui.runs.store import Home

MOST_BYTES = 1_000_000_000  # of a download
PIECE = 1 << 20


def find_file(named: str, of: BenchmarkSet, home: Home) -> tuple[Path, str]:
    """Return a set's file and where it is from; `SourceError` when it cannot be had."""
    if named:
        return Path(named), named
    place = home.cache_dir / "benchmarks" / of.file
    if not place.is_file():
        _fetch(of, place)
    return place, of.address


def _fetch(of: BenchmarkSet, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = place.with_name(f".{secrets.token_hex(4)}-{place.name}")
    try:
        if of.humaneval:
            download(of.address, scratch)
        else:
            _from_the_hub(of.file, scratch)
        written = f"{durable.sha256(scratch)}  {place.name}\n"
        replace_text(place.with_name(f"{place.name}.sha256"), written)
        scratch.replace(place)
    except (OSError, ValueError, RuntimeError) as error:
        if getattr(error, "errno", None) == 28:
            raise SourceError(
                "The disk is too full for the benchmark.", "Free some space."
            ) from error
        raise SourceError(
            f"The file of {of.name} is not on this machine, and its place cannot be reached.",
            f"Download {of.address} where there is a network, and give it with --file.",
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def download(address: str, goal: Path) -> None:
    """Fetch an address into a file; `OSError` when it cannot be, `ValueError` when too large."""
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        raise OSError("offline, as HF_HUB_OFFLINE says")
    with urllib.request.urlopen(address, timeout=REACH_S) as answer, goal.open("wb") as file:
        total = 0
        while piece := answer.read(PIECE):
            total += len(piece)
            if total > MOST_BYTES:
                raise ValueError("the answer is too large")
            file.write(piece)
        wanted = answer.headers.get("Content-Length")
        if wanted is not None and int(wanted) != total:
            raise OSError("the answer broke off")


def _from_the_hub(name: str, goal: Path) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        found = hf_hub_download(SAFIM_HUB, name, repo_type="dataset", etag_timeout=REACH_S)
    except HTTPError as error:
        raise OSError(str(error)) from error
    shutil.copyfile(found, goal)
