"""The rules of the scanner for secrets, compiled in the background before they are first needed.

Where none are shipped (`runs/compiled.py`) it takes 7 to 13 s once on a machine, and again after
the scanner has changed. The page starts `python -m codetune_ui.runs.warm` for it: of low priority,
one at a time, ended with the page.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.compiled import SCANNER, lay_out, rules_folder
from codetune_ui.runs.lock import LockHeldError, hold, is_held
from codetune_ui.runs.process import environment
from codetune_ui.runs.store import Home

MODULE = "kingfisher_sdk"
COMPILED = "*.vscdb"
NICE = 10


def rules_state(home: Home) -> str:
    """Return "compiled", "not compiled yet" or "no scanner"; the scanner is not loaded."""
    try:
        installed = Path(str(distribution(SCANNER).locate_file(MODULE))).stat()
    except (PackageNotFoundError, OSError):
        return "no scanner"
    newest = max((file.stat().st_mtime for file in rules_folder(home).glob(COMPILED)), default=0.0)
    return "compiled" if newest >= installed.st_mtime else "not compiled yet"


def warm_up(home: Home) -> subprocess.Popen[bytes] | None:
    """Start compiling where it has not been done; None where it has, or another is at it.

    It ends by itself, or when this process does.
    """
    if rules_state(home) != "not compiled yet" or is_held(_lock(home)):
        return None
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "codetune_ui.runs.warm"],
            cwd=PROJECT_ROOT,
            env=environment(home.path),
            stdin=subprocess.PIPE,  # closed by the system when we are gone, however we go
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)
            | getattr(subprocess, "IDLE_PRIORITY_CLASS", 0),
        )
    except OSError:
        return None  # the first training then waits for it
    threading.Thread(target=_reap, args=(process,), daemon=True).start()
    return process


def main(home: Home) -> int:
    """Compile the rules; 0 done, or being done by another, 1 when the scanner does not start."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    from codetune_ui.core.secrets import find_secrets

    try:
        with hold(_lock(home), wait_s=0.0):
            lay_out(home)
            find_secrets([""])
            for file in rules_folder(home).glob(COMPILED):
                os.utime(file)  # found good by this very scanner
    except LockHeldError:
        return 0
    except (CodeTuneError, OSError):
        return 1
    return 0


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for a child, or it stays in the process table as a zombie."""
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _leave_with_parent() -> None:
    while os.read(0, 1024):  # not sys.stdin, whose lock the interpreter wants at its end
        pass
    os._exit(0)


def _lock(home: Home) -> Path:
    return rules_folder(home) / "lock"


if __name__ == "__main__":
    sys.exit(main(Home.current()))
