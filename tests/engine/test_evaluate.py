from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from codetune_ui.core.completion import Ask
from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import RunError, SourceError
from codetune_ui.core.evaluation import Request
from codetune_ui.core.families import find_format
from codetune_ui.core.holes import Hole, cut_holes
from codetune_ui.core.own_holes import own_hole
from codetune_ui.core.pack import pack, to_words
from codetune_ui.core.recipe import Recipe, examples_of
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.adapters import Adapters
from codetune_ui.engine.evaluate import (
    Side,
    asks_for,
    evaluate,
    fill,
    held_out,
    measure,
    measured_too,
    training_code,
)
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.likelihood import Likelihood, Measurer, Truth
from codetune_ui.engine.model import quiet_peft
from codetune_ui.engine.report import Reporter, StopRequested, StopWish
from codetune_ui.runs.evaluations import compare, create, report_path, result_path
from codetune_ui.runs.own_holes import keep
from codetune_ui.runs.store import Home, Run
from tests.runs.serving import add_trained_run, hold_out
from tests.tiny import build_model

CODE = "".join(
    f"def step_{n}(value: int, factor: int = {n}) -> int:\n    return value * {n * 7}\n\n\n"
    for n in range(8)
)
FILES = {"pond.py": CODE, "lake.py": CODE.replace("step", "wave").replace("value", "depth")}


def documents() -> list[Document]:
    return [Document(text, path, "Python", path) for path, text in FILES.items()]


@pytest.fixture
def run(tiny_model: Path, home: Path) -> Run:
    found = add_trained_run(Home(home), tiny_model, "tuned", max_seq_len=128)
    hold_out(found, FILES)
    return found


def without_effect(run: Run) -> None:
    """Make the run's adapter one that has learned nothing: every B is 0."""
    from safetensors.torch import load_file, save_file

    path = run.adapter_dir / "adapter_model.safetensors"
    weights = {
        name: torch.zeros_like(value) if "lora_B" in name else value
        for name, value in load_file(path).items()
    }
    save_file(weights, path, metadata={"format": "pt"})


def work(run: Run, **asked: Any) -> Run:
    """Do an evaluation in this process; return its folder."""
    job = create(run.home, Request(run=run.name, **asked))
    reporter = Reporter(job, "evaluate")
    reporter.open()
    try:
        evaluate(job, reporter, StopWish(job))
    finally:
        reporter.close()
    return job


def test_an_adapter_that_changes_nothing_is_no_difference(run: Run) -> None:
    without_effect(run)
    job = work(run, holes=8)
    found = json.loads(result_path(job).read_text("utf-8"))
    assert found["verdict"] == "no difference"
    assert found["holes"] == 8
    assert [item["base"]["text"] for item in found["items"]] == [
        item["adapter"]["text"] for item in found["items"]
    ]
    assert found["difference"]["edit_similarity"] == [0.0, 0.0, 0.0]
    assert found["difference"]["middle_nll_per_char"] == [0.0, 0.0, 0.0]
    assert report_path(job).read_text("utf-8").startswith("<!doctype html>")
    assert job.status().step == job.status().total_steps == 8 + 60
    assert found["forgetting"]["holes"] == 60
    assert found["forgetting"]["nats_per_char"]["difference"] == [0.0, 0.0, 0.0]
    assert "as sure as the base" in found["forgetting"]["sentence"]
    assert found["forgetting"]["sentence"] in report_path(job).read_text("utf-8")


def test_base_and_adapter_are_told_apart(run: Run) -> None:
    found = json.loads(result_path(work(run, holes=8)).read_text("utf-8"))
    assert found["difference"]["middle_nll_per_char"][0] != 0.0
    assert any(item["base"]["text"] != item["adapter"]["text"] for item in found["items"])


def test_another_run_fills_the_very_same_holes_and_is_compared(run: Run, tiny_model: Path) -> None:
    keep(run.home, own_hole("def area(pond):\n    return ", "pond.width * 2", "\n"))
    first = json.loads(result_path(work(run, holes=6, kinds=("line", "own"))).read_text("utf-8"))
    other = add_trained_run(run.home, tiny_model, "other", seed=1, max_seq_len=128)
    hold_out(other, {"sea.py": CODE.replace("step", "tide")})
    job = work(other, holes_of=f"tuned/{first['id']}")
    second = json.loads(result_path(job).read_text("utf-8"))
    assert second["holes_id"] == first["holes_id"]
    places = [
        [(i["path"], i["kind"], i["start"], i["truth"]) for i in found["items"]]
        for found in (first, second)
    ]
    assert places[0] == places[1]
    assert [item["kind"] for item in second["items"]] == ["line"] * 6 + ["own"]
    found = compare(run.home, "tuned", "other")
    assert (found["holes"], found["left_out"]) == (7, 0)


