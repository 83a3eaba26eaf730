"""What a person does with runs that wait for their turn, on the real page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from codetune_ui.runs.queue import waiting
from codetune_ui.runs.store import Run
from tests.browser.conftest import App

pytestmark = pytest.mark.browser

WAITING = "html[data-run=waiting]"


def line(app: App) -> list[str]:
    return [turn.run.name for turn in waiting(app.home)]


def put_in_line(page: Page, name: str) -> None:
    """Press Start for a run of that name, while another is at work."""
    page.get_by_role("tab", name="Train").click()
    page.evaluate("CT.newRun()")
    page.get_by_label("Run name").fill(name)
    page.get_by_role("button", name="Put in the queue").click()
    page.wait_for_selector(WAITING)


def test_a_second_start_waits_and_says_for_whom(run: Run, app: App, page: Page) -> None:
    put_in_line(page, "second")
    words = f"Waits for its turn: it is next, '{run.name}' is at work."
    page.wait_for_function(f"document.querySelector('.r-headline').textContent === \"{words}\"")
    assert line(app) == ["second"]
    assert page.locator(".rc-state").inner_text() == "running · 1 queued"
    put_in_line(page, "third")
    assert line(app) == ["second", "third"]


def test_a_waiting_run_is_put_first_edited_and_taken_out(run: Run, app: App, page: Page) -> None:
    page.get_by_role("tab", name="Train").click()
    page.evaluate("CT.show('third')")
    page.get_by_role("button", name="Start earlier").click()
    page.get_by_role("button", name="Start earlier").wait_for(state="hidden")
    assert line(app) == ["third", "second"]
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Save third").wait_for()
    page.get_by_label("LoRA rank").fill("4")
    page.get_by_role("button", name="Save third").click()
    page.wait_for_function("document.querySelector('.r-settings').textContent.includes('r=4')")
    assert app.home.run("third").config().lora_rank == 4
    assert line(app) == ["third", "second"]
    page.get_by_role("button", name="Take out of the queue").click()
    page.wait_for_selector("html[data-run=created]")
    assert line(app) == ["second"]
    assert run.state() == "running"


def test_several_values_of_a_setting_are_several_runs_compared(
    run: Run, app: App, page: Page
) -> None:
    assert run.alive()
    page.get_by_role("tab", name="Train").click()
    page.evaluate("CT.newRun()")
    page.get_by_label("Run name").fill("rates")
    page.get_by_role("button", name="Try several values").click()
    page.get_by_label("Setting to vary").fill("Learning rate")
    page.get_by_role("option", name="Learning rate", exact=True).click()
    page.get_by_label("Values").fill("1e-3, 2e-3")
    page.get_by_role("button", name="Put 2 runs in the queue").click()
    page.wait_for_selector("#runs tbody tr[data-name='rates-learning_rate-0.002']")
    assert line(app)[-2:] == ["rates-learning_rate-0.001", "rates-learning_rate-0.002"]
    ticked = "[...document.querySelectorAll('#runs tbody input:checked')].length"
    page.wait_for_function(f"{ticked} === 2")
    page.get_by_label("Take out of the queue rates-learning_rate-0.001").click()
    out = "#runs tbody tr[data-name='rates-learning_rate-0.001'] .pill[data-state=created]"
    page.wait_for_selector(out)


def test_the_next_begins_when_the_first_is_stopped(run: Run, page: Page) -> None:
    page.get_by_role("tab", name="Train").click()
    page.evaluate(f"CT.show('{run.name}')")
    page.get_by_role("button", name="Stop and save").click()
    page.wait_for_selector("html[data-run=stopped]")
    page.evaluate("CT.show('second')")
    page.wait_for_selector("html[data-run=running]")
    assert run.state() == "stopped"
