"""A machine with two cards, as far as the page sees: which of them train is a person's choice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from codetune_ui.runs.events import read_events
from tests.browser.conftest import App, scanned
from tests.quick_run import tiny_config
from tests.two_cards import CARDS, a_tool

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(
    browser: BrowserContext,  # noqa: ARG001 - no browser, no app
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    code_folder: Path,
) -> Iterator[App]:
    """Return the app on a home with a scan, and a tool that tells of two cards."""
    home = tmp_path_factory.mktemp("home")
    (home / "tools").mkdir()
    a_tool(home / "tools")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{home / 'tools'}{os.pathsep}{os.environ['PATH']}")
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        with scanned(home, tiny_config(tiny_model, code_folder)) as started:
            yield started


def open_form(page: Page) -> None:
    page.get_by_role("tab", name="Train").click()
    page.evaluate("CT.newRun()")
    page.wait_for_selector("#cards li")
    page.get_by_role("button", name="Start training").wait_for()


def train(page: Page, many: str) -> None:
    """Wait until the list says how many train."""
    page.wait_for_function(f"document.querySelector('#cards .chip').textContent === '{many} train'")


def test_each_card_shows_what_is_free_and_who_holds_it(page: Page) -> None:
    open_form(page)
    first, second = page.locator("#cards li").all()
    assert first.inner_text().split("\n") == ["0", "RTX 4090", "23.5 of 24.0 GiB free"]
    assert "17.5 of 24.0 GiB free" in second.inner_text()
    holds = "python.exe (pid 4242) holds 5.0 GiB, and 1 more"
    page.wait_for_function(f"document.querySelector('#cards').innerText.includes('{holds}')")


def test_the_last_ticked_card_stays_ticked(page: Page) -> None:
    open_form(page)
    page.get_by_role("checkbox", name="0 RTX 4090").click()
    page.get_by_text("One card at least has to train: tick another one first.").wait_for()
    assert page.get_by_role("checkbox", name="0 RTX 4090").is_checked()


def test_both_cards_are_ticked_and_train_one_run_together(app: App, page: Page) -> None:
    open_form(page)
    page.get_by_role("checkbox", name="1 RTX 4090").check()
    train(page, "2 of 2")
    assert page.evaluate("document.activeElement.value") == "1"  # the keyboard goes on from there
    page.get_by_text("1 row × 2 processes = 2 rows").wait_for()
    page.get_by_label("Run name").fill("together")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_selector("html[data-run=running]")
    run = app.home.run("together")
    assert (run.config().processes, run.config().cards) == (2, "0,1")
    plan = next(event for event in read_events(run.events_path)[0] if event["kind"] == "plan")
    assert plan["processes"] == 2
    page.get_by_role("button", name="Stop and save").click()
    page.wait_for_selector("html[data-run=stopped]")


def test_a_card_that_is_gone_is_told_before_the_start_and_unticked(app: App, page: Page) -> None:
    open_form(page)
    page.get_by_role("checkbox", name="0 RTX 4090").uncheck()
    train(page, "1 of 2")
    a_tool(app.home.path / "tools", CARDS.splitlines()[0])
    page.get_by_text("There is no card 1 here. Choose from card 0.").wait_for()
    assert page.get_by_role("button", name="Fix the settings").is_disabled()
    page.get_by_role("checkbox", name="0 RTX 4090").check()
    page.get_by_role("checkbox", name="1 not here").uncheck()
    page.get_by_role("button", name="Start training").wait_for()
    assert page.locator("#cards input").count() == 0
