"""The way to SkyPilot's cluster and back, with a folder as the cloud: rsync and files are real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError
from codetune_ui.runs import sky
from codetune_ui.runs.elsewhere import choose, place
from codetune_ui.runs.placement import parse_placement, read_placement
from codetune_ui.runs.process import launch, request_stop, start_worker, stop_and_wait
from codetune_ui.runs.store import Home, Run
from tests.quick_run import tiny_config
from tests.runs.processes import BEGIN, OBEYS_THE_STOP_FILE
from tests.small_cloud import a_cloud, is_idle, works_with

SKYPILOT = shutil.which("sky")
DIES = BEGIN + "    sys.exit(1)\n"

pytestmark = [
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync on this machine"),
    pytest.mark.skipif(sys.platform != "linux", reason="the small cloud is one of /proc"),
]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    programs, cloud = a_cloud(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield cloud
    assert is_idle(cloud)


@pytest.fixture
def run(home: Path, tiny_model: Path, code_folder: Path) -> Run:
    run = Home(home).create_run(tiny_config(tiny_model, code_folder), "far-off")
    place(run, parse_placement("sky:infra=k8s"))
    return run


def until(condition: Callable[[], object], run: Run, wait_s: float = 60.0) -> None:
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, f"{run.status()}\n{run.log_tail()}"
        time.sleep(0.05)


def test_the_task_takes_along_what_the_settings_name_and_nothing_else(
    run: Run, tiny_model: Path, code_folder: Path
) -> None:
    placement = parse_placement("sky:infra=k8s,use_spot=true,disk_size=200,cpus=8+")
    assert placement is not None
    written = json.loads(sky.write_task(run, placement, "train").read_text())
    assert written["file_mounts"] == {
        "~/codetune/runs/far-off": str(run.path),
        str(code_folder): str(code_folder),
        str(tiny_model): str(tiny_model),
    }
    assert written["resources"] == {
        "infra": "k8s",
        "use_spot": True,
        "disk_size": 200,
        "cpus": "8+",
        "autostop": {"idle_minutes": 10, "down": True},
    }


def test_the_demo_and_a_hub_dataset_need_no_file_taken_along(home: Path) -> None:
    run = Home(home).create_run(Config(source="hub:team/code"), "hub")
    placement = parse_placement("sky")
    assert placement is not None
    assert list(sky.task(run, placement, "train")["file_mounts"]) == ["~/codetune/runs/hub"]


def test_a_run_on_the_cloud_looks_like_one_here_and_is_stopped_like_one(
    run: Run, cloud: Path
) -> None:
    works_with(cloud, OBEYS_THE_STOP_FILE)
    start_worker(run, "train")
    until(lambda: run.state() == "running", run)
    assert stop_and_wait(run) == "stopped"
    assert (cloud / "is_down").exists()
    assert read_placement(run.path).job == "codetune-far-off-run"  # type: ignore[union-attr]


def test_a_cloud_without_room_is_told_as_a_failure(run: Run, cloud: Path) -> None:
    (cloud / "full").touch()
    assert launch(run, "train").wait() == 1
    assert run.state() == "failed"
    assert run.status().message == "SkyPilot found no machine, or could not begin there."
    assert "No resource satisfies the request" in run.log_tail()


def test_a_worker_that_dies_on_the_cloud_is_told_and_the_machine_given_back(
    run: Run, cloud: Path
) -> None:
    works_with(cloud, DIES)
    assert launch(run, "train").wait() == 1
    assert run.state() == "failed"
    assert run.status().message == "The cluster ended it without notice."
    assert (cloud / "is_down").exists()


def test_what_another_attempt_left_there_is_not_taken_for_this_one_s(run: Run, cloud: Path) -> None:
    works_with(cloud, OBEYS_THE_STOP_FILE.replace('state="running"', 'state="running", ticket="x"'))
    start_worker(run, "train")
    until(lambda: sky.their_status(run).exists(), run)
    assert run.state() == "preparing"
    request_stop(run)
    until(lambda: not run.alive(), run)
    assert run.state() == "failed"


def test_without_sky_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match="sky is missing"):
        choose("sky")


@pytest.mark.slow
def test_an_adapter_that_was_trained_on_the_cloud_lies_at_home(run: Run, cloud: Path) -> None:
    works_with(cloud)
    start_worker(run, "train")
    until(lambda: run.status().step >= 60, run, 180.0)
    assert stop_and_wait(run, patience_s=120.0) == "stopped"
    assert (run.adapter_dir / "adapter_model.safetensors").is_file()
    result = run.result()
    assert result is not None
    assert result["adapter"] == str(run.adapter_dir)
    came_home = [run.events_path, run.result_path, *run.adapter_dir.iterdir()]
    assert not any(path.stat().st_mode & 0o077 for path in came_home)
    steps = [path.name for path in run.checkpoints_dir.iterdir()]
    there = cloud / "codetune" / "runs" / run.name / "checkpoints"
    assert sorted(steps) == sorted(path.name for path in there.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(SKYPILOT is None, reason="SkyPilot is not on this machine")
def test_skypilot_s_own_parser_takes_the_task_and_refuses_an_unknown_resource(
    run: Run, tmp_path: Path
) -> None:
    assert SKYPILOT is not None
    python = Path(SKYPILOT).read_text().splitlines()[0].removeprefix("#!")
    read = "import sys, sky; print(sky.Task.from_yaml(sys.argv[1]).resources)"

    def parsed(options: str) -> subprocess.CompletedProcess[str]:
        placement = parse_placement(f"sky:{options}")
        assert placement is not None
        command = [python, "-c", read, str(sky.write_task(run, placement, "train"))]
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    taken = parsed("infra=k8s,cpus=8+,memory=32+,use_spot=true,disk_size=200")
    assert taken.returncode == 0, taken.stderr
    assert "Kubernetes([Spot], cpus=8+, mem=32+, disk_size=200)" in taken.stdout
    assert "InvalidSkyPilotConfigError" in parsed("infra=k8s,colour=red").stderr
