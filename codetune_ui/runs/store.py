"""The home folder and the run folders in it: the only interface between page and worker.

HOME/runs/NAME/, HOME/prepared/NAME/, HOME/scans/ID/, HOME/evaluations/ID/ and HOME/exports/ID/ have
one layout, and each file in it has one writer:

config.json   page or command line          worker.log   the worker's stdout and stderr
status.json   worker, renamed over          lock         held by the worker while it lives
events.jsonl  worker, appended              stop         page or command line: "save" or "discard"
result.json   worker, at the end            note.md      page
waiting.json  page or command line, while the run waits for its turn; the worker takes it away
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.config import NO_STEP, Config
from codetune_ui.core.errors import CodeTuneError, MachineError, RunError
from codetune_ui.runs import elsewhere
from codetune_ui.runs.files import read_json, replace_json, replace_text
from codetune_ui.runs.lock import is_held
from codetune_ui.runs.names import check_name, propose_name
from codetune_ui.runs.paths import with_whole_paths
from codetune_ui.runs.placement import queued
from codetune_ui.runs.state import ACTIVE, State, Status

__all__ = [
    "Home",
    "Run",
    "derive_state",
    "read_json",
    "replace_json",
    "replace_text",
]

KEPT_JOBS = 10  # of each kind: a scan holds a copy of the code it read


@dataclass(frozen=True)
class Run:
    """One folder with one job's files: a training run, or a scan."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.path.name

    @property
    def home(self) -> Home:
        """The home this run lies in."""
        return Home(self.path.parents[1])

    @property
    def config_path(self) -> Path:
        """Where the settings lie."""
        return self.path / "config.json"

    @property
    def status_path(self) -> Path:
        """Where the worker says what it is doing."""
        return self.path / "status.json"

    @property
    def events_path(self) -> Path:
        """Where the worker appends events."""
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """Where the worker's stdout and stderr go."""
        return self.path / "worker.log"

    @property
    def lock_path(self) -> Path:
        """The file whose lock the worker holds while it lives."""
        return self.path / "lock"

    @property
    def stop_path(self) -> Path:
        """The file that asks the worker to stop."""
        return self.path / "stop"

    @property
    def waiting_path(self) -> Path:
        """The file that says that the run waits for its turn, and its place in the line."""
        return self.path / "waiting.json"

    @property
    def result_path(self) -> Path:
        """Where the worker puts its figures at the end."""
        return self.path / "result.json"

    @property
    def note_path(self) -> Path:
        """Where a person's note lies."""
        return self.path / "note.md"

    @property
    def dataset_dir(self) -> Path:
        """Where the rows lie."""
        return self.path / "dataset"

    @property
    def checkpoints_dir(self) -> Path:
        """Where the checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def best_dir(self) -> Path:
        """Where the adapter of the best evaluation lies while a run may still go on."""
        return self.path / "best"

    @property
    def adapter_dir(self) -> Path:
        """Where the finished adapter lies."""
        return self.path / "adapter"

    def config(self) -> Config:
        """Return the settings; raise `RunError` when they are missing or unreadable."""
        values = read_json(self.config_path)
        if values is None:
            raise RunError(f"The settings of '{self.name}' cannot be read.", "Delete the run.")
        return Config.from_dict(values)

    def write_config(self, config: Config) -> None:
        """Replace the settings of a run whose worker never began."""
        replace_json(self.config_path, with_whole_paths(config).to_dict())

    def divide_among(
        self, processes: int | None, cards: str | None = None, split_base: str | None = None
    ) -> None:
        """Let the next start have other processes or cards: the settings that change no step."""
        config = self.config().divide_among(processes, cards, split_base)
        values = read_json(self.config_path) or {}
        changed = {name: getattr(config, name) for name in NO_STEP}
        replace_json(self.config_path, values | changed)

    def status(self) -> Status:
        """Return what the worker wrote last; before it begins on a cluster, what that says."""
        return elsewhere.as_seen(self.path, Status.read(self.status_path))

    def write_status(self, status: Status) -> None:
        """Replace `status.json`; for the one worker that holds the lock."""
        replace_json(self.status_path, status.to_dict())

    def alive(self) -> bool:
        """Say whether a worker holds this run's lock, or a cluster's queue its job."""
        return elsewhere.alive(self) if queued(self.path) else is_held(self.lock_path)

    def state(self) -> State:
        """Return the state as it is, not as it was written: see `derive_state`."""
        alive = self.alive()  # before the status: a worker writes its end, then lets go
        written = self.status().state
        if written in ACTIVE and not alive:
            alive = self.alive()  # it may have begun between the two looks
        asked, waits = self.stop_path.exists(), self.waiting_path.exists()
        return derive_state(written, alive=alive, asked=asked, waits=waits)

    def result(self) -> dict[str, Any] | None:
        """Return the figures of a run that ended."""
        return read_json(self.result_path)

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the worker's log."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - 65_536))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def size_bytes(self) -> int:
        """Return what the folder takes on disk."""
        total = 0
        for path in self.path.rglob("*"):
            with contextlib.suppress(OSError):  # a checkpoint may be rotated away meanwhile
                total += path.lstat().st_size
        return total


def derive_state(written: State, *, alive: bool, asked: bool, waits: bool = False) -> State:
    """Correct a written state by what the lock, the stop file and the note of the queue say.

    >>> derive_state("running", alive=False, asked=False)
    'lost'
    """
    if alive and written == "created":
        return "preparing"
    if waits and not alive:
        return "waiting"
    if written in ACTIVE and not alive:
        return "lost"
    if written in ACTIVE and asked:
        return "stopping"
    return written


@dataclass(frozen=True)
class Home:
    """The folder that holds everything this app keeps."""

    path: Path

    @classmethod
    def current(cls) -> Home:
        """Return the home of the environment (`CODETUNE_HOME`), or `~/.codetune`."""
        given = os.environ.get("CODETUNE_HOME", "").strip() or "~/.codetune"
        return cls(Path(given).expanduser().resolve())

    @property
    def runs_dir(self) -> Path:
        """Where the runs lie."""
        return self.path / "runs"

    @property
    def prepared_dir(self) -> Path:
        """Where rows lie that were prepared before there was a run."""
        return self.path / "prepared"

    @property
    def scans_dir(self) -> Path:
        """Where the scans lie."""
        return self.path / "scans"

    @property
    def evaluations_dir(self) -> Path:
        """Where the evaluations' own folders lie; their results lie with the runs."""
        return self.path / "evaluations"

    @property
    def exports_dir(self) -> Path:
        """Where the exports' own folders lie; what came of them lies with the runs."""
        return self.path / "exports"

    @property
    def uploads_dir(self) -> Path:
        """Where uploaded files lie."""
        return self.path / "uploads"

    @property
    def cache_dir(self) -> Path:
        """Where lies what can be made again: scans, clones. It may be deleted at any time."""
        return self.path / "cache"

    @property
    def server_dir(self) -> Path:
        """Where the completion server says how to reach it."""
        return self.path / "server"

    def create_run(self, config: Config, name: str | None = None) -> Run:
        """Make a run's folder; raise `RunError` when the name is taken or cannot be one."""
        chosen = self.free_name() if not name else check_name(name)
        return self._create(self.runs_dir / chosen, config)

    def create_prepared(self, config: Config, name: str | None = None) -> Run:
        """Make a preparation's folder; raise `RunError` when the name cannot be one."""
        chosen = self.free_name() if not name else check_name(name)
        return self._create(self.prepared_dir / chosen, config)

    def create_scan(self, config: Config) -> Run:
        """Make a scan's folder, and drop the oldest scans."""
        return self.create_job(self.scans_dir, config)

    def create_job(self, folder: Path, config: Config) -> Run:
        """Make a job's folder, named by the time, and drop the oldest of its kind."""
        for old in _newest_first(folder)[KEPT_JOBS - 1 :]:
            if not old.alive():
                shutil.rmtree(old.path, ignore_errors=True)
        name = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)
        return self._create(folder / name, config)

    def run(self, name: str) -> Run:
        """Return a run by name; raise `RunError` when there is none."""
        return self._find(self.runs_dir, name, "run")

    def prepared(self, name: str) -> Run:
        """Return a preparation by name; raise `RunError` when there is none."""
        return self._find(self.prepared_dir, name, "preparation")

    def scan(self, name: str) -> Run:
        """Return a scan by its id; raise `RunError` when there is none."""
        return self._find(self.scans_dir, name, "scan")

    def evaluation(self, name: str) -> Run:
        """Return an evaluation's own folder by its id; raise `RunError` when there is none."""
        return self._find(self.evaluations_dir, name, "evaluation")

    def evaluations(self) -> list[Run]:
        """Return the folders of the last evaluations, the newest first."""
        return _newest_first(self.evaluations_dir)

    def export(self, name: str) -> Run:
        """Return an export's own folder by its id; raise `RunError` when there is none."""
        return self._find(self.exports_dir, name, "export")

    def exports(self) -> list[Run]:
        """Return the folders of the last exports, the newest first."""
        return _newest_first(self.exports_dir)

    def runs(self) -> list[Run]:
        """Return all runs, the newest first."""
        return _newest_first(self.runs_dir)

    def latest_scan(self) -> Run | None:
        """Return the newest scan."""
        return next(iter(_newest_first(self.scans_dir)), None)

    def rename(self, run: Run, name: str) -> Run:
        """Give an ended run another name; raise `RunError` while it runs or when it is taken."""
        if name == run.name:
            return run
        target = self.runs_dir / check_name(name)
        self._refuse_alive(run, "renamed")
        if target.exists():
            raise _taken(name)
        return Run(run.path.rename(target))

    def delete(self, run: Run) -> None:
        """Delete a run with all its files; raise `RunError` while it runs."""
        self._refuse_alive(run, "deleted")
        # The rename is the deletion: a half-emptied folder is never listed as a run.
        doomed = run.path.with_name(f".deleted-{run.name}-{secrets.token_hex(3)}")
        run.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def _refuse_alive(self, run: Run, deed: str) -> None:
        if run.alive():
            raise RunError(
                f"'{run.name}' is running and cannot be {deed}.", "Stop it first, then try again."
            )

    def _create(self, path: Path, config: Config) -> Run:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.mkdir(mode=0o700)  # the folder holds a person's code
        except FileExistsError:
            raise _taken(path.name) from None
        except OSError as error:
            raise _unwritable(path, error) from error
        run = Run(path)
        try:
            run.write_config(config)
        except (OSError, CodeTuneError) as error:
            shutil.rmtree(path, ignore_errors=True)
            if isinstance(error, CodeTuneError):
                raise
            raise _unwritable(path, error) from error
        return run

    def _find(self, folder: Path, name: str, what: str) -> Run:
        path = folder / check_name(name)
        # A link that leads out of the home is no run of ours.
        inside = path.resolve().parent == folder.resolve()
        if not inside or not (path / "config.json").is_file():
            raise RunError(f"There is no {what} '{name}'.", f"See the list of {what}s.")
        return Run(path)

    def free_name(self) -> str:
        """Return two words that no run is named by."""
        rng = random.SystemRandom()
        for attempt in range(1000):
            name = propose_name(rng) + (f"-{attempt}" if attempt > 50 else "")
            if not (self.runs_dir / name).exists():
                return name
        raise RunError("No free name was found for the run.", "Give it one.")


def _newest_first(folder: Path) -> list[Run]:
    dated: list[tuple[int, str]] = []
    for config_path in folder.glob("[!.]*/config.json"):
        with contextlib.suppress(OSError):
            dated.append((config_path.stat().st_mtime_ns, config_path.parent.name))
    return [Run(folder / name) for _, name in sorted(dated, reverse=True)]


def _taken(name: str) -> RunError:
    return RunError(f"There is a run named '{name}' already.", "Choose another name.")


def _unwritable(path: Path, error: OSError) -> MachineError:
    return MachineError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Free some space, or choose another folder with --home.",
    )
