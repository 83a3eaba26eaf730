from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, ModelError
from codetune_ui.runs.client import CompletionClient, ServerState, ensure_server, server_state
from codetune_ui.runs.client import stop_server as stop
from codetune_ui.runs.lock import hold
from codetune_ui.runs.store import Home
from tests.tiny import build_tokenizer

STATE = ServerState(1, 1, "t", "demo", "", "auto", False, 0.0)


@pytest.fixture
def where(home: Path) -> Iterator[Home]:
    found = Home(home)
    yield found
    stop(found)


def test_there_is_no_server_at_first(where: Home) -> None:
    assert server_state(where) is None
    stop(where)


def test_a_file_without_a_living_server_is_not_believed(where: Home) -> None:
    where.server_dir.mkdir()
    (where.server_dir / "lock").touch()
    (where.server_dir / "server.json").write_text('{"port": 1}', encoding="utf-8")
    assert server_state(where) is None


def test_a_server_serves_one_base_in_one_format() -> None:
    assert STATE.serves(Config())
    assert not STATE.serves(Config(base_model="other"))
    assert not STATE.serves(Config(left_to_right=True))


def test_a_server_of_another_base_is_replaced(
    where: Home, tiny_model: Path, tmp_path: Path
) -> None:
    config = Config(base_model=str(tiny_model))
    first = ensure_server(where, config, wait_s=120)
    assert ensure_server(where, config).state == first.state
    found = list(first.complete("a", "b", max_tokens=2))
    assert found[-1].timings is not None
    assert found[-1].timings.tokens in (1, 2)
    assert found[-1].mode == "psm"
    with pytest.raises(ModelError, match="There is no run 'nobody'"):
        list(first.complete("a", "b", model="codetune-nobody"))

    plain = Config(base_model=str(without_fim_tokens(tiny_model, tmp_path / "plain")))
    with pytest.raises(ModelError, match="This tokenizer has no FIM tokens"):
        ensure_server(where, plain, wait_s=120)
    assert first.health() is None

    second = ensure_server(where, plain.replace(left_to_right=True), wait_s=120)
    assert list(second.complete("a = ", "b", max_tokens=3))[-1].mode == "ltr"
    stop(where)
    assert server_state(where) is None
    with pytest.raises(MachineError, match="went away"):
        list(second.complete("a", "b"))


def without_fim_tokens(model: Path, folder: Path) -> Path:
    shutil.copytree(model, folder)
    (folder / "fim.json").unlink()
    return build_tokenizer(folder, special_tokens=["<|endoftext|>"])


def test_a_server_that_is_gone_is_one_sentence() -> None:
    with pytest.raises(MachineError, match="went away"):
        list(CompletionClient(STATE).complete("a", "b"))


def test_a_lock_without_a_server_does_not_hang_a_stop(
    where: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codetune_ui.runs.client.END_S", 0.2)
    note = {**STATE.__dict__, "pid": 2**22 + 1}
    with hold(where.server_dir / "lock"):
        (where.server_dir / "server.json").write_text(json.dumps(note), encoding="utf-8")
        with pytest.raises(MachineError, match="does not end"):
            stop(where)
