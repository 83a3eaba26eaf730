"""A base divided among two processes, both of them real."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import ModelError
from codetune_ui.engine import shard_load
from codetune_ui.engine.ranks import Ranks
from codetune_ui.engine.seat import Seat
from codetune_ui.engine.shard import WHOLE, find_layers
from tests.engine.two_processes import FAMILIES, LAYERS, PLAIN, load_divided, settings
from tests.tiny import build_model

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("divided")
    build_model(folder / "five", layers=LAYERS)
    for kind in FAMILIES:
        build_model(folder / kind, kind=kind, layers=3)
    return folder


@pytest.fixture(scope="module")
def found(models: Path) -> Found:
    """What each process found of all that `two_processes` tries."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.engine.two_processes"]
    began = [
        subprocess.Popen(
            [*command, str(rank), str(port), str(models)],
            cwd=PROJECT_ROOT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    said = [one.communicate(timeout=300)[0] for one in began]
    assert [one.returncode for one in began] == [0, 0], "\n".join(said)
    return [json.loads((models / f"found-{rank}.json").read_text("utf-8")) for rank in range(2)]


# --- parts


@pytest.mark.parametrize("name", PLAIN)
def test_each_process_keeps_its_half_of_the_layers(found: Found, name: str) -> None:
    for one in found:
        own, kept, whole = one[f"halves, {name}"]
        assert own == kept
        assert own * 2 == whole


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_loss_and_gradients_are_those_of_a_whole_base(found: Found, name: str, again: bool) -> None:
    assert [one[f"gradients, {name}, {again}"] for one in found] == [True, True]


@pytest.mark.parametrize("quant", ["nf4", "none"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_other_families_are_divided_as_well(found: Found, kind: str, quant: str) -> None:
    assert [one[f"gradients, {kind}, {quant}"] for one in found] == [True, True]


@pytest.mark.usefixtures("home")
def test_layers_that_share_weights_are_not_divided(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tied(base: Any) -> Any:
        around, layers = find_layers(base)
        layers[1] = layers[0]
        return around, layers

    monkeypatch.setattr(shard_load, "find_layers", tied)
    with pytest.raises(ModelError, match="share weights"):
        load_divided(settings(models / "five"), Ranks(Seat(0, 2, 0, 2)))


# --- who walks along


def test_each_layer_comes_once_each_way(found: Found) -> None:
    assert [one["one pass"] for one in found] == [2 * LAYERS, 2 * LAYERS]


def test_one_with_nothing_to_compute_gathers_what_the_others_do(found: Found) -> None:
    expected = {"looked": 3 * LAYERS, "trained": 2 * LAYERS, "same": True}
    assert [one["fewer passes"] for one in found] == [expected, expected]


@pytest.mark.parametrize("last", range(1, 2 * LAYERS + 1))
def test_one_without_memory_gathers_what_the_others_do(found: Found, last: int) -> None:
    first, poor = (one[f"no memory, {last}"] for one in found)
    assert first == [4 * LAYERS, "done"]
    assert poor == [4 * LAYERS, "no memory"]


def test_after_another_error_or_in_another_order_nobody_goes_on(found: Found) -> None:
    words = ["the card is gone", "layer 1 was gathered in the place of 0", 0]
    assert [one["other errors"] for one in found] == [words, words]


def test_a_whole_base_has_nobody_to_walk_with() -> None:
    with WHOLE.passes(5, back=True, then=3):
        pass
    assert WHOLE.parts == 1
