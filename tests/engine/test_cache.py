"""The cache with room to grow holds what transformers' own holds."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache, LlamaConfig

from codetune_ui.engine.cache import ROOM, RoomyLayer, roomy_cache

CONFIG = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2)


@pytest.mark.parametrize("counts", [(1,), (5, 1, 1), (ROOM - 1, 1, 1), (ROOM, 3 * ROOM, 1)])
def test_it_returns_what_joining_returns(counts: tuple[int, ...]) -> None:
    roomy, plain = roomy_cache(CONFIG), DynamicCache(config=CONFIG)
    for count in counts:
        keys, values = torch.randn(2, 1, 2, count, 4).unbind()
        for found, expected in zip(
            roomy.update(keys, values, 1), plain.update(keys, values, 1), strict=True
        ):
            assert torch.equal(found, expected)


def test_a_cropped_cache_goes_on_from_its_new_end() -> None:
    cache = roomy_cache(CONFIG)
    cache.update(torch.zeros(1, 2, 10, 4), torch.zeros(1, 2, 10, 4), 0)
    cache.crop(-6)
    keys, _ = cache.update(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4), 0)
    assert keys[0, 0, :, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_a_token_is_written_in_place() -> None:
    cache = roomy_cache(CONFIG)
    first, _ = cache.update(torch.zeros(1, 2, 10, 4), torch.zeros(1, 2, 10, 4), 0)
    second, _ = cache.update(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 4), 0)
    assert first.data_ptr() == second.data_ptr()


def test_layers_of_a_sliding_window_stay() -> None:
    windowed = roomy_cache(
        LlamaConfig(
            num_hidden_layers=2,
            sliding_window=4,
            layer_types=["sliding_attention", "full_attention"],
        )
    )
    assert [isinstance(layer, RoomyLayer) for layer in windowed.layers] == [False, True]
