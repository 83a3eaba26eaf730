"""What a person does with a training: each story on the real page, with a real worker."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from codetune_ui.runs.process import kill_worker
from codetune_ui.runs.store import Run
from tests.browser.conftest import App, watched

pytestmark = pytest.mark.browser

POINTS = "(document.querySelector('#loss-chart .plt')?.data?.[0].x.length ?? 0)"
STATE = "html[data-run={}]"


def open_train(page: Page) -> None:
    page.get_by_role("tab", name="Train").click()
    page.wait_for_selector("#loss-chart .main-svg")


def wait_for_growth(page: Page) -> int:
    """Wait until the curve has more points than now; return how many."""
    before = int(page.evaluate(POINTS))
    page.wait_for_function(f"{POINTS} > {before + 2}")
    return int(page.evaluate(POINTS))


def test_a_press_on_start_begins_a_run_and_its_curve_grows(
    app: App, browser: BrowserContext
) -> None:
    with watched(browser, app) as page:
        page.get_by_role("tab", name="Train").click()
        page.evaluate("CT.newRun()")
        page.get_by_label("Run name").fill("first-run")
        page.get_by_role("button", name="Start training").click()
        page.wait_for_selector(STATE.format("running"))
        assert wait_for_growth(page) > 2
        assert page.locator("#run-head h1").inner_text().split() == ["first-run", "running"]
        assert page.get_by_role("button", name="Stop and save").is_visible()
        assert page.get_by_role("button", name="Resume").is_hidden()
        assert page.title().endswith("% · first-run · CodeTune")
        page.wait_for_selector(".log .eval")


def test_held_out_holes_are_plotted_below_the_loss_with_the_base_dashed(
    run: Run, page: Page
) -> None:
    open_train(page)
    plot = "document.querySelector('#loss-chart .plt')"
    page.wait_for_function(f"{plot}.data.some((t) => t.yaxis === 'y3' && t.x.length > 1)")
    dashed = page.evaluate(f"{plot}.layout.shapes.filter((s) => s.line.dash === 'dash')")
    measured = page.evaluate("CT.store.s[0]")
    assert [(line["y0"], line["yref"]) for line in dashed] == [(measured[1], "y3")]
    assert measured[0] == 0
    assert page.locator(".tile[data-k=card]").is_visible()
    page.wait_for_function("document.querySelector('.tile[data-k=card] em').textContent")
    assert page.locator(".tile[data-k=card] em").inner_text().endswith("exact")
    assert run.state() == "running"


def test_a_reload_comes_back_to_the_tab_and_its_run(run: Run, page: Page) -> None:
    open_train(page)
    before = wait_for_growth(page)
    page.reload()
    page.wait_for_function(f"{POINTS} > {before}")
    assert page.locator(".rn").inner_text() == run.name


def test_a_closed_tab_does_not_end_the_run(run: Run, app: App, browser: BrowserContext) -> None:
    with watched(browser, app) as page:
        open_train(page)
        before = wait_for_growth(page)
    with watched(browser, app) as page:
        open_train(page)
        page.wait_for_function(f"{POINTS} > {before}")
    assert run.state() == "running"


def test_a_second_tab_shows_the_same(run: Run, app: App, browser: BrowserContext) -> None:
    with watched(browser, app) as first, watched(browser, app) as second:
        open_train(first)
        open_train(second)
        wait_for_growth(first)
        wait_for_growth(second)
        names = [page.locator(".rc-name").inner_text() for page in (first, second)]
    assert names == [run.name, run.name]


def test_zoom_survives_updates_and_a_look_at_another_tab(run: Run, page: Page) -> None:
    assert run.alive()
    open_train(page)
    page.wait_for_function(f"{POINTS} > 20")
    box = page.locator("#loss-chart .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] - 60, steps=5)
    page.mouse.up()
    shown = "document.querySelector('#loss-chart .plt')._fullLayout.xaxis.range.join()"
    zoomed = page.evaluate(shown)
    wait_for_growth(page)
    page.get_by_role("tab", name="Runs").click()
    page.wait_for_selector("#runs tbody tr")
    open_train(page)
    wait_for_growth(page)
    assert page.evaluate(shown) == zoomed


@pytest.mark.parametrize("pressed", ["", "b-refresh"])  # in an event of Gradio's it loads anew
def test_a_restart_of_the_app_goes_on_where_it_was(
    run: Run, app: App, page: Page, pressed: str
) -> None:
    open_train(page)
    before = wait_for_growth(page)
    page.evaluate("CT.click", pressed)
    app.kill()
    page.wait_for_selector("html.ct-offline")
    assert page.locator("#run-head .pill").inner_text() == "offline"
    assert page.get_by_role("button", name="Stop and save").is_hidden()
    app.start()
    page.wait_for_selector(STATE.format("running"))
    page.wait_for_function(f"{POINTS} > {before}")
    assert run.state() == "running"


def test_stop_saves_and_resume_goes_on(run: Run, page: Page) -> None:
    open_train(page)
    page.wait_for_function("CT.store.c.length > 0")
    page.get_by_role("button", name="Stop and save").click()
    page.wait_for_selector(STATE.format("stopped"))
    step = run.status().step
    assert page.locator(".r-headline").inner_text() == f"Stopped at step {step:,}."
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector(STATE.format("running"))
    page.wait_for_function(f"CT.store.m.at(-1)?.[0] > {step}")
    steps = page.evaluate("CT.store.m.map((row) => row[0])")
    assert steps == sorted(set(steps))


def test_a_bad_setting_shows_its_message_and_nothing_starts(app: App, page: Page) -> None:
    runs = len(app.home.runs())
    page.get_by_role("tab", name="Train").click()
    page.evaluate("CT.newRun()")
    page.get_by_label("LoRA rank").fill("0")
    page.wait_for_selector(".plan .wrong")
    assert page.locator(".plan .wrong").inner_text() == (
        "LoRA rank is 0, outside 1 to 512. Try 16."
    )
    assert page.locator("#s-lora_rank.is-wrong").is_visible()
    start = page.locator("#b-start")
    assert start.inner_text() == "Fix the settings"
    assert start.is_disabled()
    page.get_by_label("LoRA rank").fill("2")
    page.wait_for_selector(".plan dl")
    assert len(app.home.runs()) == runs


def test_an_open_page_does_not_draw_without_end(page: Page) -> None:
    # Handles of frames count up: how many were asked for within a second?
    page.wait_for_function(
        "() => new Promise((done) => {"
        " const first = requestAnimationFrame(() => {});"
        " setTimeout(() => done(requestAnimationFrame(() => {}) - first < 30), 1000); })",
        polling=1000,
    )


def test_the_fim_preview_follows_a_setting_finds_a_file_and_shows_its_tokens(page: Page) -> None:
    page.get_by_role("tab", name="FIM Preview").click()
    page.wait_for_selector("#fim pre.code")
    page.locator("#fim-mode input[value=psm]").check()
    page.wait_for_selector("#fim .chip.mid")
    first = page.locator("#fim .split").inner_text()
    page.locator("#fim-seed input").fill("5")
    page.wait_for_function(
        "(was) => document.querySelector('#fim .split')?.innerText !== was", arg=first
    )
    file = page.locator("#fim-file input")
    file.click()
    file.press_sequentially("module_1")
    page.wait_for_selector("#fim-files[data-typed=module_1]")
    paths = page.locator("#fim-files li").all_inner_texts()
    assert len(paths) > 2
    assert all("/module_1" in path for path in paths)
    file.press("ArrowDown")
    file.press("Enter")
    page.wait_for_function(
        "(path) => document.querySelector('#fim .pane-h span')?.innerText === path", arg=paths[1]
    )
    assert file.input_value() == paths[1]
    inside = (
        "(pane) => { const p = pane.getBoundingClientRect();"
        " const m = pane.querySelector('mark.mid, .seg.m').getBoundingClientRect();"
        " return m.top >= p.top && m.top <= p.bottom }"
    )
    page.wait_for_timeout(300)  # the middle is scrolled to after it is drawn
    panes = page.query_selector_all("#fim pre.code")
    assert [page.evaluate(inside, pane) for pane in panes] == [True, True]
    page.locator("#fim-mask .label-wrap").click()
    page.get_by_role("button", name="To the middle").click()
    page.wait_for_selector("#fim-table td:text-is('middle')")


def test_how_much_neighbours_may_take_is_asked_only_where_they_are_read(page: Page) -> None:
    page.get_by_role("tab", name="FIM Preview").click()
    page.wait_for_selector("#fim pre.code")
    most = page.locator("#fim-context_tokens input")
    assert not most.is_visible()
    page.locator("#fim-repo_context input").click()
    page.get_by_role("option", name="Path and neighbours").click()
    most.wait_for(state="visible")
    assert most.input_value() == "512"


def test_runs_are_listed_and_an_ended_one_can_be_renamed_and_deleted(app: App, page: Page) -> None:
    old = app.home.create_run(app.home.runs()[0].config(), "old-run")
    page.get_by_role("tab", name="Runs").click()
    page.get_by_label("Rename old-run").click()
    page.locator("dialog input").fill("older-run")
    page.locator("dialog").get_by_role("button", name="Rename").click()
    page.get_by_label("Delete older-run").click()
    assert "Delete older-run for good?" in page.locator("dialog p").inner_text()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_selector('tr[data-name="older-run"]', state="detached")
    assert not old.path.exists()


def test_the_palette_opens_a_run_by_its_name(run: Run, page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type(run.name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#loss-chart")
    page.wait_for_function(f"document.querySelector('.rn').innerText === '{run.name}'")
    page.keyboard.press("7")
    page.wait_for_selector("#runs tbody tr")


def test_a_killed_worker_is_lost_and_can_be_resumed(run: Run, page: Page) -> None:
    open_train(page)
    page.wait_for_function("CT.store.c.length > 0")
    kill_worker(run)
    page.wait_for_selector(STATE.format("lost"))
    assert page.locator(".r-headline").inner_text().startswith("Ended without notice at step")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector(STATE.format("preparing"))
