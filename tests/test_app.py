from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from app import cli
from codetune_ui.commands.jobs import FIGURES
from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.runs.infill import read_neighbours
from codetune_ui.runs.lock import is_held
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home
from tests.runs.processes import OBEYS_THE_STOP_FILE, working
from tests.runs.serving import add_trained_run, hold_out
from tests.tiny import build_tokenizer
from tests.ui.evaluations import add, add_run


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def last_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert result.stdout == ""


# --- the machine and the list of runs


def test_doctor_tells_what_is_installed(home: Path) -> None:
    facts = last_json(call("doctor", "--json"))
    assert facts["home"] == str(home)
    assert facts["python"].startswith("3.")
    assert facts["packages"]["torch"]
    assert facts["memory_gib"] > 0.5
    assert facts["disk_free_gib"] > 0


def test_doctor_has_a_text_for_people() -> None:
    result = call("doctor")
    assert result.exit_code == 0
    assert "flash-attn" in result.stdout


def test_doctor_sees_a_taken_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr("codetune_ui.runs.doctor.PAGE_PORT", taken.getsockname()[1])
        assert last_json(call("doctor", "--json"))["port_free"] is False


def test_a_fresh_home_has_no_runs() -> None:
    assert last_json(call("runs", "--json")) == {"runs": []}
    assert call("runs").stdout == "There are no runs yet.\n"


def test_runs_are_listed_with_their_state(home: Path) -> None:
    run = Home(home).create_run(Config(base_model="demo", source="demo"), "first")
    run.write_status(Status(state="running", step=7, started=1000.0))
    assert last_json(call("runs", "--json"))["runs"] == [
        {
            "run": "first",
            "state": "lost",
            "steps": 7,
            "started": 1000.0,
            "base_model": "demo",
            "data": "demo",
        }
    ]


def test_the_home_can_be_named_before_and_after_the_command(tmp_path: Path) -> None:
    Home(tmp_path / "other").create_run(Config(), "there")
    for arguments in (
        ["--home", tmp_path / "other", "runs"],
        ["runs", "--home", tmp_path / "other"],
    ):
        assert call(*arguments).stdout.startswith("there")


# --- stop


def test_stop_stops_a_living_run(home: Path) -> None:
    run = Home(home).create_run(Config(), "first")
    with working(run, OBEYS_THE_STOP_FILE):
        assert last_json(call("stop", "first", "--json")) == {"run": "first", "state": "stopped"}


def test_stop_and_discard_keeps_no_adapter(home: Path) -> None:
    run = Home(home).create_run(Config(), "first")
    with working(run, OBEYS_THE_STOP_FILE):
        run.adapter_dir.mkdir()
        assert call("stop", "first", "--discard").stdout == "'first' is stopped.\n"
    assert not run.adapter_dir.exists()


def test_stopping_an_ended_run_says_how_it_ended(home: Path) -> None:
    Home(home).create_run(Config(), "first").write_status(Status(state="finished"))
    assert last_json(call("stop", "first", "--json"))["state"] == "finished"


@pytest.mark.parametrize("command", ["stop", "resume"])
def test_a_command_on_an_unknown_run_is_refused(command: str) -> None:
    refused(call(command, "nobody"), "There is no run 'nobody'.")


# --- refused input


def test_an_unknown_setting_is_refused() -> None:
    refused(call("train", "--set", "speed=9"), "There is no setting 'speed'.")


def test_a_setting_out_of_its_limits_is_refused_with_a_proposal() -> None:
    refused(call("train", "--set", "lora_rank=0"), "LoRA rank is 0", "Try 16")


def test_an_unknown_preset_is_refused() -> None:
    refused(call("train", "--preset", "fast"), "There is no preset 'fast'", "demo, guide")


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    refused(call("train", "--data", tmp_path / "nothing"), "nothing")
    assert Home.current().runs() == []


def test_a_model_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    refused(call("train", "--model", tmp_path / "nothing"), "nothing")
    assert Home.current().runs() == []


def test_a_taken_run_name_is_refused(home: Path, tiny_tokenizer: Path, code_folder: Path) -> None:
    Home(home).create_run(Config(), "first")
    arguments = ["train", "--model", tiny_tokenizer, "--data", code_folder, "--name", "first"]
    refused(call(*arguments, "--set", "family=starcoder"), "There is a run named 'first' already")


