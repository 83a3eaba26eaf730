from __future__ import annotations

from collections.abc import Sequence

from codetune_ui.core.presets import preset
from codetune_ui.runs.events import Event
from codetune_ui.runs.state import State, Status
from codetune_ui.ui.view import RunView, Series, thinned, view_run


def train(step: int, loss: float | None = 1.0, ts: float | None = None) -> Event:
    return {"kind": "train", "step": step, "loss": loss, "ts": float(step if ts is None else ts)}


def evaluation(step: int, loss: float) -> Event:
    return {"kind": "eval", "step": step, "val_loss": loss, "ts": 0.0}


def series_of(*events: Event) -> Series:
    series = Series()
    series.add(events)
    return series


def look(
    state: State,
    series: Series | None = None,
    *,
    checkpoint_step: int = 0,
    stopping_s: float | None = None,
    message: str = "",
    tail: str = "",
    queued: Sequence[str] = (),
    at_work: str = "",
    written: State | None = None,
) -> RunView:
    return view_run(
        "calm-otter",
        preset("demo"),
        state,
        Status(state=written or state, step=30, total_steps=150, message=message),
        series or Series(),
        checkpoint_step=checkpoint_step,
        stopping_s=stopping_s,
        tail=tail,
        queued=queued,
        at_work=at_work,
    )


def test_events_become_rows_in_the_order_of_the_fields() -> None:
    event = {
        **train(2, 1.5, ts=9.0),
        **{"lr": 1e-4, "grad_norm": 0.5, "tokens_per_s": 800.0, "memory_gib": 2.0, "epoch": 0.1},
    }
    assert series_of(event).train == [[2, 1.5, 1e-4, 0.5, 800.0, 2.0, 0.1, 9.0]]


def test_a_resume_cuts_away_what_is_repeated() -> None:
    series = series_of(
        *(train(step) for step in range(1, 8)),
        evaluation(5, 1.2),
        {"kind": "checkpoint", "step": 4, "ts": 0.0},
        {"kind": "resume", "step": 4, "ts": 0.0},
        train(5, 9.0),
    )
    assert [row[:2] for row in series.train] == [[1, 1.0], [2, 1.0], [3, 1.0], [4, 1.0], [5, 9.0]]
    assert series.evals == []
    assert (series.checkpoints, series.resumes) == ([4], [4])


def test_a_repeated_step_without_a_resume_event_is_cut_too() -> None:
    assert [row[0] for row in series_of(train(1), train(2), train(3), train(2)).train] == [1, 2]


def test_strange_events_are_passed_over() -> None:
    assert series_of({"kind": "train", "ts": 0.0}, {"kind": "new", "step": 1}).train == []


def test_the_best_held_out_loss_is_found_past_one_that_is_none() -> None:
    nothing: Event = {"kind": "eval", "step": 3, "val_loss": None}
    assert series_of(evaluation(1, 2.0), evaluation(2, 1.5), nothing).best_eval() == (2, 1.5)
    assert Series().best_eval() is None


def test_thinning_keeps_the_spike_the_end_and_what_is_not_a_number() -> None:
    events = [train(step) for step in range(1, 1001)]
    events[500] = train(501, 7.5)
    events[700] = train(701, None)
    rows = thinned(series_of(*events).train, 100)
    assert len(rows) <= 101
    assert [501, 7.5] in [row[:2] for row in rows]
    assert [701, None] in [row[:2] for row in rows]
    assert (rows[0][0], rows[-1][0]) == (1, 1000)


def test_a_sparkline_is_short() -> None:
    assert series_of(train(1, 2.0), train(2, None), train(3, 1.0)).spark() == [2.0, 1.0]
    assert len(series_of(*(train(step) for step in range(1, 500))).spark()) <= 60


def test_a_running_run_can_be_stopped_and_says_how_far_it_is() -> None:
    view = look("running", series_of(*(train(step) for step in range(1, 31))))
    assert view.can == ["stop"]
    assert (view.step, view.total, view.percent) == (30, 150, 20)
    assert view.left == "2 min"
    assert view.title == "20% · calm-otter"


def test_time_left_is_not_taken_from_before_a_resume() -> None:
    events = [train(step, ts=step) for step in range(1, 11)]
    resumed = [{"kind": "resume", "step": 10, "ts": 900.0}, train(11, ts=1000.0)]
    assert look("running", series_of(*events, *resumed)).left == ""


def test_a_run_that_does_not_stop_can_be_ended_after_a_while() -> None:
    assert look("stopping", stopping_s=5.0).can == []
    assert look("stopping", stopping_s=21.0).can == ["end"]


