"""A base whose layers are divided among two processes trains the same adapter as a whole one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from codetune_ui.engine import checkpoint
from codetune_ui.engine.model import quiet_peft
from codetune_ui.runs.store import Run
from tests.faults.test_several_processes import assert_same
from tests.faults.test_training import KILLED, curve, events, make, warnings, why
from tests.faults.zygote import Workers
from tests.tiny import build_model

SPLIT = {"processes": 2, "split_base": "yes"}
LAYERS = 5
SAME = 1e-4  # another order of summing, and what six steps make of it, relative


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, code_folder: Path) -> Callable[..., Run]:
    """Makes a run of six steps in 4 bit on five layers: three share one place, two the other."""
    home = tmp_path_factory.mktemp("split")
    model = build_model(home / "model", layers=LAYERS)

    def make_short(name: str, **changes: Any) -> Run:
        settings = {"engine": "plain", "quant": "nf4", "lora_dropout": 0.0, "max_steps": 6}
        rows = {"global_batch_rows": 4, "micro_batch_rows": 1}
        return make(home, model, code_folder, name, **{**settings, **rows, **changes})

    return make_short


@pytest.fixture(scope="module")
def one(zygote: Workers, made: Callable[..., Run]) -> Run:
    """What one process does, with all of the base."""
    run = made("one")
    assert zygote.work(run, "train") == 0, why(run)
    return run


@pytest.fixture(scope="module")
def two(zygote: Workers, made: Callable[..., Run]) -> Run:
    """What two processes do, each with all of the base."""
    run = made("two", processes=2)
    assert zygote.work(run, "train", processes=2) == 0, why(run)
    return run


def loads_in_peft(run: Run) -> None:
    base = AutoModelForCausalLM.from_pretrained(run.config().base_model)
    with quiet_peft():
        tuned = PeftModel.from_pretrained(base, str(run.adapter_dir))
    kept = load_file(run.adapter_dir / checkpoint.WEIGHTS)
    assert len(kept) == 14 * LAYERS
    for name, weight in get_peft_model_state_dict(tuned).items():
        assert torch.equal(weight, kept[name])


def test_a_split_base_trains_to_the_bit_what_two_whole_ones_do(
    zygote: Workers, one: Run, two: Run, made: Callable[..., Run]
) -> None:
    run = made("split", **SPLIT)
    assert zygote.work(run, "train", processes=2) == 0, why(run)
    assert curve(run) == curve(two)
    ours, theirs = (load_file(of.adapter_dir / checkpoint.WEIGHTS) for of in (run, two))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours | theirs)
    assert_same(run, one, SAME)
    assert events(run, "plan")[0]["base_parts"] == 2
    assert any("base split over 2 cards" in event["message"] for event in events(run, "log"))
    assert warnings(run) == []
    loads_in_peft(run)


def test_a_run_goes_on_with_the_base_whole_and_then_split_again(
    zygote: Workers, one: Run, made: Callable[..., Run]
) -> None:
    run = made("changes", **SPLIT)
    assert zygote.work(run, "train", ("kill_in_step", 3), processes=2) == KILLED
    assert run.state() == "lost"
    run.divide_among(1)
    assert zygote.work(run, "resume", ("kill_in_step", 3)) == KILLED
    run.divide_among(2, split_base="yes")
    assert zygote.work(run, "resume", processes=2) == 0, why(run)
    assert [event["base_parts"] for event in events(run, "plan")] == [2, 1, 2]
    assert [event["step"] for event in events(run, "resume")] == [2, 4]
    assert_same(run, one, SAME)


def test_where_the_memory_of_one_does_not_suffice_within_a_pass_all_begin_again(
    zygote: Workers, two: Run, made: Callable[..., Run]
) -> None:
    run = made("small", **SPLIT)
    harm = ("no_memory_in_layer", 150)
    assert zygote.work(run, "train", harm, processes=2, harmed=1) == 0, why(run)
    assert [event["again"] for event in events(run, "pace")] == [0.0, 1.0]
    assert_same(run, two, SAME)


def test_without_memory_for_the_holes_all_begin_again_and_measure_them_no_more(
    zygote: Workers, two: Run, made: Callable[..., Run]
) -> None:
    run = made("holes", **SPLIT)
    harm = ("no_memory_for_holes", 2)
    assert zygote.work(run, "train", harm, processes=2, harmed=0) == 0, why(run)
    assert [event["again"] for event in events(run, "pace")] == [0.0, 1.0]
    assert len(events(run, "scorecard")) == 1
    assert "measured no more" in warnings(run)[0]
    for kind in ("train", "eval"):
        ours, theirs = (
            {key: found for key, found in curve(of).items() if key[0] == kind} for of in (run, two)
        )
        assert ours.keys() == theirs.keys()
        assert all(ours[key][0] == pytest.approx(theirs[key][0], rel=SAME) for key in ours)


def test_a_split_run_that_loses_a_process_resumes_from_its_checkpoint(
    zygote: Workers, two: Run, made: Callable[..., Run]
) -> None:
    run = made("left", **SPLIT)
    assert zygote.work(run, "train", ("kill_in_step", 5), processes=2, harmed=1) == 2
    assert run.status().message == "Another process of the training ended unexpectedly."
    assert zygote.work(run, "resume", processes=2) == 0, why(run)
    assert events(run, "resume")[0]["step"] == 4
    assert curve(run) == curve(two)
