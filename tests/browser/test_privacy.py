"""The page asks no other machine for anything, and no script but its own runs in it."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser.conftest import App, watched

pytestmark = pytest.mark.browser

TABS = ("Model & Data", "FIM Preview", "Train", "Playground", "Evaluate", "Runs")
BEAT = "document.documentElement.classList.contains('ct-beat')"  # turns with every poll


def test_no_tab_asks_another_machine_for_anything(app: App, browser: BrowserContext) -> None:
    asked: list[str] = []

    def note(route: Route) -> None:
        asked.append(route.request.url)
        if route.request.url.startswith((app.url, "data:", "blob:")):
            route.continue_()
        else:
            route.abort()

    with watched(browser, app) as page:
        page.route("**/*", note)
        page.reload()
        page.wait_for_selector("html[data-run]")
        for tab in TABS:
            page.get_by_role("tab", name=tab).click()
            page.wait_for_selector(f"[role=tab][aria-selected=true]:has-text('{tab}')")
        for _ in range(3):  # what the tabs have begun to ask for is asked
            now = page.evaluate(BEAT)
            page.wait_for_function(f"{BEAT} !== {str(now).lower()}")
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []


def test_markup_that_gets_into_the_page_runs_no_script(app: App, browser: BrowserContext) -> None:
    page = opened(app, browser)
    page.evaluate(
        """() => {
        document.addEventListener('securitypolicyviolation', () => (window.held = 1))
        const bad = '<img src="data:," onerror="window.ran = 1">'
        document.body.insertAdjacentHTML('beforeend', bad)
        }"""
    )
    page.wait_for_function("window.held === 1")
    assert page.evaluate("window.ran") is None
    page.close()


def test_a_script_in_the_page_cannot_send_anything_away(app: App, browser: BrowserContext) -> None:
    page = opened(app, browser)
    refused = page.evaluate(
        """() => new Promise((done) => {
        document.addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective))
        fetch('http://127.0.0.1:9/stolen').then(() => done('sent'), () => {})
        })"""
    )
    assert refused == "connect-src"
    page.close()


def opened(app: App, browser: BrowserContext) -> Page:
    """Open the page without a watch over its console: what is refused is told there."""
    page = browser.new_page()
    page.goto(app.url)
    page.wait_for_selector("html[data-run]")
    return page
