"""Held-out holes, measured between two steps through the model in training; nothing is written.

One pass with the truth given answers two questions: how likely the model finds what stood in the
hole, and whether writing greedily it would write just that. Unlike in an evaluation, holes are not
compared with the training code, which is still being read; the same holes are seen all the time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codetune_ui.core.families import FimFormat
from codetune_ui.core.holes import Hole, cut_holes
from codetune_ui.core.pack import IGNORE_INDEX, Row
from codetune_ui.core.prompt import middle_ids, prompt_ids, stop_ids
from codetune_ui.core.scorecard import budget
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.evaluate import asks_for, held_out
from codetune_ui.engine.fused.loss import looked
from codetune_ui.runs.store import Run

# A row with a known middle to (loss, likeliest token) of each target, in their order.
Look = Callable[[Row], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Item:
    """A hole as the model sees it: the prompt that the server sends, and what comes after it."""

    hole: Hole
    prompt: list[int]
    target: list[int]  # the middle, and the token that ends it
    middle: int  # tokens of it

    @property
    def ids(self) -> list[int]:
        """All of it, in order."""
        return self.prompt + self.target


@dataclass(frozen=True)
class Reading:
    """What one look found: the mean over the holes, and the share that would be written exactly."""

    holes: int
    nll_per_char: float
    exact: float


class Scorecard:
    """Some holes, ready to be measured again and again."""

    def __init__(
        self, items: Sequence[Item], tokenizer: CodeTokenizer, stops: frozenset[int]
    ) -> None:
        self.items = items
        self.vocabulary = tokenizer.vocab_size
        self._tokenizer = tokenizer
        self._stops = stops

    def read(self, look: Look, *, room: int = 0, padded: bool = False) -> Reading:
        """Measure all holes; as many in one row as there is room for in so many tokens.

        padded: every row has that length. room 0: each hole has a row of its own.
        """
        scores: list[float] = []
        exact = 0
        groups = list(_together(self.items, room))
        # All are asked for before the first answer is waited for.
        looks = [look(row_of(items, room if padded else 0)) for items in groups]
        for items, found in zip(groups, looks, strict=True):
            sizes = [len(item.target) for item in items]
            parts = [torch.split(one.cpu(), sizes) for one in found]
            for item, nll, best in zip(items, *parts, strict=True):
                scores.append(float(nll[: item.middle].sum()) / len(item.hole.middle))
                exact += self._is_exact(item, best.tolist())
        # Sorted: the same sum whatever the passes were.
        return Reading(len(scores), float(np.mean(np.sort(scores))), exact / len(scores))

    def give_up(self) -> None:
        """Measure no hole from now on."""
        self.items = ()

    def _is_exact(self, item: Item, likeliest: Sequence[int]) -> bool:
        if list(likeliest[: item.middle]) != item.target[: item.middle]:
            return False
        return all(self._ends(item, token) for token in likeliest[item.middle :])

    def _ends(self, item: Item, token: int) -> bool:
        """Say whether an answer ends here: of a hole in a line also at the line's end."""
        if token in self._stops or item.hole.kind == "block":
            return token in self._stops
        text = self._tokenizer.decode([token], continues=True)
        return text.lstrip(" \t\r").startswith("\n")


def make_scorecard(
    run: Run, tokenizer: CodeTokenizer, format: FimFormat | None, most_prompt: int
) -> Scorecard | None:
    """Cut a run's holes out of its held-out files; None where it is off or there is nothing.

    most_prompt: tokens that the server would read. Raises `RunError` when the files are gone.
    """
    config = run.config()
    allowed = budget(config)
    if not allowed.holes:
        return None
    documents = held_out(run)
    holes = cut_holes(documents, allowed.holes, seed=config.seed).found
    stops, items = stop_ids(tokenizer, format), []
    for hole, ask in zip(holes, asks_for(holes, documents, config, format), strict=True):
        middle, end = middle_ids(hole.middle, tokenizer, format)
        target = [*middle, *([] if end is None else [end])]
        if middle and len(target) <= allowed.tokens // 2:
            room = min(most_prompt, allowed.tokens - len(target))
            prompt, _ = prompt_ids(ask, tokenizer, format, room)
            items.append(Item(hole, prompt, target, len(middle)))
    return Scorecard(items, tokenizer, stops) if items else None


def row_of(items: Sequence[Item], room: int) -> Row:
    """Lay items out as one row with loss on their targets alone, padded to `room` tokens."""
    ids = [token for item in items for token in item.ids]
    labels = [token for item in items for token in [IGNORE_INDEX] * len(item.prompt) + item.target]
    lengths = [len(item.ids) for item in items]
    if (left := room - len(ids)) > 0:
        ids, labels, lengths = ids + [0] * left, labels + [IGNORE_INDEX] * left, [*lengths, left]
    return Row(np.array(ids, np.int32), np.array(labels, np.int32), tuple(lengths))


def _together(items: Sequence[Item], room: int) -> Iterator[list[Item]]:
    """Yield items that go into one row together, the longest first."""
    left = sorted(items, key=lambda item: -len(item.ids))
    while left:
        group, rest = [left[0]], []
        free = room - len(left[0].ids)
        for item in left[1:]:
            if len(item.ids) <= free:
                group.append(item)
                free -= len(item.ids)
            else:
                rest.append(item)
        yield group
        left = rest


def look_by_model(tuned: Any, row: Row, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Look through a `PeftModel` at a row that holds one item."""
    count = int((row.labels != IGNORE_INDEX).sum())
    ids = torch.from_numpy(row.ids).long().to(tuned.device)
    forward = inspect.signature(tuned.get_base_model().forward).parameters
    keep = {"logits_to_keep": count} if "logits_to_keep" in forward else {}
    logits = tuned(input_ids=ids[None, :-1], use_cache=False, **keep).logits[0, -count:]
    # Embeddings are often padded beyond the vocabulary; those rows are no tokens.
    return looked(logits[:, :vocabulary], ids[-count:])
