"""A machine with SkyPilot's command: where a run trains is a person's choice, and is said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from codetune_ui.runs.placement import read_placement
from codetune_ui.runs.process import stop_and_wait
from tests.browser.conftest import App, scanned
from tests.quick_run import tiny_config
from tests.small_cloud import a_cloud, is_idle, works_with

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync on this machine"),
]


@pytest.fixture(scope="module")
def app(
    browser: BrowserContext,  # noqa: ARG001 - no browser, no app
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    code_folder: Path,
) -> Iterator[App]:
    """Return the app on a home with a scan, beside a small cloud."""
    home = tmp_path_factory.mktemp("home")
    programs, cloud = a_cloud(tmp_path_factory.mktemp("away"))
    works_with(cloud)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        with scanned(home, tiny_config(tiny_model, code_folder)) as started:
            yield started
            for run in started.home.runs():
                stop_and_wait(run)
    assert is_idle(cloud)


def choose(page: Page, options: str) -> None:
    page.get_by_role("tab", name="Train").click()
    page.evaluate("CT.newRun()")
    page.get_by_role("radio", name="SkyPilot").check(force=True)
    page.get_by_label("Options").fill(options)


def test_what_cannot_be_asked_of_a_cluster_is_told_at_its_field(page: Page) -> None:
    choose(page, "k8s")
    page.get_by_text("'k8s' is no option of SkyPilot. Write NAME=VALUE").wait_for()
    page.wait_for_selector("#place-options.is-wrong")
    assert page.get_by_role("button", name="Fix the settings").is_disabled()


def test_a_run_is_sent_away_and_looked_at_here(app: App, page: Page) -> None:
    choose(page, "infra=k8s")
    goes = "With SkyPilot on k8s: your code, the model and this run are copied there."
    page.get_by_text(goes).wait_for()
    page.get_by_label("Run name").fill("far-off")
    page.get_by_role("button", name="Start with SkyPilot").click()
    page.wait_for_selector("html[data-run=running]")
    placement = read_placement(app.home.run("far-off").path)
    assert placement is not None
    assert (placement.on, placement.options) == ("sky", {"infra": "k8s"})
    assert "With SkyPilot on k8s, job codetune-far-off-run" in page.locator(".r-where").inner_text()
    page.wait_for_function("(CT.store.m.length ?? 0) > 2")
    page.get_by_role("button", name="Stop and save").click()
    page.wait_for_selector("html[data-run=stopped]")


def test_the_next_form_stands_on_this_machine_again(page: Page) -> None:
    page.get_by_role("tab", name="Train").click()
    page.evaluate("CT.newRun()")
    page.get_by_role("button", name="Start training").wait_for()
    assert page.get_by_role("radio", name="This machine").is_checked()
