"""Keys and values of the tokens so far, with room to grow: a new token copies itself alone.

transformers' own cache joins old and new at every token: at 512 tokens of prompt that was a seventh
of the demo model's time on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 256  # tokens that are added at a time


class RoomyLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """One layer's keys and values (B, H, T, D), the first T places of a larger buffer."""

    keys: Tensor
    values: Tensor
    _all_keys: Tensor | None = None
    _all_values: Tensor | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append keys and values (B, H, N, D); return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        used = self.get_seq_length()
        self._all_keys = _with(key_states, self.keys, self._all_keys, used)
        self._all_values = _with(value_states, self.values, self._all_values, used)
        end = used + key_states.shape[-2]
        self.keys = self._all_keys[:, :, :end]
        self.values = self._all_values[:, :, :end]
        return self.keys, self.values


def _with(new: Tensor, old: Tensor, buffer: Tensor | None, used: int) -> Tensor:
    """Write what is new behind what is used, in a larger buffer where this one is full."""
    end = used + new.shape[-2]
    if buffer is None or end > buffer.shape[-2]:
        size = (end // ROOM + 1) * ROOM
        buffer = torch.empty(
            *new.shape[:2], size, new.shape[-1], dtype=new.dtype, device=new.device
        )
        if used:
            buffer[:, :, :used] = old
    buffer[:, :, used:end] = new
    return buffer


def roomy_cache(config: Any) -> DynamicCache:
    """Return an empty cache for a model; layers of a sliding window stay transformers' own."""
    cache = DynamicCache(config=config)
    cache.layers = [
        RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache
