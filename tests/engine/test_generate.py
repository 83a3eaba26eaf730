from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from codetune_ui.core.completion import Ask, Chunk
from codetune_ui.core.config import Config
from codetune_ui.core.context import Surroundings
from codetune_ui.core.document import Document
from codetune_ui.core.errors import ModelError
from codetune_ui.core.neighbours import Neighbour, Repository
from codetune_ui.engine.answer import Job
from codetune_ui.engine.generate import Completer, choose
from codetune_ui.runs.store import Home
from tests.runs.serving import add_trained_run, make_talkative

ASK = Ask("def add(left", "return left\n", max_tokens=12)


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_talkative(tiny_model, tmp_path_factory.mktemp("talkative") / "model")


@pytest.fixture(scope="module")
def completer(model: Path) -> Completer:
    return Completer.load(Config(base_model=str(model)), model)


def text_of(chunks: Iterator[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def run(completer: Completer, ask: Ask, adapter: str | None = None) -> list[Chunk]:
    return list(completer.complete(ask, adapter, threading.Event()))


def test_greedy_decoding_is_what_transformers_generates(completer: Completer, model: Path) -> None:
    from transformers import AutoModelForCausalLM

    ids, mode = completer.prompt(ASK, completer.format, 12)
    assert mode == "psm"
    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    whole = plain.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, pad_token_id=4)
    written = [token for token in whole[0, len(ids) :].tolist() if token not in range(7)]
    expected = completer.tokenizer.decode(written)
    assert text_of(iter(run(completer, ASK))) == expected


def test_the_prompt_is_psm_with_sentinel_ids(completer: Completer) -> None:
    ids, _ = completer.prompt(Ask("a", "<fim_middle>"), completer.format, 8)
    assert ids[0] == 1
    assert ids[-1] == 2
    assert ids.count(2) == 1  # the text of a sentinel in the code stays text
    assert ids.count(3) == 1


def test_without_a_suffix_the_prefix_is_continued(completer: Completer) -> None:
    ids, mode = completer.prompt(Ask("a = 1"), completer.format, 8)
    assert mode == "ltr"
    assert completer.tokenizer.decode(ids) == "a = 1"


def test_a_path_and_other_files_stand_before_the_prompt(completer: Completer) -> None:
    extra = (Neighbour("lib.py", "x = 1\n"),)
    ids, _ = completer.prompt(Ask("a", "b", path="main.py", extra=extra), completer.format, 8)
    assert completer.tokenizer.decode(ids) == (
        "<filename>lib.py\nx = 1\n<filename>main.py\n<fim_prefix>a<fim_suffix>b<fim_middle>"
    )
    plain, mode = completer.prompt(Ask("a = 1", path="main.py"), completer.format, 8)
    assert (completer.tokenizer.decode(plain), mode) == ("<filename>main.py\na = 1", "ltr")


def test_other_files_take_no_more_than_is_asked(completer: Completer) -> None:
    extra = (Neighbour("a.py", "x = 1\n" * 9), Neighbour("b.py", "y = 2\n" * 9))
    ask = Ask("a", "b", path="main.py", extra=extra)
    path_alone, _ = completer.prompt(Ask("a", "b", path="main.py"), completer.format, 8)
    for most in (0, 9, 30):
        ids, _ = completer.prompt(replace(ask, context_tokens=most), completer.format, 8)
        assert len(ids) <= len(path_alone) + most
        assert ids[-len(path_alone) :] == path_alone
    assert len(ids) > len(path_alone)


def test_the_prompt_s_context_is_the_one_that_training_lays_out(completer: Completer) -> None:
    files = [
        Document("import lib\n" * 3, "main.py", "Python", ""),
        Document("x = 1\n" * 40, "lib.py", "Python", ""),
    ]
    repository = Repository(files)
    trained = Surroundings(completer.format, completer.tokenizer, "", 64, repository)
    context = trained.around("main.py", 400)
    extra = repository.neighbours("main.py")
    ask = Ask("a", "b", path="main.py", extra=extra, context_tokens=64)
    ids, _ = completer.prompt(ask, completer.format, 8)
    assert tuple(ids[: len(context.before)]) == context.before
    assert 48 < context.size == len(ids) - len(completer.prompt(Ask("a", "b"), None, 8)[0]) - 4


def test_other_files_never_push_out_the_text_around_the_hole(completer: Completer) -> None:
    extra = (Neighbour("lib.py", "x = 1\n" * 2000),)
    without, _ = completer.prompt(Ask("a = 1\n" * 40, "b = 2\n"), completer.format, 8)
    ids, _ = completer.prompt(
        Ask("a = 1\n" * 40, "b = 2\n", path="main.py", extra=extra), completer.format, 8
    )
    assert ids[-len(without) :] == without
    assert len(without) < len(ids) <= 504


def test_the_last_chunk_has_the_figures(completer: Completer) -> None:
    last = run(completer, ASK)[-1]
    assert last.finish in ("length", "stop")
    assert last.timings is not None
    assert 1 <= last.timings.tokens <= 12
    assert last.timings.prompt_tokens == len(completer.prompt(ASK, completer.format, 12)[0])
    assert 0 < last.timings.ms_first_token <= last.timings.ms_total


def test_a_seed_repeats_a_sampled_text(completer: Completer) -> None:
    warm = Ask("x = ", "\n", max_tokens=12, temperature=1.2, top_p=0.9, seed=7)
    assert text_of(iter(run(completer, warm))) == text_of(iter(run(completer, warm)))


def test_a_cancel_ends_the_text_at_the_token_it_is_at(completer: Completer) -> None:
    cancel = threading.Event()
    found = []
    for chunk in completer.complete(Ask("x", "y", max_tokens=100), None, cancel):
        found.append(chunk)
        if len(found) == 3:
            cancel.set()
    assert found[-1].finish == "cancelled"
    assert found[-1].tokens < 100


def test_an_adapter_is_switched_per_request_and_leaves_the_base_as_it_was(
    completer: Completer, model: Path, home: Path
) -> None:
    trained = add_trained_run(Home(home), model, "amber-otter")
    before = text_of(iter(run(completer, ASK)))
    completer.adapters.load("amber-otter", trained.adapter_dir)
    tuned = text_of(iter(run(completer, ASK, "amber-otter")))
    assert tuned != before
    assert text_of(iter(run(completer, ASK))) == before
    assert text_of(iter(run(completer, ASK, "amber-otter"))) == tuned


def test_the_decoder_says_what_the_plain_way_says(
    completer: Completer, model: Path, home: Path
) -> None:
    where = Home(home)
    first = add_trained_run(where, model, "run.one", seed=1)
    second = add_trained_run(where, model, "run.two", seed=2)
    plain = Completer.load(Config(base_model=str(model)), model)
    plain.adapters.decoder = None
    for one in (completer, plain):
        one.adapters.load("run.one", first.adapter_dir)
        one.adapters.load("run.two", second.adapter_dir)
    assert completer.adapters.decoder is not None
    for name in ("run.one", None, "run.two", "run.one"):
        expected = text_of(iter(run(completer, ASK, name)))
        assert text_of(iter(run(plain, ASK, name))) == expected
    warm = Ask("x = ", "\n", max_tokens=12, temperature=1.2, top_p=0.9, seed=7)
    assert text_of(iter(run(plain, warm))) == text_of(iter(run(completer, warm)))


def test_jobs_that_come_together_are_written_side_by_side(
    completer: Completer, model: Path, home: Path
) -> None:
    trained = add_trained_run(Home(home), model, "amber-otter")
    completer.adapters.load("amber-otter", trained.adapter_dir)
    asks = [(ASK, None), (ASK, "amber-otter"), (Ask("x", "y", max_tokens=5), None)]
    alone = [text_of(iter(run(completer, ask, name))) for ask, name in asks]
    jobs = [Job(ask, name, threading.Event()) for ask, name in asks]
    waiting = iter(jobs)
    texts = dict.fromkeys(jobs, "")
    order = []
    for job, chunk in completer.together(lambda: next(waiting, None)):
        texts[job] += chunk.text
        order.append(jobs.index(job))
    assert list(texts.values()) == alone
    assert order.index(1) < len(order) - 1 - order[::-1].index(0)  # the second began before the end


def test_one_that_leaves_does_not_end_the_other(completer: Completer) -> None:
    jobs = [Job(Ask(text, "y", max_tokens=30), None, threading.Event()) for text in ("a", "b")]
    waiting = iter(jobs)
    last = {}
    for job, chunk in completer.together(lambda: next(waiting, None)):
        if job is jobs[0] and chunk.tokens == 3:
            jobs[0].cancel.set()
        last[job] = chunk
    assert (last[jobs[0]].finish, last[jobs[0]].tokens) == ("cancelled", 3)
    assert (last[jobs[1]].finish, last[jobs[1]].tokens) == ("length", 30)


def test_an_adapter_the_decoder_does_not_know_is_pefts_own(model: Path, home: Path) -> None:
    where = Home(home)
    plain = add_trained_run(where, model, "plain")
    odd = add_trained_run(where, model, "odd", use_dora=True)
    completer = Completer.load(Config(base_model=str(model)), model)
    completer.adapters.load("plain", plain.adapter_dir)
    expected = text_of(iter(run(completer, ASK, "plain")))
    completer.adapters.load("odd", odd.adapter_dir)
    assert completer.adapters.decoder is None
    completer.adapters.load("plain", plain.adapter_dir)
    assert text_of(iter(run(completer, ASK, "plain"))) == expected
    assert text_of(iter(run(completer, ASK, "odd"))) != expected


def test_a_folder_without_safetensors_is_refused(completer: Completer, tmp_path: Path) -> None:
    (tmp_path / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="'x' has no adapter yet"):
        completer.adapters.load("x", tmp_path)


def test_top_p_keeps_the_likeliest_only() -> None:
    logits = torch.tensor([0.0, 5.0, 1.0])
    rng = torch.Generator().manual_seed(0)
    assert {choose(logits, 1.0, 0.5, rng) for _ in range(20)} == {1}
    assert choose(logits, 0.0, 1.0, None) == 1
