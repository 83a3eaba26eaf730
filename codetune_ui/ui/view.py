"""What a run's folder says, as values for the page. Pure: no clock, no disk, no browser.

A run's events become a `Series` (the curves), and series, settings and status become a `RunView`
(the words and figures). ui/live.py reads the disk and calls these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from codetune_ui.core.config import Config
from codetune_ui.core.overfit import turned
from codetune_ui.core.series import eta_seconds, thin
from codetune_ui.runs.events import Event
from codetune_ui.runs.state import ACTIVE, State, Status
from codetune_ui.ui import words

# One row of a curve: step, loss, lr, grad norm, tokens/s, GiB, epoch, unix time. Loss may be None.
Row = list[Any]
TRAIN_FIELDS = ("step", "loss", "lr", "grad_norm", "tokens_per_s", "memory_gib", "epoch", "ts")
SCORE_FIELDS = ("middle_nll_per_char", "exact", "holes")
MOST_POINTS = 10_000  # above, the page gets a thinned curve
THINNED_POINTS = 4_000
MOST_LOG_LINES = 400
SPARK_POINTS = 60
END_NOW_AFTER_S = 20.0


@dataclass
class Series:
    """The curves of one run, in the order of its events.

    A resumed run repeats the steps after its checkpoint: what an earlier attempt wrote from there
    on is cut away, and `resumes` marks the place.
    """

    train: list[Row] = field(default_factory=list)
    evals: list[Row] = field(default_factory=list)  # step, held-out loss
    scores: list[Row] = field(default_factory=list)  # step, nats per character, share exact, holes
    checkpoints: list[int] = field(default_factory=list)
    resumes: list[int] = field(default_factory=list)

    def add(self, events: Iterable[Event]) -> None:
        """Take in further events; those of an unknown kind or without a step are passed over."""
        for event in events:
            step = event.get("step")
            if not isinstance(step, int):
                continue
            match event["kind"]:
                case "train":
                    _cut(self.train, step)
                    self.train.append([event.get(name) for name in TRAIN_FIELDS])
                case "eval":
                    _cut(self.evals, step)
                    self.evals.append([step, event.get("val_loss")])
                case "scorecard":
                    _cut(self.scores, step)
                    self.scores.append([step, *(event.get(name) for name in SCORE_FIELDS)])
                case "checkpoint":
                    self.checkpoints = [kept for kept in self.checkpoints if kept < step] + [step]
                case "resume":
                    self._go_back(step)

    def _go_back(self, step: int) -> None:
        _cut(self.train, step + 1)
        _cut(self.evals, step + 1)
        _cut(self.scores, step + 1)
        self.resumes = [place for place in self.resumes if place < step] + [step]

    def copy(self) -> Series:
        """Return a copy that later events do not change."""
        return Series(
            *(list(self.train), list(self.evals), list(self.scores)),
            *(list(self.checkpoints), list(self.resumes)),
        )

    @property
    def step(self) -> int:
        """The last step with a loss."""
        return int(self.train[-1][0]) if self.train else 0

    def best_eval(self) -> tuple[int, float] | None:
        """Return step and loss of the lowest held-out loss."""
        known = [(row[1], row[0]) for row in self.evals if row[1] is not None]
        return (min(known)[1], min(known)[0]) if known else None

    def best_score(self) -> int:
        """Return the step whose adapter found held-out middles likeliest, 0 for none."""
        known = [(row[1], row[0]) for row in self.scores if row[0] and row[1] is not None]
        return min(known)[1] if known else 0

    def turned(self) -> int | None:
        """Return the step since which held-out code got worse while the training loss fell.

        The holes are asked first; the held-out loss is of more code, and can show it too.
        """
        train = _known(self.train)
        found = (turned(_known(rows), train) for rows in (self.scores, self.evals))
        return next((step for step in found if step is not None), None)

    def spark(self) -> list[float]:
        """Return the means of at most 60 stretches of the loss, for a sparkline."""
        losses = [row[1] for row in self.train if row[1] is not None]
        size = max(1, -(-len(losses) // SPARK_POINTS))
        buckets = [losses[i : i + size] for i in range(0, len(losses), size)]
        return [round(sum(bucket) / len(bucket), 4) for bucket in buckets]


def _known(rows: Sequence[Row]) -> list[tuple[int, float]]:
    return [(row[0], row[1]) for row in rows if row[1] is not None]


def _cut(rows: list[Row], step: int) -> None:
    while rows and rows[-1][0] >= step:
        rows.pop()


def thinned(rows: Sequence[Row], most: int) -> list[Row]:
    """Return at most about `most` rows, keeping each bucket's smallest and largest loss."""
    if len(rows) <= most:
        return list(rows)
    # A loss that was not a number is news: it is kept, and thinned apart from the others.
    places = [i for i, row in enumerate(rows) if row[1] is not None]
    kept, _ = thin(places, [rows[i][1] for i in places], most)
    gaps = [i for i, row in enumerate(rows) if row[1] is None][:most]
    return [rows[i] for i in sorted({*(int(place) for place in kept), *gaps})]


