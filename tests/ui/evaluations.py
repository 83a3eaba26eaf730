"""Evaluations as the Evaluate tab reads them: made by hand, put into runs' folders."""

from __future__ import annotations

from typing import Any

from codetune_ui.core.config import Config
from codetune_ui.core.report_page import page
from codetune_ui.runs.files import replace_json, replace_text
from codetune_ui.runs.store import Home, Run
from tests.core.made import filled, made
from tests.runs.serving import hold_out

EVIL = "<script>alert(1)</script> ${location}"
FILE = "def depth():\n    {}\n"  # what tests.core.made cuts its holes out of


def found(*, evil: bool = False, **changes: Any) -> dict[str, Any]:
    """Make an evaluation of four holes: won, lost, both exact, neither exact."""
    truth = EVIL if evil else "x = 1"
    path = f"src/{EVIL}.py" if evil else "src/pond.py"
    some = (
        filled(truth, "y = 2", truth, path=path),
        filled("b = 1", "b = 1", "", path="src/lake.py"),
        filled("c = 1", "c = 1", "c = 1", path="src/lake.py"),
        filled("d = 1", EVIL if evil else "d = 7", "e = 8", path="a/sea.py"),
    )
    about = {"holes_id": "abc", "own_holes": [], "own_in_train": []}
    return made(*some) | about | changes


def add_run(home: Home, name: str = "calm-otter", *, trained: bool = True) -> Run:
    run = home.create_run(Config(base_model="demo", source="demo"), name)
    if trained:
        run.adapter_dir.mkdir()
        (run.adapter_dir / "adapter_model.safetensors").touch()
        hold_out(run, {"src/pond.py": FILE.format("x = 1")})
    return run


def add(run: Run, name: str = "20261123-1", **changes: Any) -> str:
    """Put an evaluation into a run's folder, and return what it is called."""
    values = found(**changes)
    folder = run.path / "evaluation"
    folder.mkdir(exist_ok=True)
    replace_json(folder / f"{name}.json", values)
    replace_text(folder / f"{name}.html", page(values))
    return f"{run.name}/{name}"
