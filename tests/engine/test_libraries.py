"""What a training imports, in processes of their own: it changes what can be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT

TELL = """
import json, sys
from pathlib import Path
from codetune_ui.engine.libraries import UNUSED, Libraries
from codetune_ui.engine.report import NoWish
from codetune_ui.engine.seat import Seat, set_environment
import os
from codetune_ui.runs.store import Run
set_environment(Seat(), os.environ)
folder = Path(sys.argv[1])
Libraries(folder).wait(NoWish(Run(folder)))
hidden = [name for name in UNUSED if name in sys.modules and sys.modules[name] is None]
there = [name for name in ("torch", "peft", "torch._inductor.lowering") if name in sys.modules]
print(json.dumps({"hidden": hidden, "there": there}))
"""


def told(folder: Path) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", TELL, str(folder)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_all_is_there_after_the_wait_and_nothing_that_compiles(tmp_path: Path) -> None:
    assert told(tmp_path) == {
        "hidden": ["scipy", "sklearn", "torchaudio", "torchvision"],
        "there": ["torch", "peft"],
    }


def test_a_model_with_code_of_its_own_finds_every_library(tmp_path: Path) -> None:
    settings = {"auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "modeling_own.py").write_text("import scipy\n", encoding="utf-8")
    assert told(tmp_path)["hidden"] == []
