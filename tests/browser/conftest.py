"""A real page in a real browser: the app as its own process, a Chromium, one training run."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.runs.client import stop_server
from codetune_ui.runs.process import kill_worker, start_worker
from codetune_ui.runs.queue import leave, waiting
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.form import remember
from tests.quick_run import tiny_config

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_MS = 90_000  # two busy cores; what is waited for comes much sooner


def chromium() -> str | None:
    """Return the path of an installed Chromium."""
    return next((path for name in CHROMIUMS if (path := shutil.which(name))), None)


class App:
    """`python app.py` on a home of its own, to be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the app and wait until it answers."""
        command = [sys.executable, "app.py", "--no-browser"]
        command += ["--home", str(self.home.path), "--port", str(self.port)]
        # One thread for the training, or the page and its browser starve beside it.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.home.path / "app.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not self._answers():
            assert self.process.poll() is None, (self.home.path / "app.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """End the app at once, as a crash would; workers are left alone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ct-api/run", timeout=2):
                return True
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")  # while it is open no other test can run an event loop
def browser() -> Iterator[BrowserContext]:
    """Return a person's Chromium, its cache warm after the first page; none: skip, in CI fail."""
    path = chromium()
    if path is None:
        message = "there is no Chromium on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        context = started.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        yield context
        started.close()


@pytest.fixture(scope="module")
def app(
    browser: BrowserContext,  # noqa: ARG001 - no browser, no app
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    code_folder: Path,
) -> Iterator[App]:
    """Return the app on a home with a scan of the small code and settings for a long tiny run."""
    with scanned(tmp_path_factory.mktemp("home"), tiny_config(tiny_model, code_folder)) as started:
        yield started


@contextmanager
def scanned(home: Path, config: Config) -> Iterator[App]:
    """Start the app with `config` in its form and its source scanned."""
    with running(home, config) as started:
        scan = started.home.create_scan(config)
        start_worker(scan, "scan")
        while scan.alive():
            time.sleep(0.05)
        assert scan.state() == "finished", scan.log_tail()
        yield started


@contextmanager
def running(home: Path, config: Config) -> Iterator[App]:
    """Start the app with `config` in its form; at the end nothing that it started goes on."""
    started = App(home)
    remember(started.home, config)
    started.start()
    try:
        yield started
    finally:
        for turn in waiting(started.home):
            leave(turn.run)
        scan = started.home.latest_scan()
        for run in [*started.home.runs(), *([scan] if scan else [])]:
            kill_worker(run)
        stop_server(started.home)
        started.kill()


@pytest.fixture
def page(browser: BrowserContext, app: App) -> Iterator[Page]:
    """Open the page in a new tab; it may neither fail nor reach for another machine."""
    with watched(browser, app) as opened:
        yield opened


class watched:  # noqa: N801 - used like a function
    """Open a page; at the end complain about its errors and about requests to elsewhere."""

    def __init__(self, browser: BrowserContext, app: App) -> None:
        self.app = app
        self.page = browser.new_page()
        # By the clock: a look at every frame is just what app.js ends when it goes on for long.
        self.page.wait_for_function = partial(  # type: ignore[method-assign]
            self.page.wait_for_function, polling=100
        )
        self.errors: list[str] = []
        self.outside: list[str] = []

    def __enter__(self) -> Page:
        self.watch(self.page)
        self.page.goto(self.app.url)
        self.page.wait_for_selector("html[data-run]")
        return self.page

    def watch(self, page: Page) -> None:
        """Note what goes wrong on a page."""
        own = (self.app.url, "data:", "blob:")
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on(
            "request",
            lambda r: None if r.url.startswith(own) else self.outside.append(r.url),
        )

    def __exit__(self, *_: object) -> None:
        self.page.close()
        # While the app is being restarted a browser says so, once per try.
        away = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET")  # the second when it was asked
        errors = [text for text in self.errors if not any(word in text for word in away)]
        assert not errors
        assert not self.outside


@pytest.fixture
def run(app: App, browser: BrowserContext) -> Run:
    """Return a run that is training: the one a story left running, or one started by a press."""
    for known in app.home.runs():
        if known.state() == "running":
            return known
    with watched(browser, app) as page:
        page.get_by_role("tab", name="Train").click()
        page.evaluate("CT.newRun()")
        page.get_by_role("button", name="Start training").click()
        page.wait_for_selector("html[data-run=running]")
        return app.home.run(str(page.evaluate("CT.store.run")))
