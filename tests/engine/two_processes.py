"""What each of two real processes finds of a base that they divide; see test_shard.py.

python -m tests.engine.two_processes RANK PORT FOLDER, where FOLDER holds the models. Writes
found-RANK.json there.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from codetune_ui.core.config import Config
from codetune_ui.engine import hardware, model
from codetune_ui.engine.model import Precision
from codetune_ui.engine.place import Place
from codetune_ui.engine.ranks import Ranks
from codetune_ui.engine.report import Mute, NoWish
from codetune_ui.engine.seat import Seat
from codetune_ui.engine.shard import SplitBase, find_layers
from codetune_ui.engine.shard_load import load_split_base
from tests.engine.helpers import make_run, tiny_config

LAYERS = 5
PLAIN: dict[str, dict[str, Any]] = {
    "nf4": {},
    "nf4 once": {"double_quant": False},
    "16 bit": {"quant": "none"},
}
FAMILIES = ("gpt_bigcode", "qwen2", "starcoder2")
COUNTED = itertools.count()


class Noting(Ranks):
    """Counts what is gathered; the one that is `poor` has no memory for some gathering."""

    def __init__(self, rank: int, poor_at: int = 0) -> None:
        super().__init__(Seat(rank, 2, rank, 2))
        self.gathered = 0
        self.poor_at = poor_at

    def gather(self, whole: Tensor, own: Tensor) -> None:
        if self.gathered + 1 == self.poor_at:
            self.poor_at = 0
            raise MemoryError
        self.gathered += 1
        super().gather(whole, own)


def settings(folder: Path, **changes: Any) -> Config:
    return tiny_config(folder, **{"quant": "nf4", **changes})


def place_of(config: Config, ranks: Ranks) -> Place:
    run = make_run(config, f"run-{next(COUNTED)}")
    precision, machine = Precision(config.quant, torch.float32, "sdpa"), hardware.find_hardware()
    return Place(run, Mute(run, "train"), NoWish(run), machine, precision, ranks, base_parts=2)


def load_divided(config: Config, ranks: Ranks) -> tuple[Any, SplitBase]:
    return load_split_base(config, Path(config.base_model), place_of(config, ranks))


def load_whole(config: Config) -> Any:
    device = hardware.find_hardware().device
    return model.load_base(config, Path(config.base_model), device=device, training=True)


def loss_of(base: Any) -> Any:
    ids = torch.arange(5, 45)[None]
    return base(input_ids=ids, labels=ids).loss


def tune(base: Any, config: Config, again: bool) -> Any:
    """Attach an adapter that does something, the same each time."""
    torch.manual_seed(1)
    tuned = model.attach_adapter(base, config)
    if again:
        model.checkpoint_activations(tuned.get_base_model())
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return tuned


def gradients(tuned: Any) -> list[Tensor]:
    loss = loss_of(tuned)
    loss.backward()
    return [loss.detach(), *(weight.grad for weight in tuned.parameters() if weight.requires_grad)]


# --- what is tried


def same_gradients(rank: int, config: Config, again: bool) -> bool:
    """Say whether two passes give a divided base what they give a whole one, to the bit."""
    found = []
    for base in (load_whole(config), load_divided(config, Noting(rank))[0]):
        tuned = tune(base, config, again)
        gradients(tuned)
        found.append(gradients(tuned))
    assert len(found[0]) >= 1 + 8 * 3
    return all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def halves(rank: int, config: Config) -> list[int]:
    """Return what a process keeps of the layers, and what they are in all."""
    _, layers = find_layers(load_whole(config))
    whole = sum(weight.numel() * weight.element_size() for weight in layers.parameters())
    base, split = load_divided(config, Noting(rank))
    weights: Any = find_layers(base)[1].parameters()
    kept = {weight.to_local().untyped_storage() for weight in weights}  # with what it is padded by
    return [split.own_bytes, sum(one.nbytes() for one in kept), whole]


def one_pass(rank: int, config: Config) -> int:
    """Return how many layers come in a pass and its way back."""
    ranks = Noting(rank)
    base, split = load_divided(config, ranks)
    tuned = tune(base, config, again=True)
    with split.passes(1, back=True):
        loss_of(tuned).backward()
    return ranks.gathered


def fewer_passes(rank: int, config: Config) -> dict[str, Any]:
    """The first process looks three times, the other never; then both train."""
    whole = tune(load_whole(config), config, again=True)
    ranks = Noting(rank)
    base, split = load_divided(config, ranks)
    tuned = tune(base, config, again=True)
    with torch.no_grad(), split.passes(3, back=False):
        losses = [float(loss_of(tuned)) for _ in range(3 if rank == 0 else 0)]
    looked = ranks.gathered
    with split.passes(1, back=True):
        ours = gradients(tuned)
    same = all(torch.equal(*both) for both in zip(ours, gradients(whole), strict=True))
    with torch.no_grad():
        expected = float(loss_of(whole))
    return {
        "looked": looked,
        "trained": ranks.gathered - looked,
        "same": same and losses == [expected] * len(losses),
    }


def no_memory(rank: int, config: Config, last: int) -> list[Any]:
    """The second process has no memory for some gathering of two passes; the first goes on."""
    ranks = Noting(rank, last if rank == 1 else 0)
    base, split = load_divided(config, ranks)
    tuned = tune(base, config, again=True)
    try:
        with split.passes(1, back=True, then=1):
            loss_of(tuned).backward()
        with split.passes(1, back=True):
            loss_of(tuned).backward()
    except MemoryError:
        return [ranks.gathered, "no memory"]
    return [ranks.gathered, "done"]


def other_errors(rank: int, config: Config) -> list[Any]:
    """Nobody walks on after an error of another kind, or in another order than is known."""
    ranks = Noting(rank)
    _, split = load_divided(config, ranks)
    said = []
    try:
        with split.passes(1, back=True):
            raise RuntimeError("the card is gone")
    except RuntimeError as error:
        said.append(str(error))
    try:
        with split.passes(1, back=False):
            split._layers[1].unshard()
    except RuntimeError as error:
        said.append(str(error))
    return [*said, ranks.gathered]


def find_all(rank: int, folder: Path) -> dict[str, Any]:
    """Try everything; both processes do in the same order."""
    five = settings(folder / "five")
    found: dict[str, Any] = {}
    for name, changes in PLAIN.items():
        config = settings(folder / "five", **changes)
        found[f"halves, {name}"] = halves(rank, config)
        for again in (False, True):
            found[f"gradients, {name}, {again}"] = same_gradients(rank, config, again)
    for kind, quant in itertools.product(FAMILIES, ("nf4", "none")):
        config = settings(folder / kind, quant=quant)
        found[f"gradients, {kind}, {quant}"] = same_gradients(rank, config, again=True)
    found["one pass"] = one_pass(rank, five)
    found["fewer passes"] = fewer_passes(rank, five)
    for last in range(1, 2 * LAYERS + 1):
        found[f"no memory, {last}"] = no_memory(rank, five, last)
    found["other errors"] = other_errors(rank, five)
    return found


def main() -> None:
    rank, port, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    os.environ["CODETUNE_HOME"] = str(folder / f"home-{rank}")
    torch.set_num_threads(1)
    like_any_processor: Callable[[], bool] = lambda: False  # noqa: E731 - as conftest.py says it
    hardware._cpu_has_bf16 = like_any_processor
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    found = find_all(rank, folder)
    (folder / f"found-{rank}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
