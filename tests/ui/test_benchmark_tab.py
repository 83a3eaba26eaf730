from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from codetune_ui.core.benchmark import BenchmarkRequest
from codetune_ui.core.benchmark_sets import SETS
from codetune_ui.core.config import Config
from codetune_ui.runs.benchmarks import create, write_result
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import benchmark_tab
from codetune_ui.ui.benchmark_tab import look
from codetune_ui.ui.benchmark_view import NOTHING_YET, about, progress, result, warning
from codetune_ui.ui.context import PageContext
from codetune_ui.ui.form import ConfigForm
from tests.core.test_benchmark import made, sample

SET = "humaneval-single-line"


@pytest.fixture
def run(home: Path) -> Run:
    found = Home(home).create_run(Config(base_model="demo", source="demo"), "calm-otter")
    found.adapter_dir.mkdir()
    return found


def row(what: str, holds: str) -> dict[str, str]:
    return {"what": what, "how": "<a way>", "holds": holds}


def test_the_section_is_drawn_folded_and_programs_are_not_run_by_default(home: Path) -> None:
    with gr.Blocks() as demo:
        form = ConfigForm({"base_model": [("Demo", "demo")]})
        box = gr.Textbox()
        filled = demo.load(lambda: None)
        with gr.Tabs() as tabs, gr.Tab("Evaluate"):
            benchmark_tab.build(PageContext(Home(home), form, box, box, demo, tabs, filled))
    found = {getattr(block, "elem_id", None): block for block in demo.blocks.values()}
    assert found["bench"].open is False
    assert found["bench-programs"].value is False
    assert {value for _, value in found["bench-set"].choices} == set(SETS)


def test_the_warning_says_what_holds_and_what_does_not() -> None:
    held = warning([row("Network", "kernel"), row("Reading your files", "kernel")])
    assert "nobody has read them" in held
    assert "Not by the system itself" not in held
    assert "&lt;a way&gt;" in held
    weak = warning([row("Network", "python"), row("Other processes", "no")])
    assert "Not by the system itself here: network, other processes." in weak


def test_where_nothing_holds_no_program_is_run() -> None:
    assert "none is run" in warning([])


def test_a_set_says_how_many_tasks_and_by_which_rule() -> None:
    text = about(SETS["safim-api"])
    assert "310 tasks" in text
    assert "closes the first call" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("running", "Filling: 3 of 9 holes"),
        ("stopped", "Cancelled."),
        ("lost", "It ended without notice."),
        ("failed", "The file &lt;x&gt; is gone. Look."),
    ],
)
def test_a_benchmark_without_a_result_has_a_line(state: Any, words: str) -> None:
    event = {"kind": "evaluate", "done": 3, "total": 9}
    assert words in progress(state, "Filling", [event], "The file <x> is gone.", "Look.")


def test_a_result_has_its_sentence_its_table_and_what_is_not_covered() -> None:
    found = made((sample(), sample()))
    text = result(found, "/a/<b>.html")
    assert found["sentence"] in text
    assert "No program was run" in text
    assert "StarCoder-1B" in text
    assert "/a/&lt;b&gt;.html" in text


def test_the_newest_benchmark_of_a_run_is_shown(run: Run) -> None:
    assert look(run.home, "calm-otter") == (NOTHING_YET, False)
    job = create(run.home, BenchmarkRequest(set=SET, run="calm-otter"))
    job.write_status(Status(state="failed", message="It broke.", hint="Try again."))
    assert "It broke. Try again." in look(run.home, "calm-otter")[0]
    found = made((sample(), sample()))
    write_result(job, found)
    text, goes_on = look(run.home, "calm-otter")
    assert found["sentence"] in text
    assert "It broke." not in text
    assert not goes_on


def test_one_that_fails_leaves_the_last_result_in_sight(run: Run) -> None:
    found = made((sample(), sample()))
    write_result(create(run.home, BenchmarkRequest(set=SET, run="calm-otter")), found)
    job = create(run.home, BenchmarkRequest(set=SET, run="calm-otter", limit=1))
    os.utime(job.path / "config.json", (2e9, 2e9))
    job.write_status(Status(state="failed", message="It broke.", hint="Try again."))
    text, goes_on = look(run.home, "calm-otter")
    assert text.index("It broke.") < text.index(found["sentence"])
    assert not goes_on


def test_a_run_that_is_gone_is_no_error(run: Run) -> None:
    create(run.home, BenchmarkRequest(set=SET, run="calm-otter"))
    run.home.delete(run)
    assert look(run.home, "calm-otter") == (NOTHING_YET, False)
