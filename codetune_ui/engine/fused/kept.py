"""What a row of the decoder keeps of its last prompt, and attention to it from what is new."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.prompts import Flat


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


def attend_kept(parts: Tensor, keys: Tensor, values: Tensor, flat: Flat, heads: Heads) -> Tensor:
    """Return the attention of read tokens to their own text, (tokens, heads x width).

    parts (tokens, heads of query, key and value, width); keys, values (rows, longest, key heads,
    width) hold each text already, with what was read now.
    """
    query = parts[:, : heads.count]
    if parts.is_cuda:
        return _by_flash(query, keys, values, flat, heads)
    found = []
    start = 0
    for text in flat.texts:
        end = start + len(text.ids)
        # (1, heads, tokens, width), as torch's attention wants it
        q = query[start:end].transpose(0, 1)[None]
        k, v = (
            held[text.row, text.first : text.end].transpose(0, 1)[None] for held in (keys, values)
        )
        mask = None
        if text.kept:
            every = torch.arange(text.size)
            mask = every[None] <= every[text.kept :, None]  # (read, all)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=heads.scale, enable_gqa=True
        )
        found.append(y[0].transpose(0, 1).flatten(1))
        start = end
    return torch.cat(found)


def _by_flash(query: Tensor, keys: Tensor, values: Tensor, flat: Flat, heads: Heads) -> Tensor:
    """One program for all texts: the cache is one long run of keys, and each text begins in it."""
    output: Tensor = torch.ops.aten._flash_attention_forward(
        query,
        keys.flatten(0, 1),
        values.flatten(0, 1),
        flat.ends,
        flat.begins,
        max(2, flat.most),  # for one query it would look for another way
        keys.shape[1],
        0.0,
        True,  # causal, as seen from the ends of queries and keys
        False,
        scale=heads.scale,
        seqused_k=flat.sizes,
    )[0]
    return output.flatten(1)