def test_a_waiting_run_says_its_place_and_can_be_changed_until_it_begins() -> None:
    line = ["calm-otter", "other"]
    first = look("waiting", queued=line, at_work="red-fox", written="created")
    second = look("waiting", queued=line[::-1], written="created")
    assert first.headline == "Waits for its turn: it is next, 'red-fox' is at work."
    assert second.headline == "Waits for its turn: 1 run before it."
    assert first.can == ["later", "edit", "drop", "new"]
    assert second.can == ["earlier", "edit", "drop", "new"]


def test_a_resumed_run_that_waits_cannot_be_edited() -> None:
    assert look("waiting", queued=["calm-otter"], written="stopped").can == ["drop", "new"]


def test_only_a_run_with_a_checkpoint_can_be_resumed() -> None:
    assert look("lost").can == ["new"]
    assert look("lost", checkpoint_step=20).can == ["resume", "new"]
    assert look("stopped", checkpoint_step=20).hint == "Resume goes on from step 20."
    assert look("finished", checkpoint_step=150).can == ["new"]


def test_a_failed_run_shows_its_sentence_and_its_last_lines() -> None:
    view = look("failed", message="The disk is full.", tail="Traceback")
    assert (view.headline, view.tail, view.label) == ("The disk is full.", "Traceback", "failed")
    assert look("finished", tail="Traceback").tail == ""


def test_a_run_whose_settings_are_gone_is_still_shown() -> None:
    view = view_run("x", None, "stopped", Status(state="stopped"), Series())
    assert view.settings == "Its settings cannot be read."
    assert view.to_dict()["percent"] == 0


def card(step: int, nll: float | None, exact: float = 0.25) -> Event:
    found = {"holes": 16, "middle_nll_per_char": nll, "exact": exact}
    return {"kind": "scorecard", "step": step, **found, "ts": 0.0}


def test_scorecards_become_rows_and_a_resume_cuts_them_away() -> None:
    series = series_of(card(0, 0.9), card(40, 0.7), card(80, 0.6))
    assert series.scores == [[0, 0.9, 0.25, 16], [40, 0.7, 0.25, 16], [80, 0.6, 0.25, 16]]
    assert series.copy().scores == series.scores
    series.add([{"kind": "resume", "step": 40, "ts": 0.0}])
    assert [row[0] for row in series.scores] == [0, 40]


TURNED = [
    *(train(step, 2.0 - step / 1000) for step in range(10, 501, 10)),
    *(card(step * 100, nll) for step, nll in enumerate((0.9, 0.7, 0.6, 0.64, 0.68, 0.72))),
]
BY_HEART = (
    "Held-out code got worse since step 200 while the training loss fell: "
    "it is learning this code by heart."
)


def test_overfitting_is_said_in_words_with_the_adapter_that_is_kept() -> None:
    view = look("running", series_of(*TURNED))
    assert view.turned
    assert view.note == f"{BY_HEART} The adapter of step 200 is kept."


def test_held_out_loss_can_show_it_where_the_holes_do_not() -> None:
    evaluations = [evaluation(event["step"], event["middle_nll_per_char"]) for event in TURNED[50:]]
    cards = [card(step, 0.9 - step / 1000) for step in range(0, 501, 100)]
    view = look("running", series_of(*TURNED[:50], *evaluations, *cards))
    assert view.note == f"{BY_HEART} The adapter of step 500 is kept."


def test_held_out_loss_is_looked_at_where_no_holes_are_measured() -> None:
    evaluations = [evaluation(event["step"], event["middle_nll_per_char"]) for event in TURNED[50:]]
    view = look("running", series_of(*TURNED[:50], *evaluations))
    assert (view.turned, view.note) == (True, BY_HEART)


def test_a_curve_that_falls_says_nothing() -> None:
    view = look("running", series_of(*TURNED[:53]))
    assert (view.turned, view.note) == (False, "")


def test_an_ended_run_says_which_step_its_adapter_is_from() -> None:
    why = "The adapter is that of step 40, the best measured."
    status = Status(state="finished", step=80, total_steps=80)
    ended = view_run(
        "x",
        preset("demo"),
        "finished",
        status,
        series_of(card(0, 0.9), card(40, 0.6), card(80, 0.7)),
        result={"adapter_why": why},
    )
    assert ended.note == why
    assert look("finished").note == ""


def test_a_run_that_stopped_early_says_so_in_its_headline() -> None:
    assert look("finished", message="Stopped early at step 30.").headline == (
        "Stopped early at step 30."
    )
