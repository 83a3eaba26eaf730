"""A folder that stands for SkyPilot's cloud; rsync and files are real.

`sky` is small here: it copies what the task names, runs what the task runs, and tells of its end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT

SKY = """#!{python}
import json, os, pathlib, shutil, subprocess, sys
cloud = pathlib.Path("{cloud}")
if sys.argv[1] == "launch":
    task = json.loads(pathlib.Path(sys.argv[-1]).read_text())
    for there, here in task["file_mounts"].items():
        if there.startswith("~/"):
            shutil.copytree(here, cloud / there[2:], dirs_exist_ok=True)
    if (cloud / "full").exists():
        sys.exit("No resource satisfies the request")
    own = dict(os.environ, HOME=str(cloud))
    begun = subprocess.Popen(["sh", "-c", task["run"]], cwd=task["workdir"], env=own,
                             stdout=subprocess.DEVNULL, start_new_session=True)
    (cloud / "pid").write_text(str(begun.pid))
elif sys.argv[1] == "logs":
    stat = pathlib.Path("/proc", (cloud / "pid").read_text(), "stat")
    at_work = stat.exists() and " Z " not in stat.read_text()
    sys.exit(101 if at_work else 0)
elif sys.argv[1] == "down":
    (cloud / "is_down").touch()
"""
SSH = """#!/bin/sh
shift; while [ "$1" = -l ]; do shift 2; done
cd "{cloud}" && HOME="{cloud}" exec sh -c "$*"
"""


def a_cloud(folder: Path) -> tuple[Path, Path]:
    """Make a cloud, and return the folder of programs to be put on PATH, and the cloud's own."""
    programs, cloud = folder / "programs", folder / "a cloud"
    programs.mkdir()
    (cloud / "codetune-venv" / "bin").mkdir(parents=True)
    for name, text in (("sky", SKY), ("ssh", SSH)):
        (programs / name).write_text(text.format(python=sys.executable, cloud=cloud))
        (programs / name).chmod(0o700)
    return programs, cloud


def works_with(cloud: Path, code: str = "") -> None:
    """Let the cloud's Python be this one; with code, a small worker in the engine's place."""
    python = cloud / "codetune-venv" / "bin" / "python"
    (cloud / "worker.py").write_text(code)
    called = f'"{cloud}/worker.py" "$4"' if code else '"$@"'
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{PROJECT_ROOT}" exec "{sys.executable}" {called}\n')
    python.chmod(0o700)


def is_idle(cloud: Path) -> bool:
    """Say whether nothing works there, or nothing ever did."""
    if not (cloud / "pid").exists():
        return True
    stat = Path("/proc", (cloud / "pid").read_text(), "stat")
    return not stat.exists() or " Z " in stat.read_text()
