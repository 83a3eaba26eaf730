from __future__ import annotations

import shlex

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.presets import parse_assignments, preset
from codetune_ui.runs.events import Event
from codetune_ui.runs.state import State
from codetune_ui.ui.words import (
    STATE_LABELS,
    command_line,
    headline,
    log_line,
    overfit,
    plan_facts,
    way_out,
)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("created", "It has not begun."),
        ("preparing", "Loading the model."),
        ("running", "Loading the model."),
        ("stopping", "Finishing step 1,413, then saving."),
        ("finished", "Finished all 2,000 steps."),
        ("stopped", "Stopped at step 1,412."),
        ("failed", "The disk is full."),
        ("lost", "Ended without notice at step 1,412."),
    ],
)
def test_every_state_has_its_sentence(state: State, sentence: str) -> None:
    message = "" if state == "finished" else "The disk is full."
    said = headline(state, step=1412, total=2000, phase="loading the model", message=message)
    assert said == sentence
    assert STATE_LABELS[state]


def test_discarding_and_ending_are_said() -> None:
    assert headline("stopping", step=3, discarding=True) == (
        "Finishing step 4, then discarding what it learned."
    )
    assert headline("lost", step=3, ended=True) == "Ended by you at step 3."
    assert headline("stopped") == "Stopped before the first step."


def test_a_lost_run_with_a_checkpoint_names_the_way_back() -> None:
    assert way_out("lost", "", 400) == "Resume goes on from step 400."
    assert way_out("lost", "", 0) == "No checkpoint was written yet: start it anew."
    assert way_out("failed", "Free some space.", 0) == "Free some space."
    assert way_out("finished", "", 400) == ""


def test_a_log_line_is_one_line_of_text() -> None:
    assert log_line({"kind": "log", "level": "warning", "message": "a\nb"}) == ("warning", "a b")
    assert log_line({"kind": "eval", "step": 1400, "val_loss": 0.68631}) == (
        "eval",
        "step 1,400  held-out loss 0.6863",
    )
    assert log_line({"kind": "eval", "step": 7, "val_loss": None}) == (
        "eval",
        "step 7  held-out loss not a number",
    )
    assert log_line({"kind": "checkpoint", "step": 50, "bytes": 3_840_000}) == (
        "info",
        "step 50  checkpoint saved (3.7 MiB)",
    )
    assert log_line({"kind": "train", "step": 1, "loss": 2.0}) is None


def test_what_preparing_found_is_one_line() -> None:
    event = {"kind": "plan", "train_rows": 1400, "fim_rate_effective": 0.49, "device": "cpu"}
    assert plan_facts(event) == "1,400 rows to train on · 49% with a hole · cpu"
    split = event | {"base_parts": 2}
    assert plan_facts(split).endswith("with a hole · base split over 2 cards · cpu")


@pytest.mark.parametrize(
    "config",
    [
        preset("demo"),
        preset("guide", max_steps=7),
        Config(base_model="my/model", source="/tmp/my code", exclude="*.min.js, it's"),
    ],
)
def test_the_command_line_repeats_the_settings(config: Config) -> None:
    words = shlex.split(command_line(config))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    pairs = [word for flag, word in zip(words[3::2], words[4::2], strict=True) if flag == "--set"]
    changes = parse_assignments(pairs)
    if "--model" in options:
        changes["base_model"] = options["--model"]
    if "--data" in options:
        changes["source"] = options["--data"]
    assert words[:3] == ["python", "app.py", "train"]
    assert preset(options["--preset"], **changes) == config


def test_a_preset_as_it_is_needs_only_its_name() -> None:
    assert command_line(preset("demo")) == "python app.py train --preset demo"


def test_a_scorecard_is_a_line_of_the_log() -> None:
    event: Event = {"kind": "scorecard", "step": 120, "holes": 16, "middle_nll_per_char": 0.6021}
    line = "step 120  held-out holes 0.6021 nats per character"
    assert log_line(event) == ("eval", line)
    assert log_line({**event, "exact": 0.125}) == ("eval", f"{line}, 2 of 16 exact")


@pytest.mark.parametrize(
    ("since", "keeps", "best", "end"),
    [
        (300, "best", 310, "by heart. The adapter of step 310 is kept."),
        (300, "last", 310, "by heart. The adapter will be that of the last step, as set."),
        (300, "", 0, "while the training loss fell: it is learning this code by heart."),
        (
            0,
            "best",
            0,
            "since the first step while the training loss fell: it is learning this code by heart.",
        ),
    ],
)
def test_overfitting_says_which_adapter_is_kept(
    since: int, keeps: str, best: int, end: str
) -> None:
    assert overfit(since, keeps, best).endswith(end)
    assert overfit(None, keeps, best) == ""
