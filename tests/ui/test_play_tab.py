from __future__ import annotations

import html
import random
import re
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from codetune_ui.core.completion import Chunk, Timings
from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, SourceError
from codetune_ui.core.neighbours import Neighbour
from codetune_ui.runs.client import CompletionClient, ServerState
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import play_fill, play_view
from codetune_ui.ui.play_fill import Presses, Wish, fill, run_choices, server_note
from codetune_ui.ui.play_holes import (
    EXAMPLE,
    Hole,
    Known,
    Sample,
    cut_line,
    draw_sample,
    find_hole,
    neighbours_of,
)
from codetune_ui.ui.play_view import Side
from tests.runs.serving import hold_out

EVIL = "<script>alert(1)</script> ${location}"
DONE = Timings(prompt_tokens=30, tokens=5, ms_first_token=40.0, ms_total=90.0)
HOLE = Hole("a = 1\nb = ", "\nc = 3\n")


def text_of(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def add_run(home: Home, name: str, **changes: Any) -> Run:
    run = home.create_run(Config(**changes), name)
    run.adapter_dir.mkdir()
    (run.adapter_dir / "adapter_model.safetensors").touch()
    return run


# --- holes


def test_the_marker_parts_the_text() -> None:
    assert find_hole("a<FILL>b") == Hole("a", "b")
    assert find_hole(EXAMPLE).first_line == 14


def test_no_hole_and_two_holes_are_refused() -> None:
    with pytest.raises(SourceError, match="<FILL> is missing"):
        find_hole("a = 1")
    with pytest.raises(SourceError, match="There are 2 holes"):
        find_hole("<FILL> <FILL>")


def test_a_line_is_cut_out_and_its_indentation_stays() -> None:
    text = "if x:\n    return total\n\n"
    sample = cut_line(text, "a.py", "Python", random.Random(0))
    assert sample == Sample("a.py", "python", "if x:\n    ", "return total", "\n\n")


def test_windows_line_ends_stay_outside_the_hole() -> None:
    sample = cut_line("x\r\n\treturn 12\r\n", "a.py", "Python", random.Random(0))
    assert sample is not None
    assert (sample.prefix, sample.truth, sample.suffix) == ("x\r\n\t", "return 12", "\r\n")


def test_a_file_of_brackets_has_no_line_worth_a_hole() -> None:
    assert cut_line("{\n}\n)\n", "a.js", "JavaScript", random.Random(0)) is None


def test_a_hole_comes_from_the_runs_held_out_files(home: Path) -> None:
    run = add_run(Home(home), "amber-otter")
    hold_out(run, {"ledger.py": "total = 12345\n"})
    sample = draw_sample(Home(home), "amber-otter", "", random.Random(1))
    assert (sample.path, sample.truth, sample.text) == ("ledger.py", "total = 12345", "<FILL>\n")


def test_a_run_with_context_reads_a_held_out_file_with_what_it_imports(home: Path) -> None:
    files = {"shop/cart.py": "from shop.tax import rate\n", "shop/tax.py": "rate = 0.2\n"}
    hold_out(add_run(Home(home), "plain"), files)
    hold_out(add_run(Home(home), "wide", repo_context="neighbours"), files)
    assert neighbours_of(Home(home), "plain", "shop/cart.py") == ()
    found = neighbours_of(Home(home), "wide", "shop/cart.py")
    assert found == (Neighbour("shop/tax.py", "rate = 0.2\n"),)


def test_without_held_out_code_a_hole_is_one_sentence(home: Path) -> None:
    add_run(Home(home), "amber-otter")
    with pytest.raises(SourceError, match="No held-out code is here yet"):
        draw_sample(Home(home), "amber-otter", "", random.Random(1))


def test_the_truth_is_told_for_the_unchanged_text_only() -> None:
    sample = Sample("a.py", "python", "x = ", "1 + 2", "\n")
    assert Known.read(sample.known(), "x = <FILL>").truth == "1 + 2"
    changed = Known.read(sample.known(), "y = <FILL>\n")
    assert (changed.truth, changed.path) == ("", "a.py")
    assert Known.read("nonsense", "x").truth == ""


# --- the view


def test_the_fill_stands_in_its_context_with_the_files_line_numbers() -> None:
    long = Hole("\n".join(f"line_{i}" for i in range(100)) + "\nb = ", "\nc = 3\n")
    view = play_view.render(long, [Side("base", "demo", "2", DONE)], Known())
    assert "counter-reset:l 89" in view
    assert '<mark class="base"><i class="mi">2</i></mark>' in view
    assert "line_99" in text_of(view)
    assert "line_80" not in text_of(view)


def test_without_an_adapter_the_page_points_to_train() -> None:
    view = play_view.render(HOLE, [Side("base", "demo")], Known())
    assert "Nothing is trained on this base yet." in view
    assert 'data-go="train"' in view


def test_figures_are_in_the_footer() -> None:
    view = play_view.render(HOLE, [Side("base", "demo", "2", DONE)], Known())
    footer = text_of(view.split('<div class="pane-f">')[1].split("<button")[0])
    assert footer == "5 tokens40 ms to first token90 ms80 tokens/s"


def test_no_truth_no_judgement() -> None:
    view = play_view.render(HOLE, [Side("base", "demo", "2", DONE)], Known())
    assert "match" not in view
    assert "similar" not in view
    assert "What stood there" not in view


def test_the_truth_is_compared_and_shown_at_the_end() -> None:
    known = Known("a.py", "python", "2 + 2")
    sides = [Side("base", "demo", "2 * 2", DONE), Side("tuned", "otter", "2 + 2\n", DONE)]
    view = play_view.render(HOLE, sides, known)
    assert "80% similar" in view
    assert '<em class="chip ok">exact match</em>' in view
    assert "What stood there2 + 2a.py" in text_of(view)
    begun = play_view.render(HOLE, [sides[0], Side("tuned", "otter", "2")], known)
    assert "What stood there" not in begun
    assert "writing" in begun


def test_what_only_one_model_wrote_is_marked() -> None:
    sides = [Side("base", "demo", "one", DONE), Side("tuned", "otter", "one more", DONE)]
    view = play_view.render(HOLE, sides, Known(language="text"))
    assert '<mark class="base">one</mark>' in view
    assert '<mark class="tuned">one</mark><mark class="tuned diff"> more</mark>' in view


def test_everything_is_escaped() -> None:
    hole = Hole(f"# {EVIL}\n", f"\n# {EVIL}")
    sides = [Side("base", EVIL, EVIL, DONE), Side("tuned", EVIL, "x", DONE)]
    view = play_view.render(hole, sides, Known(EVIL, "python", EVIL))
    assert "<script" not in view
    assert "<script" not in play_view.trouble(MachineError(EVIL))
    assert "<script" not in play_view.waiting(3, EVIL)


def test_a_gpu_held_by_a_run_is_said_with_the_way_there() -> None:
    view = play_view.trouble(MachineError("'otter' is using the GPU.", "Stop it first, or wait."))
    assert "'otter' is using the GPU. Stop it first, or wait." in text_of(view)
    assert 'data-go="train"' in view


# --- filling


class Writer(CompletionClient):
    """Writes three pieces, or on and on; remembers what it was asked and who left early."""

    endless = False

    def __init__(self) -> None:
        super().__init__(ServerState(1, 1, "", "demo", "", "auto", False, 0.0))
        self.asked: list[dict[str, Any]] = []
        self.left: list[str] = []

    def complete(
        self, prefix: str, suffix: str | None, **given: Any
    ) -> Generator[Chunk, None, None]:
        self.asked.append({"prefix": prefix, "suffix": suffix, **given})
        try:
            yield Chunk("on", 1)
            while self.endless:
                time.sleep(0.001)
                yield Chunk("n")
            yield Chunk("e", 2)
            yield Chunk("!", 3, "stop", DONE, "psm")
        except GeneratorExit:
            self.left.append(given["model"])
            raise


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    made = Writer()
    monkeypatch.setattr(play_fill, "ensure_server", lambda *_: made)
    monkeypatch.setattr(play_fill, "DRAW_S", 0.0)
    return made


def wish(run: str = "") -> Wish:
    return Wish(HOLE, Known(), Config(), run, 32, 0.0, None)


def test_base_and_adapter_are_asked_the_same(home: Path, writer: Writer) -> None:
    views = list(fill(Home(home), wish("otter"), threading.Event()))
    assert sorted(asked["model"] for asked in writer.asked) == ["base", "codetune-otter"]
    assert {(asked["prefix"], asked["suffix"]) for asked in writer.asked} == {
        (HOLE.prefix, HOLE.suffix)
    }
    assert text_of(views[-1]).count("one!") == 2
    assert text_of(views[0]).count("waiting") == 2
    assert len(views) == 7


def test_one_line_is_asked_to_stop_at_its_break(home: Path, writer: Writer) -> None:
    list(fill(Home(home), replace(wish(), one_line=True), threading.Event()))
    list(fill(Home(home), wish(), threading.Event()))
    assert [asked["stop"] for asked in writer.asked] == [("\n",), ()]


def test_path_and_neighbours_reach_the_server(home: Path, writer: Writer) -> None:
    near = Neighbour("shop/tax.py", "rate = 0.2\n")
    asked = replace(wish("otter"), path="shop/cart.py", extra=(near,), context_tokens=64)
    list(fill(Home(home), asked, threading.Event()))
    for side in writer.asked:  # the base reads what the adapter reads
        assert (side["path"], side["extra"], side["context_tokens"]) == (
            "shop/cart.py",
            (near,),
            64,
        )


def test_a_cancel_leaves_both_connections(home: Path, writer: Writer) -> None:
    writer.endless = True
    cancel = threading.Event()
    views = fill(Home(home), wish("otter"), cancel)
    next(views)
    next(views)
    cancel.set()
    assert list(views) == []
    assert sorted(writer.left) == ["base", "codetune-otter"]


def test_a_closed_page_leaves_the_connection(home: Path, writer: Writer) -> None:
    writer.endless = True
    views = fill(Home(home), wish(), threading.Event())
    next(views)
    next(views)
    views.close()  # type: ignore[attr-defined]
    assert writer.left == ["base"]


def test_a_server_that_starts_is_waited_for(
    home: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    monkeypatch.setattr(play_fill, "WAIT_S", 0.01)
    monkeypatch.setattr(play_fill, "ensure_server", lambda *_: begun.wait(10) and writer)
    views = fill(Home(home), wish(), threading.Event())
    assert "Loading demo model …" in next(views)
    begun.set()
    assert "one!" in text_of(list(views)[-1])


def test_a_server_that_cannot_start_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> CompletionClient:
        raise MachineError("'otter' is using the GPU.", "Stop it first, or wait.")

    monkeypatch.setattr(play_fill, "ensure_server", refuse)
    views = list(fill(Home(home), wish(), threading.Event()))
    assert "'otter' is using the GPU." in text_of(views[-1])


def test_a_new_press_ends_the_one_before() -> None:
    presses = Presses()
    first = presses.begin("tab")
    other = presses.begin("another tab")
    second = presses.begin("tab")
    assert first.is_set()
    assert not other.is_set()
    presses.end("tab", first)
    presses.begin("tab")
    assert second.is_set()


# --- choices


def test_the_runs_with_an_adapter_can_be_chosen(home: Path) -> None:
    where = Home(home)
    where.create_run(Config(), "untrained")
    add_run(where, "amber-otter")
    add_run(where, "blue-heron", base_model="bigcode/starcoderbase-1b")
    assert run_choices(where) == [
        ("blue-heron · starcoderbase-1b", "blue-heron"),
        ("amber-otter · demo model", "amber-otter"),
        ("Base model only", ""),
    ]


def test_the_note_says_what_the_next_press_meets(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server_note(Home(home), Config()).startswith("The first fill loads demo model;")
    state = ServerState(1, 1, "", "demo", "", "auto", False, 0.0)
    monkeypatch.setattr(play_fill, "server_state", lambda _: state)
    assert server_note(Home(home), Config()) == "Loaded: demo model."
    other = Config(base_model="a/b")
    assert server_note(Home(home), other) == "The next fill loads b in place of demo model."


def test_the_tab_builds_without_state_and_without_a_public_endpoint(home: Path) -> None:
    from codetune_ui.ui.page import build_blocks

    demo = build_blocks(Home(home))
    assert not any(isinstance(block, gr.State) for block in demo.blocks.values())
    assert demo.get_api_info()["named_endpoints"] == {}
