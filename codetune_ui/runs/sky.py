"""A run as a SkyPilot task: what goes to the cluster, what is done there, and what it runs on.

SkyPilot is called by its command line, `sky`: its own pins may differ from ours, so that it may be
installed apart (pipx). The task's file is JSON, which is YAML too, and quotes every name safely.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import MachineError
from codetune_ui.core.sources import parse_sources
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.placement import TICKET, Placement

if TYPE_CHECKING:
    from codetune_ui.runs.store import Run

THERE = "codetune"  # the home on the cluster, below the home of its user
IDLE_MIN = 10  # a cluster that nobody uses costs: it takes itself down
# What only this machine's side writes, or what the other side does not need.
LEFT_OUT = ("/place.json", "/status.json", "/stop", "/lock", "/.stopper", "/worker.log", "/sky/")
CALL_S = 120.0
ENDED_CODES = (0, 100, 103)  # of `sky logs --status`: succeeded, failed, cancelled


def check() -> None:
    """Raise `MachineError` when no task can be launched from here."""
    for program, way in (
        ("sky", "Install it as requirements-cluster.txt says."),
        ("rsync", "Install it: SkyPilot needs it too."),
    ):
        if shutil.which(program) is None:
            raise MachineError(f"To train with SkyPilot, {program} is missing.", way)


def cluster_name(run_name: str) -> str:
    """Return the cluster's name for a run: it begins and ends with a letter, as SkyPilot wants."""
    return f"codetune-{run_name}-run"


def task(run: Run, placement: Placement, job: str) -> dict[str, Any]:
    """Return the task: this app, the run's folder, and the code and the model where they lie here.

    The code and the model keep their paths on the cluster, and so the settings need no change.
    """
    config = run.config()
    places = [spec.place for spec in parse_sources(config.source)] + [config.base_model]
    ours = [place for place in places if Path(place).is_absolute() and Path(place).exists()]
    folder = f"{THERE}/runs/{run.name}"
    own = f'CODETUNE_HOME="$HOME/{THERE}" {TICKET}={placement.ticket}'
    worker = f'-m codetune_ui.engine.worker {job} "$HOME"/{shlex.quote(folder)}'
    return {
        "name": "codetune",
        "workdir": str(PROJECT_ROOT),
        "resources": {
            **{name: _plain(value) for name, value in placement.options.items()},
            "autostop": {"idle_minutes": IDLE_MIN, "down": True},
        },
        "file_mounts": {f"~/{folder}": str(run.path)} | {place: place for place in ours},
        "setup": "python3 -m venv ~/codetune-venv\n"
        "~/codetune-venv/bin/pip install -q -r requirements.txt",
        "run": f"umask 077\n{own} ~/codetune-venv/bin/python {worker}",
    }


def write_task(run: Run, placement: Placement, job: str) -> Path:
    """Write a run's task into its folder, and return the file."""
    folder = run.path / "sky"
    folder.mkdir(mode=0o700, exist_ok=True)
    replace_json(folder / "task.yaml", task(run, placement, job))
    return folder / "task.yaml"


def launch(name: str, file: Path) -> subprocess.Popen[bytes]:
    """Have SkyPilot find a machine and begin the task; it ends when it did."""
    command = ["sky", "launch", "--yes", "--detach-run", "--cluster", name, str(file)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def has_ended(name: str) -> bool:
    """Say whether the cluster answers that its newest job is at its end."""
    command = ["sky", "logs", name, "--status"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=CALL_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode in ENDED_CODES


def bring_home(name: str, run: Run) -> bool:
    """Copy what is new in the run's folder on the cluster; say whether all of it came."""
    there = f"{name}:{THERE}/runs/{run.name}/"
    # The status first: when it tells of the end, all that belongs to it comes after it.
    if _quietly("rsync", "-a", f"{there}status.json", str(their_status(run))) is None:
        return False
    left_out = [f"--exclude={path}" for path in LEFT_OUT]
    # Old checkpoints go here as they go there; nothing else is ever deleted.
    rotated = ["--delete", "--filter=R /checkpoints/***", "--filter=P *"]
    return (
        _quietly("rsync", "-a", "--chmod=go=", *left_out, *rotated, there, f"{run.path}/")
        is not None
    )


def their_status(run: Run) -> Path:
    """Return where the cluster's own status lies once it was brought home."""
    return run.path / "sky" / "status.json"


def send_stop(name: str, run: Run) -> bool:
    """Hand the wish to stop on; say whether it got there."""
    there = f"{name}:{THERE}/runs/{run.name}/stop"
    return _quietly("rsync", "-a", str(run.stop_path), there) is not None


def take_down(name: str) -> None:
    """End what the cluster does, and give the machine back."""
    _quietly("sky", "down", "--yes", name)


def _plain(text: str) -> str | int | bool:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text


def _quietly(*command: str) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
