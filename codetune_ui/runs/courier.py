"""A run's worker on this machine while SkyPilot's cluster does the work: `courier JOB RUN_DIR`.

It holds the run's lock, launches the task, brings home what is new there every few seconds, hands a
wish to stop on, and gives the machine back at the end. To all others it is a worker like any other.
"""

from __future__ import annotations

import dataclasses
import secrets
import signal
import sys
import time
from pathlib import Path

from codetune_ui.runs import sky
from codetune_ui.runs.files import read_json, replace_json, replace_text
from codetune_ui.runs.leftovers import discard_attempt, written_by_now
from codetune_ui.runs.lock import LockHeldError, hold
from codetune_ui.runs.placement import read_placement, write_placement
from codetune_ui.runs.state import ENDED, Status
from codetune_ui.runs.store import Run

PAUSE_S = 5.0
FIRST_PAUSE_S = 0.5  # what goes wrong at once is told at once
SLOWER = 1.3
POLL_S = 0.2
SILENT_S = 1800.0  # after which a cluster that does not answer is given up
KEPT = ("pid", "create_time", "birth", "boot_id", "earlier")  # of the status: the courier's own


def main(arguments: list[str]) -> int:
    """Carry one job of one run; return 0 done or stopped, 1 failed."""
    job, run = arguments[0], Run(Path(arguments[1]).resolve())
    try:
        with hold(run.lock_path):
            return Courier(run, job).carry()
    except LockHeldError:
        sys.stderr.write(f"Another worker holds '{run.name}'.\n")
        return 2


class Courier:
    """One way to a cluster and back."""

    def __init__(self, run: Run, job: str) -> None:
        placement = read_placement(run.path)
        assert placement is not None, "a run without a place is worked on here"
        self.run, self.job, self.name = run, job, sky.cluster_name(run.name)
        self.placement = placement.replace(job=self.name, ticket=secrets.token_hex(8))
        self.status = Status.begin(job).replace(earlier=written_by_now(run))
        self._signalled = False
        self._stop_sent = False

    def carry(self) -> int:
        """Launch the task, follow it to its end, and bring home what it made."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        write_placement(self.run.path, self.placement)
        self._say(phase="Looking for a machine with SkyPilot")
        if self._launch():
            self._follow()
        self._end()
        return 0 if self.status.state in ("finished", "stopped") else 1

    def _launch(self) -> bool:
        launch = sky.launch(self.name, sky.write_task(self.run, self.placement, self.job))
        while launch.poll() is None:
            time.sleep(POLL_S)
            if self._asked_to_stop():
                launch.terminate()
                launch.wait()
                self.status = self.status.replace(state="stopped", phase="")
                return False
        if launch.returncode:
            self._fail("SkyPilot found no machine, or could not begin there.")
        return launch.returncode == 0

    def _follow(self) -> None:
        seen, pause_s = time.monotonic(), FIRST_PAUSE_S
        while self.status.state not in ENDED:
            time.sleep(pause_s)
            pause_s = min(PAUSE_S, pause_s * SLOWER)
            if self._asked_to_stop() and not self._stop_sent:
                self._stop_sent = sky.send_stop(self.name, self.run)
            ended = sky.has_ended(self.name)  # before the files: the last of them count
            if sky.bring_home(self.name, self.run):
                seen = time.monotonic()
                self._take_over()
            if ended and self.status.state not in ENDED:
                self._fail("The cluster ended it without notice.")
            elif time.monotonic() - seen > SILENT_S:
                self._fail("The cluster does not answer any more.")

    def _take_over(self) -> None:
        """Say what the worker there says, as the worker here."""
        values = read_json(sky.their_status(self.run))
        if values is None or values.get("ticket") != self.placement.ticket:
            return  # of an attempt before
        theirs = Status.from_dict(values)
        own = {name: getattr(self.status, name) for name in KEPT}
        self.status = dataclasses.replace(theirs, **own)
        if theirs.state not in ENDED:  # the end is said when all is at home
            self.run.write_status(self.status)

    def _asked_to_stop(self) -> bool:
        if self._signalled and not self.run.stop_path.exists():
            replace_text(self.run.stop_path, "save")
        return self.run.stop_path.exists()

    def _fail(self, message: str) -> None:
        hint = "See the log, then resume or start anew."
        self.status = self.status.replace(state="failed", phase="", message=message, hint=hint)

    def _end(self) -> None:
        sky.take_down(self.name)
        result = self.run.result()
        if result is not None:  # it names the adapter as it lay there
            replace_json(self.run.result_path, result | {"adapter": str(self.run.adapter_dir)})
        if self._asked_to_stop() and self.run.stop_path.read_text(encoding="utf-8") == "discard":
            discard_attempt(self.run)
        self.run.write_status(self.status)

    def _say(self, **changes: str) -> None:
        self.status = self.status.replace(**changes)
        self.run.write_status(self.status)

    def _on_signal(self, *_: object) -> None:
        self._signalled = True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
