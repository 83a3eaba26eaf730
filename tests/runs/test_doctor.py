from __future__ import annotations

import socket
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codetune_ui.runs.doctor import disk_free_bytes, examine, gpus, port_is_free
from codetune_ui.runs.lease import acquire
from codetune_ui.runs.store import Home


class OneCard:
    """NVIDIA's library on a machine with one card of 24 GiB."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, driver: bool = True) -> None:
        self.driver = driver

    def nvmlInit(self) -> None:  # noqa: N802 - NVIDIA's names
        if not self.driver:
            raise self.NVMLError

    def __getattr__(self, name: str) -> Any:
        answers = {
            "nvmlSystemGetDriverVersion": "590.10",
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByIndex": "card",
            "nvmlDeviceGetName": b"NVIDIA RTX 4090",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=24 * 2**30, free=20 * 2**30),
            "nvmlDeviceGetCudaComputeCapability": (8, 9),
            "nvmlShutdown": None,
        }
        return lambda *_: answers[name]


def test_a_gpu_is_told_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", OneCard())
    assert gpus() == [
        {
            "name": "NVIDIA RTX 4090",
            "driver": "590.10",
            "capability": [8, 9],
            "memory_gib": 24.0,
            "memory_free_gib": 20.0,
        }
    ]


def test_the_doctor_knows_what_was_tested_and_what_is_here(home: Path) -> None:
    facts = examine(Home(home))
    assert facts["pins"]["gradio"] == (version("gradio"), version("gradio"))
    assert facts["hub_answer"] is None


def test_the_doctor_asks_the_hub_only_when_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert examine(Home(home), ask_hub=True)["hub_answer"] == "ConnectError"


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", OneCard(driver=False))
    assert gpus() == []


def test_the_doctor_says_who_has_the_gpu(home: Path) -> None:
    assert examine(Home(home))["gpu_holder"] is None
    with acquire(Home(home), "calm-otter", "training"):
        assert examine(Home(home))["gpu_holder"] == "calm-otter"


def test_a_home_that_does_not_exist_yet_has_a_disk(tmp_path: Path) -> None:
    assert disk_free_bytes(Home(tmp_path / "a" / "b")) > 0


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert port_is_free(port)
        listener.listen()
        assert not port_is_free(port)


def test_the_doctor_says_whether_the_rules_for_secrets_are_compiled(home: Path) -> None:
    pytest.importorskip("kingfisher_sdk")
    assert examine(Home(home))["secret_rules"] == "not compiled yet"
