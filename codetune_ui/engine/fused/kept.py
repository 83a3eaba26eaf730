"""What a row of the decoder keeps of its last prompt, and attention to it from what is new."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from codetune_ui.engine.fused.attention import Heads


@dataclass(frozen=True)
class Held:
    """What a row's cache begins with, and since when: a number that grows."""

    adapter: str | None = None
    ids: Sequence[int] = ()
    number: int = field(default_factory=itertools.count(1).__next__)

    def shared(self, adapter: str | None, ids: Sequence[int]) -> int:
        """Return how many first tokens are those of a prompt that is read with an adapter."""
        if self.adapter != adapter:
            return 0
        pairs = zip(self.ids, ids, strict=False)
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
        return sum(1 for _ in same)


@dataclass(frozen=True)
class Place:
    """Where a prompt's read tokens lie: in the pass, and behind `kept` others in a row's cache."""

    row: int
    part: slice
    kept: int

    @property
    def inside(self) -> slice:
        """Where they lie in the cache."""
        return slice(self.kept, self.end)

    @property
    def end(self) -> int:
        """Tokens of the prompt in all."""
        read: int = self.part.stop - self.part.start
        return self.kept + read


def attend_kept(
    parts: Tensor, keys: Tensor, values: Tensor, places: Sequence[Place], heads: Heads
) -> Tensor:
    """Return the attention of read tokens to themselves and to what was kept, (tokens, width)."""
    found = []
    for place in places:
        query = parts[place.part, : heads.count].transpose(0, 1)[None]
        at = torch.arange(place.end, device=parts.device)
        seen = at[None] <= at[place.kept :, None]  # (read, all)
        # The queries that share a key head lie side by side.
        key, value = (
            held[place.row, : place.end]
            .transpose(0, 1)
            .repeat_interleave(heads.count // heads.key_count, 0)[None]
            for held in (keys, values)
        )
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=heads.scale)
        found.append(y[0].transpose(0, 1).flatten(1))
    return torch.cat(found)
