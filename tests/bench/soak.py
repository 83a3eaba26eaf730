"""Runs started, stopped, killed, resumed and deleted at random beside an open page.

    python -m tests.bench.soak --rounds 100 --minutes 60 --seed 0 [--browser]

The page is asked once a second over HTTP, as a browser asks it; with --browser a Chromium has it
open, too. After each deed the state that the page tells is compared with what it must be; counted
are wrong states, processes that nobody owns any more, the page's open files and its memory. It
ends by itself, with one table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError
from codetune_ui.runs.process import kill_worker, start_worker
from codetune_ui.runs.state import ENDED
from codetune_ui.runs.store import Home, Run
from tests.bench.onlooker import Onlooker
from tests.quick_run import tiny_config
from tests.tiny import build_model, write_code

TRUTH_S = 10.0  # a state tells the truth within this, once its cause is there
PATIENCE_S = 300.0  # for a start or a stop on a busy machine
MOST_RUNS = 4


class Page:
    """`python app.py` on a home of its own, asked once a second."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "app.py", "--no-browser", "--home", str(home)]
        with (home / "app.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(port)],
                cwd=PROJECT_ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.about = psutil.Process(self.process.pid)
        self.asked = self.unanswered = 0
        self.slowest_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def open(self) -> None:
        """Wait until it answers, then ask it once a second."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self.get("/ct-api/run")
                break
            except OSError:
                time.sleep(0.2)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> Any:
        """Return the JSON of a route."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def do(self, run: Run, deed: str) -> str:
        """Press a button; return the sentence of a refusal, or ""."""
        url = f"{self.url}/ct-api/runs/{run.name}/{deed}"
        request = urllib.request.Request(url, method="POST", headers={"Origin": self.url})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(json.load(answer)["error"])

    def states(self) -> dict[str, str]:
        """Return what the page says of all runs."""
        return {record["name"]: record["state"] for record in self.get("/ct-api/runs")}

    def _poll(self) -> None:
        since, shown = 0, ""
        while not self._ended.wait(1.0):
            began = time.monotonic()
            try:
                answer = self.get(f"/ct-api/run?run={shown}&since={since}")
                shown, since = answer["run"], answer["seq"]
                self.states()
            except OSError:
                self.unanswered += 1
            self.asked += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)


