"""A finished adapter is taken out of the app: as files, and into an editor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from codetune_ui.core.export import MANIFEST
from codetune_ui.runs.client import server_state
from codetune_ui.runs.process import kill_worker
from tests.browser.conftest import App, running, watched
from tests.engine.exporting import exportable
from tests.quick_run import tiny_config

pytestmark = pytest.mark.browser

ENDED = ".us-one, #us-job:is([data-state=failed], [data-state=lost])"
SLOW_MS = 400_000  # a process that loads torch, on a busy machine


@pytest.fixture(scope="module")
def trained(
    browser: BrowserContext,  # noqa: ARG001 - no browser, no app
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    code_folder: Path,
) -> Iterator[App]:
    """Return the app on a home with one finished run, "tuned"."""
    home = tmp_path_factory.mktemp("used")
    with running(home, tiny_config(tiny_model, code_folder)) as app:
        exportable(app.home.path, tiny_model)
        yield app
        for job in app.home.exports():
            kill_worker(job)


@pytest.fixture
def tab(browser: BrowserContext, trained: App) -> Iterator[Page]:
    """Open the Use tab in a new page."""
    with watched(browser, trained) as page:
        open_tab(page)
        yield page


def open_tab(page: Page) -> None:
    page.get_by_role("tab", name="Use").click()
    page.wait_for_selector("#us-run option", state="attached")


def test_an_adapter_that_nobody_evaluated_asks_once_and_is_exported(
    tab: Page, trained: App
) -> None:
    tab.locator("#b-export:enabled").click()
    tab.wait_for_selector("#us-ask:visible >> text='tuned' has not been evaluated")
    assert trained.home.exports() == []
    tab.get_by_role("button", name="Export all the same").click()
    tab.wait_for_selector("#us-ask", state="hidden")
    tab.reload()  # the export goes on, and the page finds it
    open_tab(tab)
    tab.wait_for_selector(ENDED, timeout=SLOW_MS)
    assert tab.locator(".us-one").count() == 1, tab.locator("#us-job").inner_text()
    tab.wait_for_selector(".us-one .us-check.same >> text=Opened again")
    place = trained.home.run("tuned").path / "exports" / "adapter"
    assert tab.locator(".us-one code").inner_text() == str(place)
    assert (place / MANIFEST).is_file()
    # --- the same again is asked about, and left as it is
    tab.locator("#b-export:enabled").click()
    tab.get_by_role("button", name="Export all the same").click()
    tab.get_by_role("button", name="Replace it").wait_for()
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#b-export:enabled")
    assert len(trained.home.exports()) == 1


def test_an_export_is_cancelled_by_a_click_and_leaves_nothing(tab: Page, trained: App) -> None:
    exports = trained.home.run("tuned").path / "exports"
    there = set(exports.iterdir()) if exports.exists() else set()
    ask_for(tab, "merged")
    tab.wait_for_selector("#us-job:visible >> text=Exporting tuned")
    tab.locator("#b-us-cancel:has-text('Cancel')").click()
    tab.wait_for_selector("#us-job[data-state=stopped]", timeout=SLOW_MS)
    assert tab.locator("#us-job .us-line").inner_text() == (
        "The export was cancelled. Nothing was left behind."
    )
    assert (set(exports.iterdir()) if exports.exists() else set()) == there
    tab.get_by_role("button", name="Close").click()
    tab.wait_for_selector("#us-job", state="hidden")


@pytest.mark.parametrize(
    ("form", "quant", "file"),
    [
        ("merged", "f32", "model.safetensors"),
        ("gguf", "f16", "*.gguf"),
        ("gguf-adapter", "f32", "*.gguf"),
        ("ollama", "f16", "Modelfile"),
    ],
)
def test_every_form_is_exported_by_clicks(
    tab: Page, trained: App, form: str, quant: str, file: str
) -> None:
    ask_for(tab, form, quant)
    place = trained.home.run("tuned").path / "exports" / f"{form}-{quant}"
    line = tab.locator(f'.us-one:has-text("{place}")')
    ended = f'.us-one:has-text("{place}"), #us-job:is([data-state=failed], [data-state=lost])'
    tab.wait_for_selector(ended, timeout=SLOW_MS)
    assert line.count() == 1, tab.locator("#us-job").inner_text()
    assert "Opened again" in line.inner_text()
    assert len(list(place.glob(file))) == 1


def ask_for(tab: Page, form: str, quant: str = "") -> None:
    """Choose, press Export, and say yes to what nobody evaluated."""
    tab.locator(f'[name="us-format"][value="{form}"]').check()
    if quant:
        tab.locator("#us-quant").select_option(quant)
    tab.locator("#b-export:enabled").click()
    tab.get_by_role("button", name="Export all the same").click()


def test_an_editor_is_set_up_tested_and_switched_off(tab: Page, trained: App) -> None:
    switch = tab.get_by_role("switch", name="Serve to editors")
    switch.click()
    tab.wait_for_selector('#us-editor[data-state="on"]', timeout=SLOW_MS)
    state = server_state(trained.home)
    assert state is not None
    assert tab.locator("#us-address").inner_text() == f"http://127.0.0.1:{state.port}"
    assert tab.locator("#us-model").inner_text() == "codetune-tuned"
    # --- the token is seen after a press only
    tab.get_by_label("minuet-ai.nvim").check()
    tab.wait_for_selector('#us-editor[data-editor="minuet"]')
    assert state.token not in tab.locator("#us-on").inner_text()
    tab.get_by_role("button", name="Show the token").click()
    assert state.token in tab.locator("#us-text").inner_text()
    assert tab.locator("#us-token").inner_text() == state.token
    # --- asked as the editor asks; the list beneath tells of it
    tab.get_by_role("button", name="Test connection").click()
    tab.wait_for_selector("#us-tried .us-ok >> text=minuet-ai.nvim", timeout=SLOW_MS)
    tab.wait_for_selector('#us-requests td:has-text("/v1/completions")')
    # --- off, and a reload knows it
    switch.click()
    tab.wait_for_selector('#us-editor[data-state="off"]')
    assert server_state(trained.home) is None
    tab.reload()
    open_tab(tab)
    tab.wait_for_selector('#us-editor[data-state="off"]')
