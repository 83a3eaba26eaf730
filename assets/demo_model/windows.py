"""Turn documents into packed training batches, with fresh windows and holes on every pass.

A document is cut into windows of spread lengths. Half of them stay left to right, the others get
one hole, cut at characters. Whole windows are laid end to end in one stream of fixed length;
attention never crosses from one to the next.
"""

import math
import multiprocessing
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

Order = Literal["psm", "spm", "ltr"]
Piece = tuple[list[int], int]

# StarCoder's special tokens, each at StarCoder's id.
SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<empty_output>",
    "<commit_before>",
    "<commit_msg>",
    "<commit_after>",
    "<reponame>",
]
EOT, PREFIX, MIDDLE, SUFFIX, PAD = range(5)

# What a token is as a target. Where a sentinel or a new window comes is luck, so it is not learnt.
SKIPPED, PLAIN, IN_MIDDLE, STARTS_MIDDLE = range(4)

FIM_RATE = 0.5
PSM_SHARE = 0.6  # the harder of the two orders gets a little more
MAX_WINDOW_TOKENS = 2048
# Sizes the list of boundaries; every unused one costs the attention kernel a little.
MIN_MEAN_WINDOW = 128
SHORT_BATCHES = 600
OPEN_FILES = 256


@dataclass(frozen=True)
class Batch:
    """One stream of whole windows.

    tokens   3 7 7 9 | 1 5 3 6 2 8 0 | 4 4     what the model reads
    kinds    0 1 1 1 | 0 1 0 1 0 3 2 | 0 0     what each one is as a target
    bounds   0         4               11 13   where windows begin, then the end, repeated
    """

    tokens: NDArray[np.uint16]
    kinds: NDArray[np.uint8]
    bounds: NDArray[np.int32]

    def positions(self) -> NDArray[np.int64]:
        """Count from zero inside every window."""
        starts = np.repeat(self.bounds[:-1], np.diff(self.bounds))
        return np.arange(len(self.tokens)) - starts


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Train a byte-level BPE with StarCoder's pre-tokenizer and special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[AddedToken(t, normalized=False, special=True) for t in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def choose_hole(text: str, rng: random.Random) -> tuple[int, int]:
    """Choose what to hide: any span, a line or the rest of one, a block of lines, a few letters."""
    kind = rng.random()
    if kind < 0.35:
        start, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        return start, end
    point = rng.randrange(len(text))
    start = text.rfind("\n", 0, point) + 1
    end = text.find("\n", point)
    end = len(text) if end < 0 else end
    if kind < 0.70:
        indent = len(text[start:end]) - len(text[start:end].lstrip())
        return (point if rng.random() < 0.5 else start + indent), end
    if kind < 0.85:
        for _ in range(rng.randrange(8)):
            following = text.find("\n", end + 1)
            end = following if following > 0 else end
        return start, end
    return point, min(len(text), point + round(math.exp(rng.uniform(0, math.log(80)))))


def lay_out(order: Order, prefix: list[int], middle: list[int], suffix: list[int]) -> list[Piece]:
    """Lay a hole out in one of the orders, each piece with its kind as a target.

    psm   <fim_prefix> P <fim_suffix> S <fim_middle> M <|endoftext|>
    spm   <fim_prefix> <fim_suffix> S <fim_middle> P M <|endoftext|>
    ltr   P M
    """
    hidden = [(middle[:2], STARTS_MIDDLE), (middle[2:], IN_MIDDLE)]
    if not middle:
        hidden = []
    if order == "ltr":
        return [(prefix, PLAIN), *hidden]
    hidden.append(([EOT], IN_MIDDLE if middle else STARTS_MIDDLE))
    if order == "psm":
        head = [([PREFIX], SKIPPED), (prefix, PLAIN), ([SUFFIX], SKIPPED), (suffix, PLAIN)]
        return [*head, ([MIDDLE], SKIPPED), *hidden]
    head = [([PREFIX, SUFFIX], SKIPPED), (suffix, PLAIN), ([MIDDLE], SKIPPED)]
    return [*head, (prefix, PLAIN), *hidden]


def trim(prefix: list[int], middle: list[int], suffix: list[int]) -> tuple[list[int], list[int]]:
    """Drop the far ends of prefix and suffix, 3:1, so that a hole fits in one window."""
    over = len(prefix) + len(middle) + len(suffix) + 4 - MAX_WINDOW_TOKENS
    if over <= 0:
        return prefix, suffix
    from_suffix = min(len(suffix), max(over // 4, over - len(prefix)))
    return prefix[max(0, over - from_suffix) :], suffix[: len(suffix) - from_suffix]


def draw_lengths(batch_number: int, rng: random.Random) -> int:
    """Draw a window's length in characters; short ones first, which teach the holes soonest."""
    if batch_number < SHORT_BATCHES:
        low, high = 200, 1500
    elif rng.random() < 0.1:
        low, high = 3600, 6800
    else:
        low, high = 200, 3600
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))