def test_a_password_without_a_name_is_refused() -> None:
    refused(call("--auth", "secret"), "--auth USER:PASSWORD")


def test_a_page_for_the_whole_network_needs_a_password() -> None:
    refused(call("--host", "0.0.0.0", "--no-browser"), "0.0.0.0", "--auth")


def test_a_taken_port_is_refused_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(call("--port", port), f"Port {port} is taken", f"--port {port + 1}")


# --- preview


def preview(*arguments: object) -> dict[str, Any]:
    return last_json(call("preview", *arguments, "--json"))


@pytest.fixture
def sources(tiny_tokenizer: Path, code_folder: Path) -> list[object]:
    """Name a tokenizer's folder and a folder of code; the family is said, for no model says it."""
    return ["--model", tiny_tokenizer, "--data", code_folder, "--set", "family=starcoder"]


def test_preview_shows_samples_with_their_ids(sources: list[object]) -> None:
    found = preview(*sources, "--samples", 20, "--seed", 1, "--set", "fim_rate=1")
    assert (found["family"], found["orders"]) == ("starcoder", ["psm", "spm_v2"])
    assert (found["fim_rate_effective"], found["whole_prompt_share"]) == (1.0, 1.0)
    assert len(found["samples"]) == 20
    assert {sample["mode"] for sample in found["samples"]} == {"psm", "spm"}
    for sample in found["samples"]:
        assert sample["prefix"] + sample["middle"] + sample["suffix"] == sample["source"]
        assert len(sample["input_ids"]) == len(sample["labels"])
        assert sample["path"].endswith(".py")


def test_the_same_seed_gives_the_same_samples(sources: list[object]) -> None:
    assert preview(*sources, "--seed", 1) == preview(*sources, "--seed", 1)
    assert preview(*sources, "--seed", 1) != preview(*sources, "--seed", 2)


def test_more_samples_than_files_come_from_later_epochs(sources: list[object]) -> None:
    assert len(preview(*sources, "--samples", 200)["samples"]) == 200


def test_preview_left_to_right_has_no_family(sources: list[object]) -> None:
    found = preview(*sources, "--set", "left_to_right=yes")
    assert (found["family"], found["orders"], found["fim_rate_effective"]) == (None, [], 0.0)
    assert {sample["mode"] for sample in found["samples"]} == {"ltr"}


def test_preview_has_a_text_for_people(sources: list[object]) -> None:
    result = call("preview", *sources, "--set", "fim_rate=1", "--samples", 1)
    assert result.exit_code == 0
    assert "⟦" in result.stdout


def test_a_tokenizer_without_fim_tokens_is_refused(tmp_path: Path, code_folder: Path) -> None:
    build_tokenizer(tmp_path / "plain", special_tokens=["<|endoftext|>"])
    for command in ("preview", "train"):
        refused(
            call(command, "--model", tmp_path / "plain", "--data", code_folder),
            "no FIM tokens",
            "Train left to right only",
        )


def test_too_few_files_are_refused(tmp_path: Path, tiny_tokenizer: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "only.py").write_text("print('one')\n", encoding="utf-8")
    sources = ["--model", tiny_tokenizer, "--data", tmp_path / "code", "--set", "family=starcoder"]
    refused(call("preview", *sources), "too little code")


# --- jobs


def test_scan_reports_what_is_kept(tiny_model: Path, code_folder: Path) -> None:
    report = last_json(call("scan", "--model", tiny_model, "--data", code_folder, "--json"))
    assert (report["found"], report["kept"], report["dropped"]) == (24, 24, {})
    assert report["train"] + report["held_out"] == 24
    assert len(report["files"]) == 24


def test_a_folder_without_code_is_refused_by_scan(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "notes.pdf").write_bytes(b"%PDF")
    result = call("scan", "--model", tiny_model, "--data", tmp_path / "code")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_several_sources_are_scanned_together(
    tmp_path: Path, tiny_model: Path, code_folder: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "only.py").write_text("".join(f"answer_{n} = {n} * {n}\n" for n in range(30)))
    sources = ["--data", code_folder, "--data", f"{other} *0.5"]
    report = last_json(call("scan", "--model", tiny_model, *sources, "--json"))
    assert report["found"] == report["kept"] == 25
    assert "other/only.py" in [line["path"] for line in report["files"]]


