from __future__ import annotations

import sys
import time
from pathlib import Path

from codetune_ui.ui.machine import Gpu, GpuWatch, Program, ask_gpu, memory_gib, read_answer


def a_tool(folder: Path, answer: str) -> str:
    """A stand-in for nvidia-smi: a program that prints its answer."""
    path = folder / "nvidia-smi"
    path.write_text(f"#!{sys.executable}\nprint({answer!r})\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_first_gpu_is_read() -> None:
    answer = "NVIDIA GeForce RTX 4090, 512, 24564\nNVIDIA H200, 1, 2\n"
    assert read_answer(answer) == Gpu("RTX 4090", 0.5, 24.0)


def test_no_answer_is_no_gpu(tmp_path: Path) -> None:
    assert read_answer("No devices were found") is None
    assert read_answer("NVIDIA X, [N/A], 24564") is None
    assert ask_gpu(str(tmp_path / "missing")) is None


def test_the_watch_does_not_wait_and_knows_it_later(tmp_path: Path) -> None:
    watch = GpuWatch(a_tool(tmp_path, "NVIDIA H200, 1024, 2048"))
    assert watch.look() is None
    deadline = time.monotonic() + 10
    while (gpu := watch.look()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gpu == Gpu("H200", 1.0, 2.0)


def test_programs_that_hold_memory_are_named_the_most_first(tmp_path: Path) -> None:
    path = tmp_path / "nvidia-smi"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "apps = '12, /opt/a, b/train, 1024\\n4242, C:\\\\x\\\\python.exe, 2048\\n9, x, [N/A]\\n'\n"
        "print(apps if 'apps' in sys.argv[1] else 'NVIDIA H200, 4096, 8192')\n"
    )
    path.chmod(0o755)
    gpu = ask_gpu(str(path))
    assert gpu is not None
    assert gpu.programs == (Program(4242, "python.exe", 2.0), Program(12, "train", 1.0))


def test_without_the_tool_nothing_is_asked() -> None:
    assert GpuWatch("").look() is None


def test_the_memory_is_known() -> None:
    assert memory_gib() > 0.5
