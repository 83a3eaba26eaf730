"""Measure a model on files it has not seen: likelihoods while training, infilling at the end."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from corpus import STDLIB, Document
from tokenizers import Tokenizer
from windows import (
    EOT,
    MIDDLE,
    PAD,
    PREFIX,
    SUFFIX,
    Batch,
    Order,
    choose_hole,
    lay_out,
    pack,
)

HoleKind = Literal["whole line", "rest of line"]
ORDERS: tuple[Order, ...] = ("psm", "spm", "ltr")
CONTEXT_CHARS = (1600, 800)  # before and after the hole
MAX_ANSWER_TOKENS = 48


@dataclass(frozen=True)
class Hole:
    """One line to be guessed, with what stands around it."""

    kind: HoleKind
    source: str
    prefix: str
    middle: str
    suffix: str


@dataclass(frozen=True)
class Answer:
    """What a model wrote into a hole."""

    hole: Hole
    order: Order
    text: str

    @property
    def is_exact(self) -> bool:
        """Whether it is the original text, to the letter (left to right, but for the indent)."""
        if self.order == "ltr":
            return self.text.lstrip() == self.hole.middle.lstrip()
        return self.text == self.hole.middle


def choose_line_holes(documents: Sequence[Document], count: int, seed: int) -> list[Hole]:
    """Choose `count` holes of each kind, half from the standard library, spread over the files."""
    rng = random.Random(seed)
    held_out = [document for document in documents if document.held_out]
    groups = [
        [document for document in held_out if document.source == STDLIB],
        [document for document in held_out if document.source != STDLIB],
    ]
    kinds: tuple[HoleKind, ...] = ("whole line", "rest of line")
    holes: list[Hole] = []
    for group in groups:
        files = sorted(group, key=lambda document: document.key)
        rng.shuffle(files)
        for kind in kinds:
            chosen = [files[number % len(files)] for number in range(count // 2)]
            holes += [cut_line(document, kind, rng) for document in chosen]
    return holes


def cut_line(document: Document, kind: HoleKind, rng: random.Random) -> Hole:
    """Hide a line of at least five letters after its indentation, or the rest of one."""
    text = document.text
    while True:
        point = rng.randrange(len(text))
        start = text.rfind("\n", 0, point) + 1
        end = text.find("\n", point)
        line = text[start:end] if end > 0 else ""
        if len(line.strip()) >= 5 and start > 0:
            break
    start += len(line) - len(line.lstrip())
    if kind == "rest of line":
        start = rng.randrange(start, end - 1)
    before, after = CONTEXT_CHARS
    return Hole(
        kind,
        document.source,
        text[max(0, start - before) : start],
        text[start:end],
        text[end : end + after],
    )


def prompt_ids(hole: Hole, order: Order, tokenizer: Tokenizer) -> list[int]:
    """Return what the model reads before it answers."""
    prefix = tokenizer.encode(hole.prefix, add_special_tokens=False).ids
    suffix = tokenizer.encode(hole.suffix, add_special_tokens=False).ids
    if order == "psm":
        return [PREFIX, *prefix, SUFFIX, *suffix, MIDDLE]
    if order == "spm":
        return [PREFIX, SUFFIX, *suffix, MIDDLE, *prefix]
    # Left to right, a model writes the indentation itself, as part of the line's first tokens.
    return tokenizer.encode(hole.prefix.rstrip(" \t"), add_special_tokens=False).ids


@torch.inference_mode()
def answer_holes(
    model: Any, tokenizer: Tokenizer, holes: Sequence[Hole], order: Order, rows: int = 200
) -> list[Answer]:
    """Fill holes greedily; left to right, the answer ends with the line."""
    answers = []
    ranked = sorted(holes, key=lambda hole: len(hole.prefix) + len(hole.suffix))
    for first in range(0, len(ranked), rows):
        part = ranked[first : first + rows]
        prompts = [prompt_ids(hole, order, tokenizer) for hole in part]
        width = max(map(len, prompts))
        ids = torch.tensor([[PAD] * (width - len(p)) + p for p in prompts], device=model.device)
        written = model.generate(
            ids,
            attention_mask=(ids != PAD).long(),
            max_new_tokens=MAX_ANSWER_TOKENS,
            do_sample=False,
            pad_token_id=PAD,
            eos_token_id=EOT,
        )
        for hole, row in zip(part, written[:, width:].tolist(), strict=True):
            kept = row[: row.index(EOT)] if EOT in row else row
            text = tokenizer.decode(kept, skip_special_tokens=False)
            answers.append(Answer(hole, order, text.split("\n")[0] if order == "ltr" else text))
    return answers


def score(model: Any, tokenizer: Tokenizer, holes: Sequence[Hole]) -> dict[str, Any]:
    """Return exact matches by order and kind, by order and origin, and some answers to look at."""
    table: dict[str, dict[str, float]] = {}
    samples = []
    for order in ORDERS:
        answers = answer_holes(model, tokenizer, holes, order)
        groups = {
            "whole line": [a for a in answers if a.hole.kind == "whole line"],
            "rest of line": [a for a in answers if a.hole.kind == "rest of line"],
            "standard library": [a for a in answers if a.hole.source == STDLIB],
            "other packages": [a for a in answers if a.hole.source != STDLIB],
            "all": answers,
        }
        table[order] = {
            name: round(100 * sum(a.is_exact for a in group) / len(group), 1)
            for name, group in groups.items()
        }
        if order != "ltr":
            first_lines = sum(a.text.split("\n")[0] == a.hole.middle for a in answers)
            table[order]["all, first line"] = round(100 * first_lines / len(answers), 1)
        samples += [
            {
                "order": order,
                "before": answer.hole.prefix[-160:],
                "expected": answer.hole.middle,
                "written": answer.text,
                "after": answer.hole.suffix[:80],
            }
            for answer in answers[:: max(1, len(answers) // 12)]
        ]
    return {"holes": len(holes), "exact_match_percent": table, "samples": samples}


class Probe:
    """Likelihoods on held-out windows: the same holes in every order, and plain text."""

    def __init__(self, texts: Sequence[str], tokenizer: Tokenizer, size: int, seed: int) -> None:
        rng = random.Random(seed)
        orders: dict[Order, list[list[tuple[list[int], int]]]] = {order: [] for order in ORDERS}
        budget = size
        while budget > 2000:
            text = rng.choice(texts)
            start = rng.randrange(max(1, len(text) - 1500))
            window = text[start : start + 1500]
            cut = choose_hole(window, rng)
            middle = window[cut[0] : cut[1]]
            pieces = [window[: cut[0]], middle, window[cut[1] :]]
            ids = [e.ids for e in tokenizer.encode_batch_fast(pieces, add_special_tokens=False)]
            if not middle or not ids[0] or len(ids[1]) > 400:
                continue
            for order in ORDERS:
                orders[order].append(lay_out(order, *ids))
            budget -= sum(map(len, ids)) + 4
        self.batches: dict[Order, Batch] = {order: pack(orders[order], size) for order in ORDERS}
        texts_ids = tokenizer.encode_batch_fast(
            [text[: 3 * 1024] for text in texts], add_special_tokens=False
        )
        rows = [[(e.ids[:1024], 1)] for e in texts_ids]
        self.plain = pack(rows, size)
        decoded = tokenizer.decode(self.plain.tokens[self.plain.kinds > 0].tolist())
        self.plain_bytes = len(decoded.encode())

    def measure(self, losses: Any) -> dict[str, float]:
        """Return nats per first middle token and per middle token, and bits per byte of text."""
        result: dict[str, float] = {}
        for order, batch in self.batches.items():
            nats, kinds = losses(batch)
            result[f"{order}_first"] = round(nats[kinds == 3].mean().item(), 3)
            result[f"{order}_middle"] = round(nats[kinds >= 2].mean().item(), 3)
        nats, kinds = losses(self.plain)
        result["held_out_loss"] = round(nats[kinds > 0].mean().item(), 4)
        total = nats[kinds > 0].sum().item()
        result["bits_per_byte"] = round(total / math.log(2) / self.plain_bytes, 4)
        return result
