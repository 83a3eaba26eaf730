"""Make the pictures of the README: `python -m tests.browser.screenshots`, by hand.

Everything in them is real: the demo preset is scanned, trained and tried out on this machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from codetune_ui.core.assets import ASSETS
from codetune_ui.core.presets import preset
from codetune_ui.runs.client import stop_server
from codetune_ui.runs.process import kill_worker, start_worker
from codetune_ui.runs.store import Home
from tests.browser.conftest import App, chromium

FOLDER = ASSETS / "screenshots"
SIZE: ViewportSize = {"width": 1440, "height": 900}
THEMES = ("dark", "light")
PATIENCE_MS = 300_000  # the demo takes minutes on two cores


def main() -> None:
    """Run the demo in a home of its own, and take every tab in both themes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        app = App(Path(folder))
        app.start()
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            _take_all(app, browser)
        finally:
            browser.close()
            for run in app.home.runs():
                kill_worker(run)
            stop_server(app.home)
            app.kill()


def _take_all(app: App, browser: Browser) -> None:
    with _opened(app, browser, "dark") as page:
        _scan(page)
    _earlier_run(app.home)
    with _opened(app, browser, "dark") as page:
        _train(page)
    for theme in THEMES:
        with _opened(app, browser, theme) as page:
            _tab(page, "Train")
            page.wait_for_function("(CT.store.view?.percent ?? 0) >= 60", polling=1000)
            _shoot(page, "train", theme)
    _wait_for_end(app.home)
    for theme in THEMES:
        with _opened(app, browser, theme) as page:
            _take_the_rest(page, theme)


def _take_the_rest(page: Page, theme: str) -> None:
    _tab(page, "Model & Data")
    page.wait_for_selector("#corpus .c-files tbody tr")
    _shoot(page, "data", theme)
    _tab(page, "FIM Preview")
    page.wait_for_selector("#fim pre.code")
    page.get_by_role("radio", name="SPM", exact=True).check(force=True)
    page.wait_for_selector("#fim mark")
    while page.locator("#fim pre.code").first.inner_text().count("\n") < 24:
        page.get_by_role("button", name="Next sample").click()  # the first files are one line long
        page.wait_for_timeout(1000)
    _shoot(page, "fim", theme)
    _fill(page)
    _shoot(page, "play", theme)
    _evaluate(page)
    _shoot(page, "evaluate", theme)
    _serve(page)
    _shoot(page, "use", theme)
    _compare(page)
    _shoot(page, "runs", theme)


@contextmanager
def _opened(app: App, browser: Browser, theme: str) -> Iterator[Page]:
    """Open the page alone: a browser does not draw a window that another one covers."""
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{app.url}/?__theme={theme}")
    page.wait_for_selector("html[data-run]")
    yield page
    context.close()


def _scan(page: Page) -> None:
    _tab(page, "Model & Data")
    page.locator("#b-scan").click()
    _tab(page, "Train")
    page.get_by_role("button", name="Start training").wait_for()


def _earlier_run(home: Home) -> None:
    """Train a shorter run, so that there are two to compare."""
    run = home.create_run(preset("demo", max_steps=40, lora_rank=4), "brisk-finch")
    start_worker(run, "train")
    _wait_for_end(home)


def _wait_for_end(home: Home) -> None:
    while home.runs()[0].alive():
        time.sleep(0.5)


def _train(page: Page) -> None:
    _tab(page, "Train")
    page.evaluate("CT.newRun()")
    page.get_by_label("Run name").fill("amber-otter")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_selector("html[data-run=running]")


def _fill(page: Page) -> None:
    _tab(page, "Playground")
    known = ""
    while "(" not in known:  # a call says more about a code base than a docstring does
        page.locator("#b-hole").click()  # one of a held-out file, whose middle is known
        page.wait_for_function(
            "(old) => ![old, ''].includes(document.querySelector('#play-known textarea')?.value)",
            arg=known,
        )
        known = page.locator("#play-known textarea").input_value()
    page.locator("#b-fill").click()
    page.wait_for_selector("#out mark.tuned")


def _evaluate(page: Page) -> None:
    _tab(page, "Evaluate")
    page.wait_for_selector("#ev-run option", state="attached")
    page.locator("#ev-run").select_option("amber-otter")
    page.wait_for_timeout(1500)
    if not page.locator("#ev-earlier button").count():
        page.locator("#b-evaluate:enabled").click()
    page.wait_for_selector(".ev-says")


def _serve(page: Page) -> None:
    """Switch the editors' server on, and ask it as one of them does."""
    _tab(page, "Use")
    page.wait_for_selector("#us-editor[data-state]")
    if page.locator('#us-editor[data-state="on"]').count() == 0:
        page.get_by_role("switch", name="Serve to editors").click()
    page.wait_for_selector('#us-editor[data-state="on"]')
    page.get_by_role("button", name="Test connection").click()
    page.wait_for_selector("#us-tried .us-ok")
    page.wait_for_selector("#us-requests td")


def _compare(page: Page) -> None:
    _tab(page, "Runs")
    for name in ("amber-otter", "brisk-finch"):
        page.get_by_label(f"Compare {name}").check()
    page.wait_for_selector("#runs .chartcard .main-svg")


def _tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def _shoot(page: Page, name: str, theme: str) -> None:
    page.mouse.move(1, 899)  # nothing hovered
    page.wait_for_timeout(1500)  # fonts, the chart's transition, a tick
    path = FOLDER / f"{name}_{theme}.png"
    page.screenshot(path=path)
    print(path, flush=True)


if __name__ == "__main__":
    main()
