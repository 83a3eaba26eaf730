"""How fast is the data step? `python -m tests.bench.data_step [--mb 100] [--naive]`.

The code is the standard library over and over, each time with other names, so that no copy is like
another. Printed: megabytes a second of each step alone, of all of them in one stream, the time to
the first hundred files, the memory at its peak; and with --naive the same work by plain loops.
"""

from __future__ import annotations

import argparse
import itertools
import keyword
import re
import shutil
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from codetune_ui.core.clean import TextRules
from codetune_ui.core.config import Config
from codetune_ui.core.dedup import SeenTexts
from codetune_ui.core.document import Document, Dropped
from codetune_ui.core.leak import leak
from codetune_ui.core.near import NearIndex
from codetune_ui.core.pipeline import collect
from codetune_ui.core.secret_rules import RULES, find_own
from codetune_ui.core.secrets import find_secrets
from codetune_ui.core.source import read_source
from codetune_ui.core.split import split_documents

WORD = re.compile(r"[A-Za-z_]{3,}")
KEPT = {*keyword.kwlist, "self", "password", "token", "secret", "key", "auth", "pwd"}
MB = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--naive", action="store_true")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="data_step_"))
    try:
        size = make_code(folder, args.mb * MB)
        print(f"{size / MB:.1f} MB in {sum(1 for p in folder.rglob('*') if p.is_file()):,} files")
        whole(folder, size)
        documents = steps(folder, size)
        if args.naive:
            naive(documents, folder, size)
    finally:
        shutil.rmtree(folder)


def make_code(folder: Path, wanted: int) -> int:
    """Write code until there is enough; return its bytes."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [p for p in sorted(library.rglob("*.py")) if "site-packages" not in p.parts]
    written = 0
    for copy in itertools.count():
        for number, file in enumerate(files):
            text = renamed(file.read_text("utf-8", "replace"), copy)
            place = folder / f"copy{copy}" / f"part{number // 40}" / f"{number}_{file.name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            written += place.write_text(text, encoding="utf-8")
            if written >= wanted:
                return written
    raise AssertionError


def renamed(text: str, copy: int) -> str:
    ending = "".join("qxzjkvwy"[int(digit)] for digit in f"{copy:o}")
    return WORD.sub(lambda w: w[0] if w[0] in KEPT else w[0] + ending, text)


def whole(folder: Path, size: int) -> None:
    """The step as it runs: one stream from the folder to kept and dropped, then the split."""
    config = Config(source=str(folder))
    documents: list[Document] = []
    reasons: Counter[str] = Counter()
    start = time.perf_counter()
    for number, item in enumerate(collect(read_source(config, demo_code=folder), config)):
        if number == 99:
            print(f"first 100 files after {time.perf_counter() - start:.2f} s")
        if isinstance(item, Dropped):
            reasons[str(item.reason)] += 1
        else:
            documents.append(item)
    told("all in one stream", size, start)
    print(f"kept {len(documents):,}, dropped {dict(reasons)}, peak memory {peak_mb():.0f} MB")
    start = time.perf_counter()
    found = leak(*split_documents(documents, config))
    told(f"split and leak check ({found.share:.1%})", size, start)


def steps(folder: Path, size: int) -> list[Document]:
    """Each step alone."""
    config = Config(source=str(folder))
    start = time.perf_counter()
    items = list(read_source(config, demo_code=folder))
    told("read and decode", size, start)
    documents = [item for item in items if isinstance(item, Document)]
    rules, seen, near = TextRules("", ""), SeenTexts(), NearIndex(config.near_duplicates)
    find_secrets([""])
    timed("clean", size, lambda: [rules.reason(d, forced=False) for d in documents])
    timed("own rules", size, lambda: [find_own(d.text.encode()) for d in documents])
    timed("scanner and own rules", size, lambda: find_secrets([d.text for d in documents]))
    timed("exact copies", size, lambda: [seen.first_path(d.text, d.path) for d in documents])
    timed("near-copies", size, lambda: [near.first_like(d.text, d.path) for d in documents])
    return documents


def naive(documents: list[Document], folder: Path, size: int) -> None:
    """The same by plain loops on a sample, and what `datasets` takes to read alone."""
    sample = documents[::50]
    share = sum(len(d.text) for d in sample) / sum(len(d.text) for d in documents)
    start = time.perf_counter()
    for document in sample:
        data = document.text.encode()
        for rule in RULES:
            list(rule.pattern.finditer(data))
    seconds = (time.perf_counter() - start) / share
    print(f"naive: every rule over every file {seconds:.0f} s (from {len(sample)} files)")
    sets = [runs(d.text) for d in sample[:150]]
    start = time.perf_counter()
    for one, other in itertools.combinations(sets, 2):
        len(one & other) / max(1, len(one | other))
    pairs = len(sets) * (len(sets) - 1) / 2
    each = (time.perf_counter() - start) / pairs
    all_pairs = len(documents) * (len(documents) - 1) / 2
    print(f"naive: all pairs' Jaccard {each * all_pairs / 3600:.1f} h (from {pairs:,.0f} pairs)")
    datasets_streaming(folder, size)


def runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def datasets_streaming(folder: Path, size: int) -> None:
    from datasets import load_dataset

    files = sorted(map(str, folder.rglob("*.py")))
    start = time.perf_counter()
    rows: Iterator[object] = load_dataset(
        "text", data_files=files, split="train", streaming=True, sample_by="document"
    )
    count = sum(1 for _ in rows)
    told(f"datasets streaming, reading alone ({count:,} rows)", size, start)


def timed(name: str, size: int, work: Callable[[], object]) -> None:
    start = time.perf_counter()
    work()
    told(name, size, start)


def told(name: str, size: int, start: float) -> None:
    seconds = time.perf_counter() - start
    print(f"{name}: {seconds:.2f} s, {size / MB / seconds:.1f} MB/s", flush=True)


def peak_mb() -> float:
    if sys.platform == "win32":
        return float("nan")
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (MB if sys.platform == "darwin" else 1000)


if __name__ == "__main__":
    main()