def test_a_wish_to_stop_leaves_no_result(run: Run) -> None:
    job = create(run.home, Request(run=run.name, holes=4))
    job.stop_path.write_text("save", encoding="utf-8")
    reporter = Reporter(job, "evaluate")
    reporter.open()
    with pytest.raises(StopRequested):
        evaluate(job, reporter, StopWish(job))
    reporter.close()
    assert not result_path(job).exists()


def test_held_out_code_without_a_hole_is_refused(run: Run) -> None:
    hold_out(run, {"a.py": "x\n"})
    with pytest.raises(SourceError, match="no hole"):
        work(run, holes=4)


def test_a_run_without_its_held_out_code_is_refused(run: Run) -> None:
    (run.dataset_dir / "held_out.jsonl").unlink()
    with pytest.raises(RunError, match="held-out code of 'tuned'"):
        held_out(run)


def test_the_training_code_is_read_back_from_the_rows(run: Run, tiny_model: Path) -> None:
    config = run.config().replace(fim_rate=1.0, span="mixed")
    tokenizer = CodeTokenizer.from_folder(tiny_model)
    format = find_format(tokenizer, tiny_model, config)
    recipe = Recipe.from_config(config, tokenizer, format)
    examples = list(examples_of(documents(), recipe, 0))
    assert {example.order for example in examples} == {"psm", "spm_v2"}
    with (run.dataset_dir / "train.rows").open("wb") as file:
        for row in pack(examples, config.max_seq_len, 4):
            file.write(to_words(row).tobytes())
    found = set(training_code(run, tokenizer, format, StopWish(run)))
    assert {example.source for example in examples} <= found


# --- answers and likelihood


@pytest.fixture(scope="module")
def completer(tiny_model: Path) -> Completer:
    return Completer.load(Config(base_model=str(tiny_model)), tiny_model)


def side(completer: Completer, told: list[int]) -> Side:
    """Both sides of a run named tuned, whose progress goes into a list."""
    return Side(completer, "tuned", completer.format, lambda n, *_: told.append(n), lambda: None)


def test_both_sides_write_what_the_server_would(completer: Completer, run: Run) -> None:
    completer.adapters.load("tuned", run.adapter_dir)
    holes = cut_holes(documents(), 6, seed=0).found
    asks = asks_for(holes, documents(), run.config(), completer.format)
    told: list[int] = []
    found, _ = fill(side(completer, told), holes, asks)
    assert [told[0], told[-1]] == [0, 6]
    for hole, ask, answers in zip(holes, asks, found, strict=True):
        for answer, adapter in zip(answers, (None, "tuned"), strict=True):
            alone = completer.complete(ask, adapter, threading.Event())
            text = "".join(chunk.text for chunk in alone)
            assert answer.text == (text if hole.kind == "block" else text.split("\n")[0])


def test_a_path_is_asked_with_only_where_the_run_was_trained_with_it(run: Run) -> None:
    holes = [Hole("pond.py", "Python", "line", "", "a = 1", "\n")]
    (plain,) = asks_for(holes, documents(), run.config(), None)
    assert (plain.path, plain.extra) == ("", ())
    config = run.config().replace(repo_context="neighbours")
    (near,) = asks_for(holes, documents(), config, None)
    assert near.path == "pond.py"
    assert [neighbour.path for neighbour in near.extra] == ["lake.py"]


