from __future__ import annotations

from pathlib import Path

from codetune_ui.core.config import Config
from codetune_ui.runs.store import Home
from tests.calling import call, last_json, refused
from tests.runs.serving import add_trained_run, hold_out
from tests.ui.evaluations import add, add_run


def test_evaluate_says_who_is_better_and_keeps_every_hole(tiny_model: Path, home: Path) -> None:
    run = add_trained_run(Home(home), tiny_model, "tuned", max_seq_len=128)
    hold_out(run, {"a.py": "".join(f"value_{n} = compute({n}, {n})\n" for n in range(20))})
    result = call("evaluate", "tuned", "--holes", "4", "--kinds", "line,rest", "--json")
    found = last_json(result)
    assert found["holes"] == len(found["items"]) == 4
    assert found["verdict"] == "no difference"
    assert set(found["base"]) >= {
        *("exact_match", "edit_similarity", "middle_nll_per_char", "stop_accuracy")
    }
    assert len(found["difference"]["exact_match"]) == 3
    assert "4 of 4 holes filled" in result.stderr
    assert "60 of 60 holes of general code measured" in result.stderr
    assert len(list((run.path / "evaluation").iterdir())) == 2


def test_evaluate_refuses_a_kind_it_does_not_know() -> None:
    refused(call("evaluate", "x", "--kinds", "lines"), "no kind of hole 'lines'", "inside,")


def test_evaluate_refuses_a_run_without_an_adapter(home: Path) -> None:
    Home(home).create_run(Config(base_model="demo", source="demo"), "first")
    refused(call("evaluate", "first"), "'first' has no adapter yet")
    refused(call("evaluate", "--run", "first"), "'first' has no adapter yet")
    refused(call("evaluate"), "No run is named")


def test_compare_says_which_of_two_adapters_is_better(home: Path) -> None:
    for name in ("calm-otter", "brisk-finch"):
        add(add_run(Home(home), name))
    answer = last_json(call("compare", "calm-otter", "brisk-finch", "--json"))
    assert (answer["first"], answer["holes"]) == ("calm-otter/20261123-1", 4)
    assert answer["verdict"] == "no difference"
    refused(call("compare", "calm-otter", "nobody"), "no run 'nobody'")