def test_a_scan_for_people_sums_up(tiny_model: Path, code_folder: Path) -> None:
    lines = call("scan", "--model", tiny_model, "--data", code_folder).stdout.splitlines()
    assert lines[0] == "24 files found, 24 kept"
    assert "No secrets found" in lines


def test_a_cancelled_scan_exits_like_a_program_ended_by_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, code_folder: Path
) -> None:
    monkeypatch.setattr("codetune_ui.commands.jobs.work", lambda *_: "stopped")
    result = call("scan", "--data", code_folder, "--json")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "The scan was cancelled.\n"


def test_a_login_in_a_url_is_not_listed(home: Path) -> None:
    url = "https://me:hidden@host/a.git"
    Home(home).create_run(Config(source=url), "amber-otter")
    [row] = last_json(call("runs", "--json"))["runs"]
    assert row["data"] == "https://***@host/a.git"


SHORT = ["--preset", "demo", "--set", "max_seq_len=128", "--set", "log_every=1"]
SHORT += ["--set", "global_batch_rows=2", "--set", "micro_batch_rows=2", "--set", "save_every=2"]
SHORT += ["--set", "eval_every=3", "--set", "quant=none", "--set", "compute_dtype=float32"]


@dataclass(frozen=True)
class Trained:
    home: Path
    answer: dict[str, Any]


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, code_folder: Path
) -> Trained:
    """Train the run 'first' for three steps, once for all tests that need an adapter."""
    home = tmp_path_factory.mktemp("trained")
    arguments = ["--model", tiny_model, "--data", code_folder, *SHORT, "--set", "max_steps=3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODETUNE_HOME", str(home))
        answer = last_json(call("train", *arguments, "--name", "first", "--json"))
    return Trained(home.resolve(), answer)


def test_train_ends_with_an_adapter_and_its_figures(trained: Trained) -> None:
    answer = trained.answer
    assert (answer["run"], answer["state"], answer["steps"]) == ("first", "finished", 3)
    assert set(answer) == {"run", "state", *FIGURES}
    assert answer["loss_first"] > 0
    assert answer["val_loss_last"] > 0
    assert answer["adapter"] == str(trained.home / "runs" / "first" / "adapter")
    assert (Path(answer["adapter"]) / "adapter_model.safetensors").is_file()


def test_ctrl_c_stops_and_saves(home: Path, tiny_model: Path, code_folder: Path) -> None:
    command = [sys.executable, "app.py", "train", *SHORT, "--set", "max_steps=5000", "--json"]
    command += ["--model", str(tiny_model), "--data", str(code_folder), "--name", "first"]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith("step 2 ") for line in process.stderr)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate()
    assert process.returncode == 0
    answer = json.loads(stdout.splitlines()[-1])
    assert answer["state"] == "stopped"
    assert answer["steps"] < 5000
    assert list((home / "runs" / "first" / "checkpoints").iterdir())


# --- completions


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


# --- exports


def test_export_writes_an_adapter_that_is_opened_again(
    tiny_model: Path, home: Path, tmp_path: Path
) -> None:
    run = add_trained_run(Home(home), tiny_model, "tuned", max_seq_len=128)
    hold_out(run, {"a.py": "".join(f"value_{n} = compute({n}, {n})\n" for n in range(20))})
    options = ("--format", "adapter", "--to", tmp_path / "out")
    refused(call("export", "tuned", *options), "'tuned' has not been evaluated", "--yes")
    found = last_json(call("export", "--run", "tuned", *options, "--yes", "--json"))
    assert (found["run"], found["format"], found["to"]) == (
        "tuned",
        "adapter",
        str(tmp_path / "out"),
    )
    assert found["check"]["answers"] == "same"
    assert set(found["files"]) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}


def test_export_refuses_a_format_it_does_not_know() -> None:
    refused(call("export", "x", "--format", "onnx"), "no export format 'onnx'", "gguf-adapter,")


def test_export_refuses_a_run_that_is_not_there(tmp_path: Path) -> None:
    refused(call("export", "x", "--to", tmp_path / "out"), "There is no run 'x'")
    refused(call("export", "--to", tmp_path / "out"), "No run is named")


# --- evaluations


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
    assert "4 of 4 holes measured" in result.stderr
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
