"""A base divided among processes, as seen by each of two that are played in turn."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError
from codetune_ui.engine import model, shard_load
from codetune_ui.engine.hardware import find_hardware
from codetune_ui.engine.model import Precision
from codetune_ui.engine.place import Place
from codetune_ui.engine.ranks import Ranks
from codetune_ui.engine.report import Mute, NoWish
from codetune_ui.engine.seat import Seat
from codetune_ui.engine.shard import WHOLE, SplitBase, find_layers
from codetune_ui.engine.shard_load import load_split_base
from tests.engine.helpers import make_run, tiny_config
from tests.tiny import build_model

LAYERS = 5
COUNTED = itertools.count()


class Played(Ranks):
    """One of two processes; the other one's parts are known, and what is gathered is noted."""

    def __init__(self, rank: int, others: list[Tensor]) -> None:
        super().__init__(Seat(rank, 2, rank, 2))
        self.others = others
        self.own: list[Tensor] = []
        self.gathered: list[int] = []

    def gather(self, whole: Tensor, own: Tensor) -> Callable[[], None]:
        known = [one.data_ptr() for one in self.own]
        index = known.index(own.data_ptr())
        self.gathered.append(index)
        both = [own, self.others[index]]
        whole.fill_(255)  # until it is waited for, nothing of it may be used

        def wait() -> None:
            whole.copy_(torch.cat(both if self.seat.rank == 0 else both[::-1]))

        return wait


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("five"), layers=LAYERS)


def settings(folder: Path, **changes: Any) -> Config:
    return tiny_config(folder, **{"quant": "nf4", **changes})


def place_of(config: Config, ranks: Ranks) -> Place:
    run = make_run(config, f"run-{next(COUNTED)}")
    quant, machine = config.quant, find_hardware()
    precision = Precision(quant, torch.float32, "sdpa")
    return Place(run, Mute(run, "train"), NoWish(run), machine, precision, ranks, base_parts=2)


def load_first(config: Config) -> tuple[Any, SplitBase, Played]:
    """What the first of two processes holds, ready to be asked."""
    parts: dict[int, list[Tensor]] = {}
    for rank in (1, 0):
        ranks = Played(rank, parts.get(1, []))
        base, split = load_split_base(config, Path(config.base_model), place_of(config, ranks))
        parts[rank] = ranks.own = [layer.own for layer in split._layers]
    return base, split, ranks


def loss_of(base: Any) -> Any:
    ids = torch.arange(5, 45)[None]
    return base(input_ids=ids, labels=ids).loss


def load_tuned(config: Config) -> tuple[Any, SplitBase, Played]:
    """The same with an adapter, ready to be trained with layers computed twice."""
    base, split, ranks = load_first(config)
    tuned = model.attach_adapter(base, config)
    model.checkpoint_activations(base)
    return tuned, split, ranks


def load_whole(config: Config) -> Any:
    device = find_hardware().device
    return model.load_base(config, Path(config.base_model), device=device, training=True)


# --- parts


@pytest.mark.parametrize("changes", [{}, {"double_quant": False}, {"quant": "none"}])
def test_each_process_keeps_its_half_of_the_layers(folder: Path, changes: dict[str, Any]) -> None:
    config = settings(folder, **changes)
    _, split, ranks = load_first(config)
    assert split.own_bytes * 2 == split.whole_bytes
    assert [len(own) for own in ranks.own] == [len(own) for own in ranks.others]
    _, layers = find_layers(load_whole(config))
    whole = sum(weight.numel() * weight.element_size() for weight in layers.parameters())
    assert whole <= split.whole_bytes < 1.5 * whole  # the scales, and room to align tiny tensors


def test_layers_lie_in_two_places_and_nowhere_else(folder: Path) -> None:
    base, split, _ = load_first(settings(folder))
    _, layers = find_layers(base)
    there = {place.untyped_storage().data_ptr() for place in split._places}
    found = {weight.untyped_storage().data_ptr() for weight in layers.parameters()}
    assert found == there
    assert len(there) == 2


