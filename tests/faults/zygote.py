"""Workers by fork: torch is imported once, and each fault has a real process of its own.

`python -m tests.faults.zygote` reads a JSON object a line: {"job", "run", "harm": [name, values…]}.
It answers with the pid, and once that worker is gone with how it ended (negative: the signal).
With "processes" it forks so many, as a launcher does, and "harmed" is the one to which it comes.
Importing takes ten seconds of a processor; a fork takes none.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.engine.seat import Seat
from codetune_ui.runs.store import Run

Harm = tuple[str | int, ...]


class Workers:
    """The zygote as the tests see it: workers are started in it, and waited for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(
        self, run: Run, job: str, harm: Harm = (), *, processes: int = 1, harmed: int = 0
    ) -> int:
        """Start a worker on a run, with something that will go wrong; return its pid."""
        assert self._process.stdin is not None
        asked = {"job": job, "run": str(run.path), "harm": harm}
        line = json.dumps(asked | {"processes": processes, "harmed": harmed})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Return the status of the worker started last, once it is gone."""
        return self._answer()

    def work(
        self, run: Run, job: str, harm: Harm = (), *, processes: int = 1, harmed: int = 0
    ) -> int:
        """Do both."""
        self.start(run, job, harm, processes=processes, harmed=harmed)
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
        pids = []
        for seat in _seats(asked["processes"]):
            harm = asked["harm"] if int(seat.get("RANK", 0)) == asked["harmed"] else []
            pids.append(os.fork())
            if not pids[-1]:
                os.environ |= seat
                _become_worker(asked["job"], Run(Path(asked["run"])), harm)
        print(pids[0], flush=True)  # noqa: T201 - the answer
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(codes[0], flush=True)  # noqa: T201


def _seats(processes: int) -> list[dict[str, str]]:
    """What a launcher tells each of several processes; one is told nothing."""
    if processes == 1:
        return [{}]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    seats = [Seat(rank, processes, rank, processes) for rank in range(processes)]
    return [shared | seat.environment() for seat in seats]


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
