"""How soon the FIM preview shows a changed setting: `python -m tests.bench.preview [--data DIR]`.

Server: the time of `draw` alone. Browser: from the change of the widget, in a headless Chromium, to
the moment at which the new view is painted; the app is a process of its own on the same machine.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from codetune_ui.core.config import Config
from codetune_ui.runs.process import start_worker
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.fim_tab import Asked, draw
from codetune_ui.ui.form import remember
from tests.browser.conftest import App, chromium

CHANGES: list[dict[str, Any]] = [
    {"seed": 1},
    {"fim_rate": 0.9},
    {"spm_rate": 0.2},
    {"span": "characters"},
    {"span": "syntax"},
    {"loss_on": "middle"},
    {"fit": "truncate_or_pad"},
    {"max_seq_len": 1024},
    {"repo_context": "path"},
    {"repo_context": "neighbours"},
    {"repo_context": "neighbours", "seed": 3},
]
PAINTED = """() => new Promise((done) => {
  const view = document.getElementById('fim');
  const began = performance.now();
  new MutationObserver((_, self) => {
    self.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  }).observe(view, {childList: true, subtree: true});
  const box = document.querySelector('#fim-seed input');
  box.value = String(Number(box.value) + 1);
  box.dispatchEvent(new Event('input', {bubbles: true}));
})"""
TIMES = 12


def main() -> None:
    """Scan a folder, then measure; nothing of it stays."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=str(Path(sysconfig.get_paths()["stdlib"]) / "json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = Config(source=given.data)
        app = App(Path(folder))
        scan = _scan(app.home, config)
        remember(app.home, config)
        found = {"server_ms": server_ms(scan, config)}
        app.start()
        try:
            found["browser_ms"] = browser_ms(app)
        finally:
            app.kill()
    print(json.dumps(found))


def _scan(home: Home, config: Config) -> Run:
    scan = home.create_scan(config)
    start_worker(scan, "scan")
    while scan.alive():
        time.sleep(0.1)
    assert scan.state() == "finished", scan.log_tail()
    return scan


def server_ms(scan: Run, config: Config) -> dict[str, float]:
    """Return the milliseconds of the first look, and of each changed setting after it."""
    values = config.to_dict()
    found = {"first": _took(scan, values)}
    for change in CHANGES:
        name = " ".join(f"{key}={value}" for key, value in change.items())
        found[name] = _took(scan, values | change)
    return found


def _took(scan: Run, values: dict[str, Any]) -> float:
    began = time.perf_counter()
    draw(Asked(scan.home, scan.name, values))
    return round((time.perf_counter() - began) * 1000, 1)


def browser_ms(app: App) -> dict[str, float]:
    """Return median and worst milliseconds from a new seed to the painted view."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(app.url)
        page.get_by_role("tab", name="FIM Preview").click()
        page.wait_for_selector("#fim pre.code")
        times = [_painted(page) for _ in range(TIMES + 2)][2:]
        browser.close()
    return {"median": round(statistics.median(times), 1), "worst": round(max(times), 1)}


def _painted(page: Page) -> float:
    page.wait_for_timeout(500)
    return float(page.evaluate(PAINTED))


if __name__ == "__main__":
    main()
