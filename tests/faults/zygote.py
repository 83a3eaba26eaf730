"""Workers by fork: torch is imported once, and each fault has a real process of its own.

`python -m tests.faults.zygote` reads a JSON object a line: {"job", "run", "harm": [name, values…]}.
It answers with the pid, and once that worker is gone with how it ended (negative: the signal).
Importing takes ten seconds of a processor; a fork takes none.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.store import Run

Harm = tuple[str | int, ...]


class Workers:
    """The zygote as the tests see it: workers are started in it, and waited for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, run: Run, job: str, harm: Harm = ()) -> int:
        """Start a worker on a run, with something that will go wrong; return its pid."""
        assert self._process.stdin is not None
        line = json.dumps({"job": job, "run": str(run.path), "harm": harm})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Return the status of the worker started last, once it is gone."""
        return self._answer()

    def work(self, run: Run, job: str, harm: Harm = ()) -> int:
        """Do both."""
        self.start(run, job, harm)
        return self.wait()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the zygote is gone"
        return int(line)


@contextmanager
def workers() -> Iterator[Workers]:
    """Start a zygote for the length of a `with`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.zygote"],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
    )
    try:
        yield Workers(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def serve() -> None:
    """Fork a worker for each line, and tell of its beginning and its end."""
    import peft  # noqa: F401 - here, so that no worker has to
    import transformers  # noqa: F401

    from codetune_ui.engine import pace, scorecard, train  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            _become_worker(asked["job"], Run(Path(asked["run"])), asked["harm"])
        print(pid, flush=True)  # noqa: T201 - the answer
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _become_worker(job: str, run: Run, harm: list[str | int]) -> None:
    from codetune_ui.engine import worker
    from tests.faults import harms

    code = 70
    try:
        os.setsid()
        log = os.open(run.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ["CODETUNE_HOME"] = str(run.home.path)
        if harm:
            getattr(harms, str(harm[0]))(*harm[1:])
        code = worker.main([job, str(run.path)])
        with contextlib.suppress(OSError):
            sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
