"""Is the adapter better? The story of an evaluation on the real page, with a real worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from codetune_ui.core.own_holes import own_hole
from codetune_ui.runs.own_holes import keep, own_holes
from codetune_ui.runs.process import kill_worker
from tests.browser.conftest import App, running, watched
from tests.quick_run import tiny_config
from tests.runs.serving import add_trained_run, hold_out

pytestmark = pytest.mark.browser

CODE = "".join(
    f"def step_{n}(value: int) -> int:\n    return value * {n * 7}\n\n\n" for n in range(8)
)
SHOWN = "#evaluate[data-shown]"


@pytest.fixture(scope="module")
def trained(
    browser: BrowserContext,  # noqa: ARG001 - no browser, no app
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    code_folder: Path,
) -> Iterator[App]:
    """Return the app on a home with one finished run, "tuned"."""
    home = tmp_path_factory.mktemp("evaluated")
    with running(home, tiny_config(tiny_model, code_folder)) as app:
        run = add_trained_run(app.home, tiny_model, "tuned", max_seq_len=128)
        hold_out(run, {"src/pond.py": CODE, "src/lake.py": CODE.replace("step", "wave")})
        keep(app.home, own_hole("def area(pond):\n    return ", "pond.width", "\n"))
        yield app
        for job in app.home.evaluations():
            kill_worker(job)


@pytest.fixture
def tab(browser: BrowserContext, trained: App) -> Iterator[Page]:
    """Open the Evaluate tab in a new page."""
    with watched(browser, trained) as page:
        open_tab(page)
        yield page


def open_tab(page: Page) -> None:
    page.get_by_role("tab", name="Evaluate").click()
    page.wait_for_selector("#ev-run option", state="attached")


def test_an_evaluation_is_started_seen_at_work_kept_over_a_reload_and_read(
    tab: Page, trained: App
) -> None:
    tab.locator("#ev-count").fill("12")
    tab.get_by_label("Your own holes (1)").check()
    tab.locator("#b-evaluate:enabled").click()
    tab.wait_for_selector("#ev-job:visible >> text=Evaluating tuned")
    tab.reload()
    open_tab(tab)
    tab.wait_for_selector(SHOWN)
    headline = tab.locator(".ev-says").inner_text()
    assert "the adapter" in headline.lower()
    assert "the base" in headline
    assert tab.locator("#ev-job").is_hidden()
    tab.wait_for_function("document.querySelectorAll('#ev-table tr[data-hole]').length === 13")
    # --- sorted and filtered
    tab.get_by_role("button", name="Where").click()
    tab.wait_for_selector('#evaluate[data-table="where 13"]')
    first = tab.locator("#ev-table .ev-where").first.inner_text()
    assert first.startswith("pasted.py:2")
    tab.get_by_role("button", name="Neither").click()
    tab.wait_for_selector('#evaluate[data-table^="neither"]')
    tab.get_by_label("Kind of hole").select_option("own")
    tab.wait_for_selector('#evaluate[data-table="neither own where 1"]')
    # --- opened by the keyboard
    tab.locator("#ev-table tr[data-hole]").first.press("Enter")
    tab.wait_for_selector(".ev-around .pane >> text=What stood there")
    # --- downloaded
    with tab.expect_download() as report:
        tab.get_by_role("link", name="As JSON").click()
    found = json.loads(Path(report.value.path()).read_text("utf-8"))
    assert found["holes"] == 13
    assert report.value.suggested_filename.startswith("tuned-")
    # --- after another reload it is there again, with the app's other tabs untouched
    tab.reload()
    open_tab(tab)
    tab.wait_for_selector(".ev-says")
    assert tab.locator(".ev-says").inner_text() == headline
    assert len(list((trained.home.run("tuned").path / "evaluation").glob("*.json"))) == 1


def test_a_cancelled_evaluation_says_so_and_leaves_nothing(tab: Page, trained: App) -> None:
    folder = trained.home.run("tuned").path / "evaluation"
    before = sorted(folder.glob("*.json"))
    tab.locator("#ev-count").fill("5000")
    tab.locator("#b-evaluate:enabled").click()
    tab.wait_for_selector("#ev-job:visible >> text=Evaluating tuned")
    tab.locator("#b-ev-cancel").click()
    tab.wait_for_selector("#ev-job >> text=The evaluation was cancelled. Nothing was kept.")
    tab.locator("#b-ev-cancel").click()  # its word is "Close" now
    tab.wait_for_selector("#ev-job", state="hidden")
    assert sorted(folder.glob("*.json")) == before


def test_a_hole_of_the_playground_is_kept_and_removed_again(
    browser: BrowserContext, trained: App
) -> None:
    with watched(browser, trained) as page:
        page.get_by_role("tab", name="Playground").click()
        page.locator("#b-keep-hole").click()
        page.get_by_label("What should stand in the hole?").fill("return self.jobs.pop(0)")
        page.get_by_role("button", name="Keep", exact=True).click()
        open_tab(page)
        page.get_by_role("button", name="Own holes").click()
        page.wait_for_selector(".ev-own mark.mid >> text=jobs")
        assert [own.middle for own in own_holes(trained.home)][-1] == "return self.jobs.pop(0)"
        page.get_by_role("button", name="Remove pasted.py:14").click()
        page.locator("dialog").get_by_role("button", name="Remove").click()
        page.wait_for_function("document.querySelectorAll('.ev-own').length === 1")
    assert len(own_holes(trained.home)) == 1
