"""Running a program that a model wrote: apart from everything, with limits, and killed in time.

Each program is a fresh interpreter (-I -S: no site-packages, no settings of the person) in an empty
temporary folder that is its home, with an empty environment. `sandbox_child` says what it gives up
before it begins; `protections` tries that on this machine and says what holds.

What is not covered: the kernel itself (a hole in it is a way out), names and sizes of files
(Landlock hides contents, not names), and a program that searches its own process for the pipe that
the proof of its end comes through. On macOS only limits, the watcher and Python's own hook hold.
On Windows nothing would, so nothing is run there.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import psutil

from codetune_ui.core.errors import MachineError

CHILD = Path(__file__).with_name("sandbox_child.py")
LOOK_S = 0.05
LAYERS = ("namespace", "landlock", "filter")  # of Linux; the limits and the hook are everywhere
MIB = 1 << 20
TOO_MUCH = 1 << 62
DEEPEST = 100  # folders in one another

Why = Literal[
    "ended",
    "failed",
    "timed out",
    "wrote too much",
    "took too much memory",
    "killed",
    "cancelled",
]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one program may take."""

    cpu_s: int = 5
    wall_s: int = 15
    memory_mib: int = 1024
    file_mib: int = 16
    """Of one file, and of what it prints."""
    folder_mib: int = 64
    open_files: int = 64


@dataclass(frozen=True)
class Ran:
    """How a program ended.

    why       "ended" only if it is proved: a random token came back after its last line
    output    what it printed, where that was asked for
    detail    the kind of exception that ended it, as the program's process says
    """

    why: Why
    output: str = ""
    detail: str = ""


def run(
    source: str,
    *,
    given: str = "",
    script: bool = False,
    limits: Limits | None = None,
    cancel: threading.Event | None = None,
) -> Ran:
    """Run a program to its end, or end it.

    script: it reads `given`, what it prints is kept, and `exit()` is a proper end of it. Raises
    `MachineError` where programs cannot be held back at all.
    """
    refuse_unless_possible()
    limits = limits or Limits()
    with _folder() as folder:
        (folder / "program.py").write_text(source, encoding="utf-8", errors="replace")
        need = [layer for layer, there in probe()["layers"].items() if there]
        spec = {"script": script, "need": need, "limits": asdict(limits)}
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as reads:
            reads.write(given.encode("utf-8", "replace"))
            reads.seek(0)
            why, told, proved = _work(spec, folder, limits, cancel, reads, said if script else None)
            said.seek(0)
            output = said.read(limits.file_mib * MIB).decode("utf-8", "replace")
    if why == "failed" and proved:
        return Ran("ended", output)
    if told == "unprotected":
        raise MachineError(
            "A program could not be held back as those before it.", "Start the benchmark again."
        )
    return Ran(why, output, told.removeprefix("failed ")[:80])


def refuse_unless_possible() -> None:
    """Raise `MachineError` on a system where nothing would hold a program back."""
    if os.name != "posix":
        raise MachineError(
            "On Windows nothing would hold a generated program back, so none is run.",
            "Run the benchmark under WSL, or without running programs.",
        )


def _work(
    spec: dict[str, Any],
    folder: Path,
    limits: Limits,
    cancel: threading.Event | None,
    reads: Any,
    said: Any,
) -> tuple[Why, str, bool]:
    """Start the process and watch it; return why it ended, what it told, and whether it proved."""
    token = secrets.token_hex(16).encode()
    with _pipe() as (ask, our_ask), _pipe() as (hear, tell):
        os.write(our_ask, token)
        process = _start({**spec, "ask": ask, "tell": tell}, folder, (ask, tell), reads, said)
        try:
            why = _watch(process, folder, limits, cancel)
        finally:
            _end(process)
        os.set_blocking(hear, False)
        try:
            told = os.read(hear, 4096)
        except BlockingIOError:
            told = b""
    proved = told == token and process.returncode == 0
    return why, told.decode("utf-8", "replace"), proved


