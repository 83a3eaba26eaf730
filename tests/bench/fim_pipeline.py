"""Our data pipeline beside the guide's `ConstantLengthDataset`: same text, tokenizer and machine.

python -m tests.bench.fim_pipeline --tokenizer FOLDER --family starcoder [--data FOLDER_OF_CODE]

Each side runs in a process of its own. The guide's is written anew from its sections 1.3 and 1.4,
with the ids that its `get_fim_token_ids` means to find (on today's transformers it finds none, and
trains without FIM). Then our way against nothing but the tokenizer, in one process, in rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.core.fim import has_whole_prompt
from codetune_ui.core.languages import language_of
from codetune_ui.core.pack import fill_ratio, to_words
from codetune_ui.core.recipe import Recipe, examples_of, rows
from codetune_ui.core.tokens import CodeTokenizer, chars_per_token

ROUNDS = 5


def read_code(folder: Path) -> list[Document]:
    """Return every .py file of a folder, sorted; files that are not UTF-8 are left out."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        if any(name in path.parts for name in ("site-packages", "__pycache__")):
            continue
        try:
            text = path.read_text("utf-8")
        except ValueError:
            continue
        name = path.relative_to(folder).as_posix()
        found.append(Document(text, name, language_of(name) or "", path.parent.name))
    return found


# --- the guide's side


class Guide:
    """What `ConstantLengthDataset` yields, with a note of where each hole came to lie."""

    def __init__(self, tokenizer: Any, format: FimFormat, asked: argparse.Namespace) -> None:
        self.tokenizer, self.format, self.asked = tokenizer, format, asked
        self.holes: list[tuple[int, int, int, int]] = []  # start, middle, end, buffer
        self.dropped = 0

    def __iter__(self) -> Iterator[list[int]]:
        return chain.from_iterable(self._buffers(read_code(Path(self.asked.data))))

    def _buffers(self, documents: list[Document]) -> Iterator[list[list[int]]]:
        length, luck = self.asked.max_seq_len, np.random.RandomState(seed=0)
        most = length * self.asked.chars_per_token * 1024
        texts = iter([document.text for document in documents])
        more, number = True, 0
        while more:
            buffer: list[str] = []
            size = 0.0
            while size < most:
                text = next(texts, None)
                if text is None:
                    more = False
                    break
                buffer.append(text)
                size += len(text)
            yield self._rows(buffer, luck, number)
            number += 1

    def _rows(self, buffer: list[str], luck: np.random.RandomState, number: int) -> list[list[int]]:
        if not buffer:  # the guide's own tokenizer call fails here
            return []
        length = self.asked.max_seq_len
        everything: list[int] = []
        for sample in self.tokenizer(buffer, truncation=False)["input_ids"]:
            told, middle = self._permute(sample, luck)
            if middle is not None:
                start = len(everything)
                self.holes.append((start, start + middle, start + len(told), number))
            everything.extend([*told, self.format.eot_id])
        found = [everything[i : i + length] for i in range(0, len(everything), length)]
        if found and len(found[-1]) < length:
            self.dropped += len(found.pop())
        random.shuffle(found)
        return found

    def _permute(
        self, sample: list[int], luck: np.random.RandomState
    ) -> tuple[list[int], int | None]:
        """Return the permuted sample and where in it the middle begins."""
        if not luck.binomial(1, 0.5):
            return sample, None
        cuts = list(luck.randint(low=0, high=len(sample) + 1, size=2))
        cuts.sort()
        prefix = np.array(sample[: cuts[0]], dtype=np.int64)
        middle = np.array(sample[cuts[0] : cuts[1]], dtype=np.int64)
        suffix = np.array(sample[cuts[1] :], dtype=np.int64)
        pre, suf, mid = self.format.prefix_id, self.format.suffix_id, self.format.middle_id
        if luck.binomial(1, 0.5):
            parts = [[pre, suf], suffix, [mid], prefix, middle]
        else:
            parts = [[pre], prefix, [suf], suffix, [mid], middle]
        told = list(np.concatenate(parts))  # type: ignore[arg-type]
        return told, len(told) - len(middle)


