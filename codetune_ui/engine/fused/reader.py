"""Reading prompts: one pass through all blocks, which fills the cache and tells what follows.

On a GPU a pass of a few sizes is recorded when it comes for the second time, as a CUDA graph: a
prompt of a thousand tokens is computed faster than its hundreds of programs are started one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from codetune_ui.engine.fused import decode_ops
from codetune_ui.engine.fused.decode_ops import Uses
from codetune_ui.engine.fused.inference import Weights
from codetune_ui.engine.fused.kept import attend_kept
from codetune_ui.engine.fused.ops import operations
from codetune_ui.engine.fused.prompts import Counts, Flat, Text, lay, pad
from codetune_ui.engine.fused.recordings import Recordings

FEW_TEXTS = 2  # more are read for their likelihood, in sizes that hardly come again


class Reader:
    """Fills rows of a cache with what prompts say."""

    def __init__(
        self, weights: Weights, cache: Tensor, masks: Tensor, recordings: Recordings
    ) -> None:
        """Read into a cache (layers, 2, rows, longest, key heads, width).

        masks (rows, slots): which slots a row's tokens use; recordings: where passes are kept.
        """
        self.weights, self._cache, self._masks = weights, cache, masks
        self._ops = operations(weights.device)
        self._recordings = recordings
        self._places: dict[Counts, Tensor] = {}  # that recorded passes read from

    def logits(self, texts: Sequence[Text], slots: int) -> Tensor:
        """Read texts; return the logits (asked, vocabulary) in fp32, until the next call.

        slots: how many slots the masks are asked for, 0 where no text uses an adapter.
        """
        longest = self._cache.shape[3]
        if self._cache.is_cuda and len(texts) <= FEW_TEXTS and all(t.asked == 1 for t in texts):
            padded = pad(texts, longest)
            if padded is not None:
                return self._recorded(padded, slots)
        numbers = lay(texts, longest).to(self._cache.device)
        return self._pass(Flat.of(numbers, texts), slots)

    def _recorded(self, texts: Sequence[Text], slots: int) -> Tensor:
        """Make a pass of a size that comes again, from places that are this size's own."""
        counts = Counts.of(texts)
        numbers = lay(texts, self._cache.shape[3])
        if counts not in self._places:
            self._places[counts] = torch.empty_like(numbers, device=self._cache.device)
        places = self._places[counts]
        places.copy_(numbers)
        return self._recordings.run(
            (counts, slots), lambda: self._pass(Flat.of(places, texts, counts.tokens), slots)
        )

    def _pass(self, flat: Flat, slots: int) -> Tensor:
        w = self.weights
        uses = Uses(self._masks[flat.rows, :slots]) if slots else None
        where = flat.rows * self._cache.shape[3] + flat.at
        stream, delta = w.embed(flat.ids, flat.at), None
        angles = None if w.angles is None else (w.angles[0][flat.at], w.angles[1][flat.at])
        for layer, (keys, values) in zip(w.layers, self._cache, strict=True):
            heads = layer.heads
            stream, y = decode_ops.add_norm(stream, delta, layer.attention_norm, self._ops)
            parts = layer.qkv(y, uses).view(len(flat.ids), -1, heads.width)
            if angles is not None:
                self._ops.rotate_(parts[:, : heads.turned], *angles, back=False)
            _, key, value = heads.split(parts)
            keys.flatten(0, 1).index_copy_(0, where, key)
            values.flatten(0, 1).index_copy_(0, where, value)
            y = attend_kept(parts, keys, values, flat, heads)
            if layer is w.layers[-1]:  # from here on nobody looks at the other tokens any more
                stream, y = stream[flat.asked], y[flat.asked]
                uses = None if uses is None else uses.of(flat.asked)
            out = layer.out.product(y, uses)
            stream, y = decode_ops.add_norm(stream, out, layer.mlp_norm, self._ops)
            inside = decode_ops.activate(layer.up.product(y, uses), layer.activation)
            delta = layer.down.product(inside, uses)
        return w.score(decode_ops.add_norm(stream, delta, w.final_norm, self._ops)[1])
