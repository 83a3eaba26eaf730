"""Small real workers for the tests: they hold the lock and write a status, and load nothing big."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.store import Run

Engine = Callable[[str], None]

BEGIN = """
import signal, subprocess, sys, time
from pathlib import Path
from codetune_ui.runs.lock import hold
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Run

run = Run(Path(sys.argv[1]))

def say(state):
    run.write_status(run.status().replace(state=state))

with hold(run.lock_path):
    run.write_status(Status.begin("train").replace(state="running"))
"""

READY = """
    print("ready", flush=True)
"""

WAITS_FOR_EVER = (
    BEGIN
    + READY
    + """
    time.sleep(60)
"""
)

OBEYS_THE_STOP_FILE = (
    BEGIN
    + READY
    + """
    while not run.stop_path.exists():
        time.sleep(0.01)
    say("stopped")
"""
)

OBEYS_SIGTERM_ONLY = (
    BEGIN
    + """
    def on_signal(number, frame):
        say("stopped")
        sys.exit(0)
    signal.signal(signal.SIGTERM, on_signal)
"""
    + READY
    + """
    time.sleep(60)
"""
)

TAKES_ITS_TURN = (
    BEGIN
    + """
    run.waiting_path.unlink(missing_ok=True)
    with open(run.home.path / "order", "a") as order:
        print(run.name, file=order)
    say("finished")
"""
)

IS_REFUSED = (
    BEGIN
    + """
    say("failed")
"""
)

# Deaf, and with a deaf child of its own that stays in the group.
OBEYS_NOTHING = (
    BEGIN
    + """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    child = subprocess.Popen([sys.executable, "-c", deaf + "print(flush=True); time.sleep(60)"],
                             stdout=subprocess.PIPE)
    child.stdout.readline()
    (run.path / "child").write_text(str(child.pid))
"""
    + READY
    + """
    time.sleep(60)
"""
)


@contextmanager
def working(run: Run, code: str = WAITS_FOR_EVER) -> Iterator[subprocess.Popen[bytes]]:
    """Run a small worker for the length of a `with`, from the moment it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)],
        stdout=subprocess.PIPE,
        cwd=PROJECT_ROOT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
