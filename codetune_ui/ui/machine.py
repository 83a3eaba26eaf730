"""What this machine has, seen without torch: the GPU by its own tool, the memory by the system."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace

import psutil

FRESH_S = 4.0  # one question to the tool costs 30-100 ms, and it may hang for a while under load
CONTEXT_GIB = 0.6  # what CUDA itself takes beside the tensors


@dataclass(frozen=True)
class Program:
    """A program that holds memory of the GPU, of this app or not."""

    pid: int
    name: str
    gib: float


@dataclass(frozen=True)
class Gpu:
    """One accelerator; memory in GiB. programs: who holds some of it, the most first."""

    name: str
    used_gib: float
    total_gib: float
    programs: tuple[Program, ...] = ()


class GpuWatch:
    """Remembers the last answer of `nvidia-smi`, and asks again in a thread when it is old."""

    def __init__(self, tool: str | None = None) -> None:
        self._tool = tool if tool is not None else shutil.which("nvidia-smi")
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._gpu: Gpu | None = None

    def look(self) -> Gpu | None:
        """Return the first GPU as it was a few seconds ago; None without one. Never waits."""
        if self._tool and time.monotonic() - self._asked > FRESH_S and self._lock.acquire(False):
            self._asked = time.monotonic()
            threading.Thread(target=self._ask, daemon=True, name="gpu-watch").start()
        return self._gpu

    def _ask(self) -> None:
        try:
            self._gpu = ask_gpu(self._tool or "nvidia-smi")
        finally:
            self._lock.release()


WATCH = GpuWatch()  # one for all that ask: they would each start the tool


def ask_gpu(tool: str) -> Gpu | None:
    """Ask `nvidia-smi` once; None when there is no GPU or no answer."""
    gpu = read_answer(_answer(tool, "--query-gpu=name,memory.used,memory.total"))
    if gpu is None:
        return None
    programs = read_programs(_answer(tool, "--query-compute-apps=pid,process_name,used_memory"))
    return replace(gpu, programs=programs)


def _answer(tool: str, question: str) -> str:
    query = [tool, question, "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def read_programs(text: str) -> tuple[Program, ...]:
    """Read the tool's lines of programs; those that it cannot tell about are left out.

    >>> read_programs("4242, /usr/bin/python3, 2048\n7, [Not Found], [N/A]\n")
    (Program(pid=4242, name='python3', gib=2.0),)
    """
    found = []
    for line in text.splitlines():
        pid, _, rest = line.partition(",")
        path, _, mib = rest.rpartition(",")
        with suppress(ValueError):
            name = re.split(r"[\\/]", path.strip())[-1]
            found.append(Program(int(pid), name, round(float(mib) / 1024, 1)))
    return tuple(sorted(found, key=lambda program: -program.gib))


def read_answer(text: str) -> Gpu | None:
    """Read the first line of the tool's answer.

    >>> read_answer("NVIDIA H200, 11674, 143771")
    Gpu(name='H200', used_gib=11.4, total_gib=140.4)
    """
    name, _, figures = text.partition("\n")[0].partition(",")
    try:
        used_mib, total_mib = (float(figure) for figure in figures.split(","))
    except ValueError:
        return None
    short = name.strip().removeprefix("NVIDIA ").removeprefix("GeForce ")
    return Gpu(short, round(used_mib / 1024, 1), round(total_mib / 1024, 1))


def memory_gib() -> float:
    """Return the machine's main memory."""
    return float(psutil.virtual_memory().total) / 2**30
