from __future__ import annotations

import re
import subprocess
import sys

import pytest

from codetune_ui.core.assets import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "codetune_ui"
TRAINING = {"torch", "transformers", "peft", "datasets", "bitsandbytes", "accelerate"}


def loaded_by(*lines: str) -> set[str]:
    """Run lines in a fresh interpreter and return which of the heavy libraries it loaded."""
    asked = sorted(TRAINING | {"gradio", "plotly"})
    code = "\n".join([*lines, "import sys", f"print(*(set({asked}) & set(sys.modules)))"])
    command = [sys.executable, "-W", "ignore", "-c", code]
    answer = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    return set(answer.stdout.splitlines()[-1].split())


def test_the_command_line_loads_no_heavy_library() -> None:
    assert loaded_by("import app") == set()


def test_the_core_and_the_runs_load_no_heavy_library() -> None:
    names = [
        f"codetune_ui.{path.parent.name}.{path.stem}"
        for layer in ("core", "runs")
        for path in sorted((PACKAGE / layer).glob("[!_]*.py"))
    ]
    assert loaded_by(*(f"import {name}" for name in names)) == set()


def test_the_page_never_loads_torch() -> None:
    assert loaded_by("import codetune_ui.ui.page") & TRAINING == set()


def test_every_file_has_its_line_in_the_architecture_page() -> None:
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b((?:commands|core|runs|engine|ui)/[a-z_]+\.py)\b", text))
    there = {
        f"{path.parent.name}/{path.name}"
        for path in PACKAGE.glob("*/*.py")
        if path.name != "__init__.py"
    }
    assert named == there


@pytest.mark.parametrize("command", [[], ["train"], ["serve"]])
def test_help_answers_without_loading_anything(command: list[str]) -> None:
    arguments = [*command, "--help"]
    called = f"import sys; sys.argv = ['app.py', *{arguments}]; import runpy"
    run = "try: runpy.run_path('app.py', run_name='__main__')\nexcept SystemExit: print()"
    assert loaded_by(called, run) == set()
