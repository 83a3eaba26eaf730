"""Every test has a home of its own, no network, and no settings of the person who runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other in CI

from tests.calling import SHORT, Trained, call, last_json
from tests.tiny import build_model, build_tokenizer, write_code

# A busy machine is no reason to fail: no deadlines, and the same examples on every CI run.
settings.register_profile(
    "codetune",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("codetune")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the app at an empty home for the length of one test."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("CODETUNE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a Llama of two layers with StarCoder's FIM tokens."""
    return build_model(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tokenizer only (no torch is loaded for it)."""
    return build_tokenizer(tmp_path_factory.mktemp("tiny-tokenizer"))


@pytest.fixture(scope="session")
def code_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 24 small distinct Python files in four directories."""
    return write_code(tmp_path_factory.mktemp("code"))


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