def test_the_likelihood_is_that_of_a_plain_forward_pass(tiny_model: Path, run: Run) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    completer = Completer.load(Config(base_model=str(tiny_model)), tiny_model)
    adapters = Adapters(completer.adapters.base)
    adapters.load("tuned", run.adapter_dir)
    ask = Ask("def add(left", "return left\n", max_tokens=16)
    truth = Truth.of(", right):\n    ", completer.tokenizer, completer.format)
    found = Measurer(completer, "tuned", adapters).both(ask, truth, completer.format)

    prompt, _ = completer.prompt(ask, completer.format, 16)
    middle = completer.tokenizer.encode(", right):\n    ", continues=True)
    ids = torch.tensor([[*prompt, *middle, 0]])
    plain = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    with torch.no_grad(), quiet_peft():
        every = [plain(ids).logits[0]]
        every.append(PeftModel.from_pretrained(plain, run.adapter_dir)(ids).logits[0])
    for likelihood, logits in zip(found, every, strict=True):
        # the rows of the embedding that are no tokens take no part
        known = logits[:, : completer.tokenizer.vocab_size]
        losses = -known.log_softmax(-1)[:-1].gather(1, ids[0, 1:, None]).squeeze(1)
        assert likelihood.middle == pytest.approx(float(losses[len(prompt) - 1 : -1].sum()), 1e-4)
        assert likelihood.end == pytest.approx(float(losses[-1]), 1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt_bigcode"])
def test_the_likelihood_read_with_a_prompt_is_that_of_peft(
    kind: str, tmp_path: Path, home: Path
) -> None:
    """Nats of a whole middle and of its end, in fp32, to one part in a thousand."""
    model = build_model(tmp_path / "model", kind=kind)
    run = add_trained_run(Home(home), model, "tuned", max_seq_len=128)
    completer = Completer.load(Config(base_model=str(model)), model, rows=5)
    completer.adapters.load("tuned", run.adapter_dir)
    holes = cut_holes(documents(), 8, seed=0).found
    asks = asks_for(holes, documents(), run.config(), completer.format)
    answers, quick = fill(side(completer, []), holes, asks)
    told: list[int] = []
    assert nats(measure(side(completer, told), holes, asks)) == pytest.approx(nats(quick), 1e-3)
    assert told[-1] == 8

    adapters = Adapters(completer.adapters.base)
    adapters.load("tuned", run.adapter_dir)
    completer.adapters = adapters
    slow = measure(side(completer, told), holes, asks)
    assert nats(quick) == pytest.approx(nats(slow), 1e-3)
    assert len({round(value, 3) for value in nats(quick)}) > 24  # no two are alike by accident
    alone, nothing = fill(side(completer, told), holes, asks)
    assert nothing == [None] * 8
    assert alone == answers


def nats(found: list[tuple[Likelihood, Likelihood] | None]) -> list[float]:
    """All figures of some holes, in a row."""
    assert None not in found
    return [value for both in found if both for one in both for value in (one.middle, one.end)]


def test_a_truth_too_long_for_the_row_is_read_by_itself(completer: Completer, run: Run) -> None:
    completer.adapters.load("tuned", run.adapter_dir)
    code = "\n".join(f"left_{n} = {n}" for n in range(200))
    hole = Hole("a.py", "Python", "block", code + "\n", code[:600], "\n" + code)
    short = Hole("a.py", "Python", "line", "a = ", "left", "\n")
    holes = [hole, short]
    asks = asks_for(holes, documents(), run.config(), completer.format)
    told: list[int] = []
    answers, likely = fill(side(completer, told), holes, asks)
    assert [one is None for one in likely] == [True, False]
    assert len(answers) == 2
    found = measured_too(side(completer, told), holes, asks, likely)
    assert found[0] is not None
    assert found[0][0].middle > 100
    assert found[1] == likely[1]


def test_an_evaluation_by_peft_says_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = json.loads(result_path(work(run, holes=8)).read_text("utf-8"))
    monkeypatch.setattr("codetune_ui.engine.generate._decoder", lambda *_: None)
    job = work(run, holes=8)
    slow = json.loads(result_path(job).read_text("utf-8"))
    assert job.status().step == job.status().total_steps == 8 + 8 + 60
    for name in ("exact_match", "edit_similarity", "middle_nll_per_char"):
        assert slow["adapter"][name] == pytest.approx(quick["adapter"][name], abs=2e-3)
    assert slow["forgetting"]["nats_per_char"]["adapter"] == pytest.approx(
        quick["forgetting"]["nats_per_char"]["adapter"], abs=2e-3
    )


def test_a_wish_to_stop_is_heard_while_holes_are_filled(completer: Completer, run: Run) -> None:
    completer.adapters.load("tuned", run.adapter_dir)
    holes = cut_holes(documents(), 6, seed=0).found
    asks = asks_for(holes, documents(), run.config(), completer.format)
    told: list[int] = []

    def check() -> None:
        raise StopRequested

    leaving = Side(completer, "tuned", completer.format, lambda n, *_: told.append(n), check)
    with pytest.raises(StopRequested):
        fill(leaving, holes, asks)
    assert told == []
    assert completer.adapters.decoder is not None
    assert completer.adapters.decoder._slots == {}  # the rows are free again
