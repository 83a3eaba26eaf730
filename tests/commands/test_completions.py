from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.runs.infill import read_neighbours
from codetune_ui.runs.lock import is_held
from codetune_ui.runs.store import Home
from tests.calling import Trained, call, last_json, refused
from tests.runs.serving import add_trained_run


@pytest.fixture
def hole(tmp_path: Path) -> list[object]:
    """Write the two sides of a hole."""
    (tmp_path / "prefix.py").write_text("def add(left, right):\n    return ", encoding="utf-8")
    (tmp_path / "suffix.py").write_text("\n\nprint(add(1, 2))\n", encoding="utf-8")
    return ["--prefix-file", tmp_path / "prefix.py", "--suffix-file", tmp_path / "suffix.py"]


def test_infill_asks_base_and_adapter_and_leaves_no_server(
    trained: Trained, hole: list[object]
) -> None:
    answer = last_json(call("infill", "--home", trained.home, "--run", "first", *hole, "--json"))
    assert answer["prompt_tokens"] > 10
    for who in ("base", "adapter"):
        assert set(answer[who]) == {"text", "tokens", "ms_first_token", "ms_total"}
        assert answer[who]["ms_total"] >= answer[who]["ms_first_token"] > 0
    assert not is_held(trained.home / "server" / "lock")


def test_infill_reads_a_path_and_neighbours_as_the_run_was_trained_to(
    home: Path,
    tiny_model: Path,
    tmp_path: Path,
    hole: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_trained_run(Home(home), tiny_model, "near", repo_context="neighbours", context_tokens=24)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tax.py").write_text("rate = 2\n" * 99, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    asked = ["infill", "--run", "near", *hole, "--path", "shop/cart.py"]
    alone = last_json(call(*asked, "--json"))["prompt_tokens"]
    read = last_json(call(*asked, "--neighbour", "shop/tax.py", "--json"))["prompt_tokens"]
    assert 8 < read - alone <= 24


def test_infill_refuses_neighbours_for_a_run_that_knows_none(
    trained: Trained, tmp_path: Path, hole: list[object]
) -> None:
    who = ["--home", trained.home, "--run", "first"]
    answer = call("infill", *who, *hole, "--neighbour", tmp_path / "prefix.py")
    refused(answer, "'first' was not trained to read neighbouring files. Leave --neighbour away")


def test_neighbours_are_named_from_this_folder_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "code"
    (here / "shop").mkdir(parents=True)
    for path in (here / "shop" / "tax.py", tmp_path / "far.py"):
        path.write_text("x = 1\n", encoding="utf-8")
    monkeypatch.chdir(here)
    found = read_neighbours([here / "shop" / "tax.py", Path("shop/tax.py"), tmp_path / "far.py"])
    assert [file.path for file in found] == ["shop/tax.py", "shop/tax.py", "far.py"]


def test_serve_answers_until_it_is_told_to_end(home: Path, tiny_model: Path) -> None:
    command = [sys.executable, "app.py", "serve", "--model", str(tiny_model), "--json"]
    with subprocess.Popen(
        [*command, "--port", str(free_port())],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        assert httpx.get(f"{answer['url']}/health", trust_env=False).json()["status"] == "ok"
        process.terminate()
    assert process.returncode == 0
    assert answer["models"] == ["base"]
    assert not is_held(home / "server" / "lock")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("who", [[], ["--run", "first", "--model", "demo"]])
def test_infill_asks_for_a_run_or_a_model(who: list[object], hole: list[object]) -> None:
    refused(call("infill", *who, *hole), "either --run RUN or --model M")


def test_infill_refuses_a_run_without_an_adapter(home: Path, hole: list[object]) -> None:
    Home(home).create_run(Config(), "first")
    refused(call("infill", "--run", "first", *hole), "'first' has no adapter yet")


def test_infill_refuses_a_file_that_is_not_there(tmp_path: Path, hole: list[object]) -> None:
    arguments = ["--model", "demo", *hole[:3], tmp_path / "nothing.py"]
    refused(call("infill", *arguments), "nothing.py")