def _start(
    spec: dict[str, Any], folder: Path, fds: tuple[int, ...], reads: Any, said: Any
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(CHILD), json.dumps(spec)]
    where = str(folder)
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={"HOME": where, "TMPDIR": where, "PATH": os.defpath, "LANG": "C.UTF-8"},
            stdin=reads,
            stdout=subprocess.DEVNULL if said is None else said,
            stderr=subprocess.DEVNULL,
            pass_fds=fds,
            start_new_session=True,
        )
    except OSError as error:
        raise MachineError(
            f"No program can be started: {error.strerror or error}.", "Free memory."
        ) from error


def _watch(
    process: subprocess.Popen[bytes], folder: Path, limits: Limits, cancel: threading.Event | None
) -> Why:
    """Wait for the end; "failed" stands for an end of its own, proved or not."""
    deadline = time.monotonic() + limits.wall_s
    while True:
        try:
            code = process.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            if cancel is not None and cancel.is_set():
                return "cancelled"
            if time.monotonic() > deadline:
                return "timed out"
            if _size(folder) > limits.folder_mib * MIB:
                return "wrote too much"
            if _memory(process.pid) > limits.memory_mib * MIB:  # macOS does not look itself
                return "took too much memory"
            continue
        if code == -signal.SIGXCPU:
            return "timed out"
        if code == -signal.SIGXFSZ:
            return "wrote too much"
        # A program that ignored the first signal at its last second is killed outright.
        return "killed" if code < 0 else "failed"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of it, its whole group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _size(folder: Path) -> int:
    """Return the bytes below a folder; folders too deep in one another are too much."""
    total, waiting = 0, [(str(folder), 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth > DEEPEST:
            return TOO_MUCH
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_size
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
        except FileNotFoundError:
            continue
        except OSError:
            return TOO_MUCH
    return total


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="codetune-program-")).resolve()
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except RecursionError:  # a thousand folders in one another; rm does not mind
            subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


# --- what holds on this machine


@lru_cache(maxsize=1)
def probe() -> dict[str, dict[str, bool]]:
    """Start the sandbox once, and try in it what must not be possible.

    {"layers": which the kernel put in force, "kernel": which deeds it alone refused, "hook": which
    were refused once Python's own hook was there too}
    """
    refuse_unless_possible()
    with (
        _folder() as folder,
        tempfile.NamedTemporaryFile() as outside,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        (folder / "program.py").write_text("", encoding="utf-8")
        tries = [str(Path(outside.name).resolve()), listener.getsockname()[1]]
        spec = {"probe": tries, "limits": asdict(Limits())}
        _, told, _ = _work(spec, folder, Limits(), None, subprocess.DEVNULL, None)
    try:
        found: dict[str, dict[str, bool]] = json.loads(told)
    except ValueError:
        raise MachineError(
            "The sandbox for generated programs does not start here.",
            "Run the benchmark without running programs.",
        ) from None
    return found


def protections(limits: Limits | None = None) -> list[dict[str, str]]:
    """Return what holds a generated program back on this machine, as it was tried out.

    [{"what": …, "how": …, "holds": "kernel" | "python" | "no"}]; "python" is the weaker one: it
    holds only a program that means no harm. Empty where no program is run at all.
    """
    if os.name != "posix":
        return []
    limits, found = limits or Limits(), probe()
    takes = (
        f"{limits.cpu_s} s of the processor, {limits.wall_s} s in all, {limits.memory_mib} MiB of "
        f"memory, files of {limits.file_mib} MiB, {limits.folder_mib} MiB in its folder"
    )
    rows = [{"what": "Time, memory and disk", "how": takes, "holds": "kernel"}]
    for what, deed, ways in DEEDS:
        holds = next((way for way in ("kernel", "hook") if found[way][deed]), "no")
        words = [words for layer, words in ways.items() if found["layers"][layer]]
        how = ", ".join(words) if holds == "kernel" else HOOK if holds == "hook" else "nothing"
        rows.append({"what": what, "how": how, "holds": "python" if holds == "hook" else holds})
    return rows


HOOK = "Python's own hook, which a program that means harm gets around"
NO_FILES = {"landlock": "nothing but its folder and Python itself opens (Landlock)"}
DEEDS = (
    (
        "Network",
        "network",
        {"namespace": "a network of its own with nothing in it", "filter": "no sockets (seccomp)"},
    ),
    ("Reading your files", "read", NO_FILES),
    ("Writing outside its folder", "write", NO_FILES),
    ("Other processes", "process", {"filter": "no new process or program (seccomp)"}),
)