@pytest.mark.parametrize("changes", [{}, {"double_quant": False}, {"quant": "none"}])
@pytest.mark.parametrize("again", [False, True])
def test_loss_and_gradients_are_those_of_a_whole_base(
    folder: Path, again: bool, changes: dict[str, Any]
) -> None:
    assert_same_gradients(settings(folder, **changes), again)


@pytest.mark.parametrize("quant", ["nf4", "none"])
@pytest.mark.parametrize("kind", ["gpt_bigcode", "qwen2", "starcoder2"])
def test_other_families_are_split_as_well(tmp_path: Path, kind: str, quant: str) -> None:
    folder = build_model(tmp_path, kind=kind, layers=3)
    assert_same_gradients(settings(folder, quant=quant), again=True)


def assert_same_gradients(config: Config, again: bool) -> None:
    found = []
    for base in (load_whole(config), load_first(config)[0]):
        torch.manual_seed(1)
        tuned = model.attach_adapter(base, config)
        if again:
            model.checkpoint_activations(tuned.get_base_model())
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
        for _ in range(2):
            loss = loss_of(tuned)
            loss.backward()
        grads = [weight.grad for weight in tuned.parameters() if weight.requires_grad]
        found.append([loss.detach(), *grads])
    assert len(found[0]) >= 1 + 8 * 3
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def test_layers_that_share_weights_are_not_divided(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tied(base: Any) -> Any:
        around, layers = find_layers(base)
        layers[1] = layers[0]
        return around, layers

    monkeypatch.setattr(shard_load, "find_layers", tied)
    with pytest.raises(ModelError, match="share weights"):
        load_first(settings(folder))


# --- who walks along

BACK = [2, 1, 0]  # the last two lie there still


def test_each_layer_comes_once_each_way(folder: Path) -> None:
    tuned, split, ranks = load_tuned(settings(folder))
    with split.passes(1, back=True):
        loss_of(tuned).backward()
    assert ranks.gathered == [0, 1, 2, 3, 4, *BACK]


@pytest.fixture(scope="module")
def of_two_passes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """What is gathered in two passes of a step, layers being computed twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODETUNE_HOME", str(tmp_path_factory.mktemp("home")))
        tuned, split, ranks = load_tuned(settings(folder))
    with split.passes(2, back=True):
        for _ in range(2):
            loss_of(tuned).backward()
    return ranks.gathered


@pytest.mark.parametrize("last", range(1, 2 * LAYERS + 1))
def test_one_without_memory_gathers_what_the_others_do(
    folder: Path, of_two_passes: list[int], last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned, split, ranks = load_tuned(settings(folder))
    original, calls = split._need, itertools.count(1)

    def scarce(index: int, following: int) -> None:
        if next(calls) == last:
            raise MemoryError
        original(index, following)

    monkeypatch.setattr(split, "_need", scarce)
    with pytest.raises(MemoryError), split.passes(1, back=True, then=1):
        loss_of(tuned).backward()
    assert ranks.gathered == of_two_passes


def test_one_with_nothing_to_compute_gathers_what_the_others_do(folder: Path) -> None:
    base, split, ranks = load_first(settings(folder))
    with torch.no_grad(), split.passes(3, back=False):
        for _ in range(3):
            loss_of(base)
    _, idle, its_ranks = load_first(settings(folder))
    with idle.passes(3, back=False):
        pass
    assert its_ranks.gathered == ranks.gathered


def test_another_error_is_not_walked_away_from(folder: Path) -> None:
    _, split, ranks = load_first(settings(folder))
    with pytest.raises(RuntimeError, match="gone"), split.passes(1, back=True):
        raise RuntimeError("the card is gone")
    assert ranks.gathered == []


def test_a_whole_base_has_nobody_to_walk_with() -> None:
    with WHOLE.passes(5, back=True, then=3):
        pass
    assert WHOLE.parts == 1
