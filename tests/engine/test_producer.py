from __future__ import annotations

from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import RunError, SourceError
from codetune_ui.engine.producer import Producer
from codetune_ui.engine.report import StopRequested, StopWish
from codetune_ui.runs.store import Home, Run


@pytest.fixture(scope="module")
def model(tiny_tokenizer: Path) -> Path:
    (tiny_tokenizer / "fim.json").write_text('{"family": "starcoder"}')
    return tiny_tokenizer


def make(model: Path, source: Path, name: str) -> Run:
    settings = {
        "base_model": str(model),
        "source": str(source),
        "max_seq_len": 128,
        "max_steps": 10,
        "global_batch_rows": 4,
    }
    return Home.current().create_run(Config.from_dict(settings), name)


def test_a_producer_writes_rows_that_one_can_wait_for(model: Path, code_folder: Path) -> None:
    run = make(model, code_folder, "ahead")
    with Producer(run, model, StopWish(run)) as producer:
        assert producer.wait_for("ready").val_rows == 20
        producer.wait_for_rows(40)
        assert producer.wait_for("done").train_rows == 40
    with Producer(run, model, StopWish(run)) as again:  # nothing is left to do
        assert again.wait_for("done", patience_s=0).train_rows == 40


def test_what_the_producer_refuses_is_raised_here(model: Path, tmp_path: Path) -> None:
    run = make(model, tmp_path / "nowhere", "refused")
    with Producer(run, model, StopWish(run)) as producer:
        with pytest.raises(SourceError, match="no folder or file") as caught:
            producer.wait_for("ready")
        assert caught.value.hint


def test_a_producer_that_was_killed_is_noticed(model: Path, code_folder: Path) -> None:
    run = make(model, code_folder, "killed")
    with Producer(run, model, StopWish(run)) as producer:
        assert producer._process is not None
        producer._process.kill()
        with pytest.raises(RunError, match="ended unexpectedly"):
            producer.wait_for("done")


def test_waiting_hears_a_wish_to_stop(model: Path, code_folder: Path) -> None:
    run = make(model, code_folder, "stopped")
    run.stop_path.write_text("save")
    with Producer(run, model, StopWish(run)) as producer, pytest.raises(StopRequested):
        producer.wait_for("done")