@dataclass(frozen=True)
class RunView:
    """Everything the page says about one run, ready to be shown as it is."""

    name: str
    state: State
    label: str
    headline: str
    hint: str
    settings: str
    where: str  # the cluster that works on it, and where its code goes; "" is this machine
    step: int
    total: int
    percent: int
    left: str
    title: str
    place: int  # in the queue, 0 for none
    can: list[str]  # of: stop, end, resume, new, edit, earlier, later, drop, start
    note: str  # what the held-out code taught: over-fitting, and which step the adapter is from
    turned: bool  # it says that the held-out curve has turned
    tail: str  # last lines of the worker's log, when it failed or was lost
    max_grad_norm: float
    expected_gib: float | None  # the peak that was estimated, and then measured on one pass

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def view_run(
    name: str,
    config: Config | None,
    state: State,
    status: Status,
    series: Series,
    *,
    checkpoint_step: int = 0,
    stopping_s: float | None = None,
    discarding: bool = False,
    tail: str = "",
    plan: Event | None = None,
    result: Mapping[str, Any] | None = None,
    queued: Sequence[str] = (),
    at_work: str = "",
    where: str = "",
) -> RunView:
    """Return what the page says about a run.

    config: None when its file cannot be read. checkpoint_step: of the newest checkpoint on disk,
    0 for none. stopping_s: seconds since a stop was asked for. plan: the run's last plan event.
    result: the worker's figures at the end. queued: the runs that wait, in their order; at_work:
    who keeps the first from beginning. where: in one sentence, when it is not here.
    """
    step = max(status.step, series.step)
    place = queued.index(name) + 1 if name in queued else 0
    total = status.total_steps or (config.max_steps if config else 0)
    percent = min(100, 100 * step // total) if total else 0
    can = _possible(state, checkpoint_step, stopping_s)
    if state == "waiting":
        can = _possible_waiting(place, len(queued), begun=status.state != "created")
    turn = series.turned()
    why = str((result or {}).get("adapter_why") or "") if series.scores else ""
    headline = words.headline(
        state,
        step=step,
        total=total,
        phase=status.phase,
        message=status.message,
        discarding=discarding,
        ended=stopping_s is not None,
        facts=words.plan_facts(plan) if plan else "",
        turn=words.turn(place, at_work) if state == "waiting" else "",
    )
    return RunView(
        name=name,
        state=state,
        label=words.STATE_LABELS[state],
        headline=headline,
        hint=words.way_out(state, status.hint, checkpoint_step),
        settings=words.settings_line(config) if config else "Its settings cannot be read.",
        where=where,
        step=step,
        total=total,
        percent=percent,
        left=words.duration(_seconds_left(series, total)) if state == "running" else "",
        title=f"{percent}% · {name}" if state in ACTIVE else f"{name} {words.STATE_LABELS[state]}",
        place=place,
        can=can,
        note=" ".join(filter(None, (words.overfit(turn, *_keeps(config, series, why)), why))),
        turned=turn is not None,
        tail=tail if state in ("failed", "lost") else "",
        max_grad_norm=config.max_grad_norm if config else 0.0,
        expected_gib=(plan or {}).get("estimated_memory_gib"),
    )


def _keeps(config: Config | None, series: Series, why: str) -> tuple[str, int]:
    """Return which adapter a run that goes on will have: the setting, and the best step so far."""
    if why or config is None or not series.scores:
        return "", 0
    return config.keep_best, series.best_score()


def _seconds_left(series: Series, total: int) -> float | None:
    rows = series.train
    if series.resumes:  # the pause before a resume is no measure of speed
        rows = [row for row in rows if row[0] > series.resumes[-1]]
    return eta_seconds([row[0] for row in rows], [row[7] for row in rows], total)


def _possible_waiting(place: int, queued: int, *, begun: bool) -> list[str]:
    fits = {"earlier": place > 1, "later": 0 < place < queued, "edit": not begun}
    return [name for name, fit in fits.items() if fit] + ["drop", "new"]


def _possible(state: State, checkpoint_step: int, stopping_s: float | None) -> list[str]:
    """Return which buttons fit the state."""
    if state == "stopping":
        return ["end"] if (stopping_s or 0.0) > END_NOW_AFTER_S else []
    if state in ACTIVE:
        return ["stop"]
    if state == "created":  # it was taken out of the queue
        return ["start", "new"]
    resumable = state != "finished" and checkpoint_step > 0
    return ["resume", "new"] if resumable else ["new"]