def guide_side(asked: argparse.Namespace) -> dict[str, float]:
    """Run the guide's pipeline once."""
    import torch
    from transformers import PreTrainedTokenizerFast

    folder = Path(asked.tokenizer)
    fast = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    format = recipe_of(asked).format
    assert format is not None
    guide, memory = Guide(fast, format, asked), Memory()
    start, count = time.perf_counter(), 0
    for ids in guide:
        count += len(torch.LongTensor(ids))
        torch.LongTensor(ids)  # labels
    seconds, peak = time.perf_counter() - start, memory.peak()
    whole, seen, middles = 0, 0, 0
    for first, middle, end, _ in guide.holes:
        row = asked.max_seq_len
        whole += first // row == (end - 1) // row
        middles += end - middle
        seen += max(0, min(end, (first // row + 1) * row) - middle)
    return {
        "tokens": count,
        "seconds": seconds,
        "whole": whole / max(len(guide.holes), 1),
        "seen": seen / max(middles, 1),
        "dropped": guide.dropped,
        "memory": peak,
    }


# --- ours


def recipe_of(asked: argparse.Namespace) -> Recipe:
    """Return the guide's settings in our words."""
    folder = Path(asked.tokenizer)
    tokenizer = CodeTokenizer.from_folder(folder)
    config = Config(
        family=asked.family, span=asked.span, max_seq_len=asked.max_seq_len, fit=asked.fit
    )
    return Recipe.from_config(config, tokenizer, find_format(tokenizer, folder, config))


def our_side(asked: argparse.Namespace) -> dict[str, float]:
    """Run our pipeline once; the shares are counted in a second pass, out of the measured time."""
    recipe = recipe_of(asked)
    memory, start = Memory(), time.perf_counter()
    documents = read_code(Path(asked.data))
    count = filled = 0
    for row in rows(documents, recipe, 0):
        filled += round(fill_ratio(row) * len(to_words(row)))
        count += len(row.ids)
    seconds, peak = time.perf_counter() - start, memory.peak()
    told = list(examples_of(documents, recipe, 0))
    holes = [example for example in told if example.order]
    middles = sum(example.middle_tokens for example in holes)
    intact = [example for example in holes if has_whole_prompt(example, recipe)]
    return {
        "tokens": filled,
        "seconds": seconds,
        "whole": len(intact) / max(len(holes), 1),
        "seen": sum(example.middle_tokens for example in intact) / max(middles, 1),
        "dropped": sum(len(example.ids) for example in told) - filled,
        "memory": peak,
        "fill": filled / count,
    }


def against_the_tokenizer(asked: argparse.Namespace) -> dict[str, float]:
    """Return seconds of processor time, the best of some rounds: tokenizer alone, and our way."""
    from codetune_ui.core.recipe import _batches

    recipe, documents = recipe_of(asked), read_code(Path(asked.data))
    plain, ours, clock = [], [], []
    for _ in range(asked.rounds):
        start, begin = time.process_time(), time.perf_counter()
        for some in _batches(documents):
            recipe.tokenizer.encode_batch([document.text for document in some])
        plain.append(time.process_time() - start)
        start, middle = time.process_time(), time.perf_counter()
        for row in rows(documents, recipe, 0):
            to_words(row)
        ours.append(time.process_time() - start)
        clock.append((middle - begin) / (time.perf_counter() - middle))
    shares = sorted(a / b for a, b in zip(plain, ours, strict=True))
    return {
        "tokenizer": min(plain),
        "ours": min(ours),
        "share": min(plain) / min(ours),
        "median": shares[len(shares) // 2],
        "clock": sorted(clock)[len(clock) // 2],
        "characters": sum(len(document.text) for document in documents),
    }


class Memory:
    """The most memory that this process held above what it held at first, in MiB."""

    def __init__(self) -> None:
        self._process, self._done = psutil.Process(), threading.Event()
        self._first = self._most = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self._most = max(self._most, self._process.memory_info().rss)

    def peak(self) -> float:
        self._done.set()
        self._thread.join()
        return float(self._most - self._first) / 2**20


SIDES = {"guide": guide_side, "ours": our_side, "tokenizer": against_the_tokenizer}


def run(side: str, asked: argparse.Namespace) -> dict[str, float]:
    """Run one side in a process of its own and return its figures."""
    command = [sys.executable, "-m", "tests.bench.fim_pipeline", "--side", side]
    for name, value in vars(asked).items():
        if name != "side":
            command += [f"--{name.replace('_', '-')}", str(value)]
    threads = {"RAYON_NUM_THREADS": "1"} if side == "tokenizer" else {}
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", **threads}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--family", default="starcoder")
    parser.add_argument("--data", default=sysconfig.get_paths()["stdlib"])
    parser.add_argument("--max-seq-len", type=int, default=2048)
    parser.add_argument("--span", default="characters")
    parser.add_argument("--fit", default="window")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--chars-per-token", type=float, default=0.0)
    parser.add_argument("--side", choices=sorted(SIDES))
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(SIDES[asked.side](asked)))
        return
    sample = [document.text for document in read_code(Path(asked.data))[:400]]
    asked.chars_per_token = chars_per_token(recipe_of(asked).tokenizer, sample)
    for side in ("guide", "ours"):
        found = run(side, asked)
        print(
            f"{side:<6} {found['tokens'] / found['seconds']:>10,.0f} tokens/s"
            f"  whole prompts {found['whole']:.1%} (middle tokens {found['seen']:.1%})"
            f"  dropped {found['dropped']:,}  peak +{found['memory']:,.0f} MiB"
            f"  tokens {found['tokens']:,}"
            + (f"  fill {found['fill']:.4f}" if "fill" in found else "")
        )
    found = run("tokenizer", asked)
    speed = found["characters"] / 1e6
    print(
        f"tokenizer alone {speed / found['tokenizer']:.2f} MB/s, cut + encode + render + pack "
        f"{speed / found['ours']:.2f} MB/s: {found['share']:.0%} of it "
        f"(median of rounds {found['median']:.0%}, by the clock {found['clock']:.0%}), one thread"
    )


if __name__ == "__main__":
    main()