class Soak:
    """The deeds, and what is counted."""

    def __init__(self, home: Home, page: Page, config: Config, seed: int) -> None:
        self.home, self.page, self.config = home, page, config
        self.rng = random.Random(seed)
        self.deeds: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.orphans: list[str] = []
        self.handles: list[int] = []
        self.memory_mib: list[int] = []
        self._made = 0

    def round(self) -> None:
        """Do one thing, check it, and look at what is left over."""
        runs = self.home.runs()
        alive = next((run for run in runs if run.alive()), None)
        deed, run = self._chosen(runs, alive)
        self.deeds[deed.__name__.removeprefix("_")] += 1
        deed(run)
        self._look()

    def _chosen(self, runs: list[Run], alive: Run | None) -> tuple[Callable[[Any], None], Any]:
        if alive is not None:
            deeds = [self._stop, self._kill, self._start_beside, self._delete_living]
            return self.rng.choices(deeds, weights=(3, 4, 1, 1))[0], alive
        can_go_on = [run for run in runs if _has_checkpoint(run) and run.state() != "finished"]
        if can_go_on and self.rng.random() < 0.6:
            return self._resume, self.rng.choice(can_go_on)
        if len(runs) >= MOST_RUNS or (runs and self.rng.random() < 0.15):
            return self._delete, self.rng.choice(runs)
        return self._start, None

    # --- deeds

    def _start(self, _: None) -> None:
        self._made += 1
        run = self.home.create_run(self.config, f"soak-{self._made}")
        start_worker(run, "train")
        self._see(run, {"preparing", "running"}, TRUTH_S)
        self._go_on(run)

    def _resume(self, run: Run) -> None:
        if error := self.page.do(run, "resume"):
            self.wrong.append(f"resume of {run.name} refused: {error}")
        self._see(run, {"preparing", "running"}, TRUTH_S)
        self._go_on(run)

    def _go_on(self, run: Run) -> None:
        """Wait for a moment chosen by lot: while it is prepared, or some steps later."""
        before, steps = run.status().step, self.rng.choice([0, 1, 10, 40])
        deadline = time.monotonic() + PATIENCE_S
        while run.alive() and run.status().step < before + steps and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(self.rng.random() * 2)

    def _stop(self, run: Run) -> None:
        self.page.do(run, self.rng.choice(["stop", "stop", "discard"]))
        if run.alive():
            self._see(run, {"stopping", "stopped"}, TRUTH_S)
        self._see(run, {"stopped", "finished"}, PATIENCE_S)

    def _kill(self, run: Run) -> None:
        pid = run.status().pid
        os.kill(pid, signal.SIGKILL)
        self._see(run, {"lost"}, TRUTH_S)

    def _start_beside(self, alive: Run) -> None:
        self._made += 1
        run = self.home.create_run(self.config, f"soak-{self._made}")
        start_worker(run, "train")
        if alive.state() == "running":  # it has the accelerator, and keeps it
            self._see(run, {"failed"}, PATIENCE_S)
        else:
            kill_worker(run)
            self._see(run, {"failed", "lost", "finished", "stopped"}, TRUTH_S)

    def _delete_living(self, run: Run) -> None:
        if not self.page.do(run, "delete") and run.path.exists():
            self.wrong.append(f"{run.name} was deleted while it ran")

    def _delete(self, run: Run) -> None:
        if error := self.page.do(run, "delete"):
            self.wrong.append(f"delete of {run.name} refused: {error}")
        if run.name in self.page.states():
            self.wrong.append(f"{run.name} is still listed")

    # --- looks

    def _see(self, run: Run, wanted: set[str], within_s: float) -> None:
        """Note when the page does not say one of these states in time."""
        deadline = time.monotonic() + within_s
        told = ""
        while time.monotonic() < deadline:
            told = self.page.states().get(run.name, "gone")
            # On a fast machine a run may have come to its end by itself.
            if told in wanted or (told in ENDED and told != "lost" and "running" in wanted):
                return
            time.sleep(0.1)
        self.wrong.append(f"{run.name}: {told} instead of {' or '.join(sorted(wanted))}")

    def _look(self) -> None:
        deadline = time.monotonic() + TRUTH_S  # a helper needs a moment to see its parent gone
        while (strays := self._strays()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in strays:
            self.orphans.append(" ".join(process.cmdline()[-3:]))
            process.kill()
        self.handles.append(self.page.about.num_fds() if os.name == "posix" else 0)
        self.memory_mib.append(self.page.about.memory_info().rss >> 20)

    def _strays(self) -> list[psutil.Process]:
        """Return processes that work in this home and belong neither to the page nor to a run."""
        alive = {run.status().pid for run in self.home.runs() if run.alive()}
        found = []
        for process in psutil.process_iter(["pid", "ppid", "cmdline", "status"]):
            about = process.info
            names_home = any(str(self.home.path) in word for word in about["cmdline"] or [])
            own = about["pid"] in (self.page.process.pid, os.getpid(), *alive)
            helps = about["ppid"] in (*alive, self.page.process.pid)
            ended = about["status"] == psutil.STATUS_ZOMBIE
            if names_home and not (own or helps or ended):
                found.append(process)
        return found

    def table(self, rounds: int, seconds: float) -> str:
        """Return what came of it."""
        page = self.page
        deeds = ", ".join(f"{name} {count}" for name, count in sorted(self.deeds.items()))
        lines = [
            ("rounds", f"{rounds} in {seconds:,.0f} s ({deeds})"),
            ("wrong states", f"{len(self.wrong)} {self.wrong or ''}"),
            ("orphans", f"{len(self.orphans)} {self.orphans or ''}"),
            ("open files of the page", _course(self.handles)),
            ("memory of the page, MiB", _course(self.memory_mib)),
            ("asked", f"{page.asked} times, {page.unanswered} without an answer"),
            ("slowest answer", f"{page.slowest_s:.1f} s"),
        ]
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {what} |" for name, what in lines)])


def _course(values: list[int]) -> str:
    """Return some values along the way, the first and the last among them."""
    if not values:
        return "–"
    places = sorted({round(part * (len(values) - 1) / 6) for part in range(7)})
    return " → ".join(str(values[place]) for place in places) + f" (most {max(values)})"


def _has_checkpoint(run: Run) -> bool:
    return any(run.checkpoints_dir.glob("step_*"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print the table; 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--browser", action="store_true", help="keep the page open in one")
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    home = Home(folder / "home")
    home.path.mkdir()
    os.environ |= {"CODETUNE_HOME": str(home.path), "OMP_NUM_THREADS": "1"}
    config = _config(build_model(folder / "model"), write_code(folder / "code"))
    page = Page(home.path)
    began, rounds = time.monotonic(), 0
    soak = Soak(home, page, config, asked.seed)
    onlooker = None
    try:
        page.open()
        onlooker = Onlooker(page.url) if asked.browser else None
        while rounds < asked.rounds and time.monotonic() - began < 60 * asked.minutes:
            try:
                soak.round()
            except (CodeTuneError, OSError) as error:
                soak.wrong.append(f"{type(error).__name__}: {error}")
            rounds += 1
            print(f"{rounds}: {dict(soak.deeds)} wrong {soak.wrong}", file=sys.stderr, flush=True)
    finally:
        for run in home.runs():
            kill_worker(run)
        soak.orphans += [" ".join(process.cmdline()[-3:]) for process in _after(soak)]
        if onlooker is not None:
            onlooker.close()
        page.close()
        print(soak.table(rounds, time.monotonic() - began))
        if onlooker is not None:
            print(f"| memory of the open page's script, MiB | {_course(onlooker.heap_mib)} |")
            print(f"| its elements | {_course(onlooker.nodes)} |")
            print(f"| its errors | {len(onlooker.errors)} {onlooker.errors[:5] or ''} |")
        shutil.rmtree(folder, ignore_errors=True)
    return int(bool(soak.wrong or soak.orphans))


def _after(soak: Soak) -> list[psutil.Process]:
    deadline = time.monotonic() + TRUTH_S
    while (strays := soak._strays()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in strays:
        process.kill()
    return strays


def _config(model: Path, code: Path) -> Config:
    """Return a run with a checkpoint every few steps, long enough to be disturbed."""
    return tiny_config(model, code).replace(max_steps=150, eval_every=25, save_every=5)


if __name__ == "__main__":
    sys.exit(main())