class WindowStream:
    """Endless windows from one share of the documents, many files interleaved."""

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        self.texts = texts
        self.rng = random.Random(seed)
        self.batch_number = 0
        self.queue: list[int] = []
        self.open: list[list[int]] = []  # [which text, how far it has been read]

    def next(self) -> tuple[str, bool]:
        """Return a window and whether it ends its file."""
        while len(self.open) < min(OPEN_FILES, len(self.texts)):
            if not self.queue:
                self.queue = self.rng.sample(range(len(self.texts)), len(self.texts))
            self.open.append([self.queue.pop(), 0])
        slot = self.rng.randrange(len(self.open))
        which, start = self.open[slot]
        text = self.texts[which]
        limit = start + draw_lengths(self.batch_number, self.rng)
        # Windows end with a line, unless the line alone is longer than the window.
        end = len(text) if limit >= len(text) else text.rfind("\n", start, limit) + 1 or limit
        self.open[slot][1] = end
        if end == len(text):
            self.open[slot] = self.open[-1]
            self.open.pop()
        return text[start:end], end == len(text)


def encode_windows(
    windows: Sequence[tuple[str, bool]], tokenizer: Tokenizer, rng: random.Random
) -> list[list[Piece]]:
    """Encode windows, half of them with a hole; prefix, middle and suffix are encoded apart."""
    orders: list[Order] = []
    texts: list[str] = []
    for text, _ in windows:
        if rng.random() >= FIM_RATE:
            orders.append("ltr")
            texts.append(text)
            continue
        orders.append("psm" if rng.random() < PSM_SHARE else "spm")
        start, end = choose_hole(text, rng)
        texts += [text[:start], text[start:end], text[end:]]
    encoded = iter(tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    rows = []
    for order, (_, ends_file) in zip(orders, windows, strict=True):
        first = next(encoded).ids
        if order == "ltr":
            row = [(first[:MAX_WINDOW_TOKENS], PLAIN)]
            if ends_file and len(first) < MAX_WINDOW_TOKENS:
                row.append(([EOT], PLAIN))
        else:
            middle = next(encoded).ids[: MAX_WINDOW_TOKENS - 4]
            prefix, suffix = trim(first, middle, next(encoded).ids)
            row = lay_out(order, prefix, middle, suffix)
        rows.append(row)
    return rows


def pack(rows: list[list[Piece]], size: int) -> Batch:
    """Lay rows end to end until one does not fit; take from `rows` what was used."""
    tokens = np.full(size, PAD, dtype=np.uint16)
    kinds = np.full(size, SKIPPED, dtype=np.uint8)
    bounds = np.full(size // MIN_MEAN_WINDOW + 2, size, dtype=np.int32)
    used = count = 0
    while rows and count < len(bounds) - 2:
        length = sum(len(piece) for piece, _ in rows[-1])
        if used + length > size:
            break
        bounds[count] = start = used
        for piece, kind in rows.pop():
            tokens[used : used + len(piece)] = piece
            kinds[used : used + len(piece)] = kind
            used += len(piece)
        kinds[start : start + 1] = SKIPPED
        count += 1
    bounds[count] = used  # the padding is a window too, read by nobody
    return Batch(tokens, kinds, bounds)


def produce(
    texts: Sequence[str], tokenizer_json: str, size: int, seed: int, stride: int
) -> Iterator[Batch]:
    """Make batches for ever; `stride` is how many of the run's batches pass for each one here."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True  # "<fim_middle>" in a source file is plain text
    stream = WindowStream(texts, seed)
    rows: list[list[Piece]] = []
    while True:
        while sum(len(piece) for row in rows for piece, _ in row) < size:
            rows += encode_windows([stream.next() for _ in range(64)], tokenizer, stream.rng)
        stream.rng.shuffle(rows)
        yield pack(rows, size)
        stream.batch_number += stride


class Feed:
    """Batches made by other processes; the same seed gives the same batches in the same order."""

    def __init__(self, texts: Sequence[str], tokenizer: Tokenizer, size: int, seed: int) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each process here is one of many already
        # Forked, so that the texts are shared and not copied; start a feed before using the GPU.
        context: Any = multiprocessing.get_context("fork")
        self.workers = max(1, min(10, (os.cpu_count() or 2) - 2))
        self.queues = [context.Queue(maxsize=4) for _ in range(self.workers)]
        self.processes: list[Any] = []
        for worker, queue in enumerate(self.queues):
            share = texts[worker :: self.workers]
            batches = produce(
                share, tokenizer.to_str(), size, seed * 1000 + worker, stride=self.workers
            )
            process = context.Process(target=self._fill, args=(queue, batches), daemon=True)
            process.start()
            self.processes.append(process)
        self.served = 0

    @staticmethod
    def _fill(queue: Any, batches: Iterator[Batch]) -> None:
        for batch in batches:
            queue.put(batch)

    def next(self) -> Batch:
        """Wait for the next batch."""
        batch: Batch = self.queues[self.served % self.workers].get()
        self.served += 1
        return batch

    def close(self) -> None:
        """End the processes; they would go on for ever."""
        for process in self.processes:
            process.kill()
