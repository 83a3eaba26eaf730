from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.commands.jobs import FIGURES
from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home
from tests.calling import SHORT, Trained, call, last_json, refused
from tests.runs.processes import OBEYS_THE_STOP_FILE, working
from tests.tiny import build_tokenizer

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


def test_a_number_of_processes_that_does_not_fit_a_run_is_refused(home: Path) -> None:
    Home(home).create_run(Config(), "first")
    refused(
        call("resume", "first", "--processes", "3"),
        "16 rows per step cannot be divided among 3 processes.",
        "Set processes to 2",
    )


def test_a_base_is_not_split_for_one_process(home: Path) -> None:
    Home(home).create_run(Config(), "first")
    for command in (["train"], ["resume", "first"]):
        refused(
            call(*command, "--split-base", "yes"),
            "One process has nobody to split the base with.",
            "Set processes to the number of cards",
        )


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
