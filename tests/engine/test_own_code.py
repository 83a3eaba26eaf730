"""A model with Python of its own: refused before it runs, and trained once it was allowed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codetune_ui.core.errors import ModelError
from codetune_ui.core.own_code import own_code
from codetune_ui.engine import model
from tests.engine.helpers import tiny_config
from tests.own_model import build_own_model


@pytest.fixture(autouse=True)
def nothing_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_CODE_RAN", "no")


def load(folder: Path, **changes: str) -> object:
    config = tiny_config(folder, **changes)
    return model.load_base(config, folder, device="cpu", training=True)


def test_a_models_own_code_is_refused_before_it_runs(tmp_path: Path) -> None:
    folder = build_own_model(tmp_path / "own")
    with pytest.raises(ModelError, match=r"Python of its own \(configuration_own.py, modeling_own"):
        load(folder)
    assert os.environ["OWN_CODE_RAN"] == "no"


def test_the_code_that_was_allowed_runs_and_code_that_changed_since_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules")
    )
    folder = build_own_model(tmp_path / "own")
    code = own_code(folder)
    assert code is not None
    base = load(folder, allow_code=code.fingerprint)
    assert type(base).__name__ == "OwnForCausalLM"
    assert os.environ["OWN_CODE_RAN"] == "yes"
    with (folder / "modeling_own.py").open("a") as file:
        file.write("# a line more\n")
    with pytest.raises(ModelError, match="has changed since it was allowed"):
        load(folder, allow_code=code.fingerprint)


def test_a_kind_that_transformers_knows_needs_no_code_of_its_own(tmp_path: Path) -> None:
    base = load(build_own_model(tmp_path / "own", kind="llama"))
    assert type(base).__name__ == "LlamaForCausalLM"
    assert os.environ["OWN_CODE_RAN"] == "no"
