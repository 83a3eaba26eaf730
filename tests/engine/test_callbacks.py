from __future__ import annotations

import json
import math

import pytest
import torch

from codetune_ui.engine.callbacks import Height, Meter


def test_the_loss_is_the_mean_over_target_tokens_not_over_passes() -> None:
    meter = Meter()
    meter.add_loss(torch.tensor(8.0), torch.tensor(2))
    meter.add_loss(torch.tensor(1.0), torch.tensor(7))
    assert meter.read().loss == pytest.approx(1.0)


def test_a_reading_begins_anew_and_the_total_goes_on() -> None:
    meter = Meter(tokens=100)
    meter.add_tokens(7)
    assert meter.read().tokens == 7
    meter.add_tokens(5)
    assert meter.read().tokens == 5
    assert (meter.total_tokens, meter.own_tokens) == (112, 12)


def test_time_in_a_pause_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0, 50.0, 53.0, 60.0])
    monkeypatch.setattr("codetune_ui.engine.callbacks.time.monotonic", lambda: next(clock))
    meter = Meter()
    meter.run()
    meter.pause()  # 2 s of training, then an evaluation
    meter.run()
    meter.add_tokens(100)
    assert meter.read().tokens_per_s == 20.0


def test_the_meter_tells_a_loss_that_is_not_a_number() -> None:
    meter = Meter()
    assert bool(meter.finite())
    meter.add_loss(torch.tensor(float("inf")), torch.tensor(1))
    assert not bool(meter.finite())


def test_a_step_that_is_left_out_does_not_count() -> None:
    meter = Meter()
    meter.add_loss(torch.tensor(6.0), 2)
    meter.accept(torch.tensor(True))
    meter.add_loss(torch.tensor(float("nan")), 5)
    meter.accept(meter.finite())
    meter.add_loss(torch.tensor(4.0), 2)
    meter.accept(meter.finite())
    assert meter.read().loss == 2.5


def test_where_every_step_was_left_out_there_is_no_loss() -> None:
    meter = Meter()
    meter.add_loss(torch.tensor(float("nan")), torch.tensor(5))
    meter.accept(meter.finite())
    assert math.isnan(meter.read().loss)
    assert Height().look(1, math.nan) == ""


def test_a_loss_that_stays_three_times_as_high_is_said_once() -> None:
    height = Height()
    said = [height.look(step, 1.0) for step in range(1, 11)]
    said += [height.look(step, 4.0) for step in range(11, 60)]
    assert [(step, words) for step, words in enumerate(said, 1) if words] == [
        (
            31,
            "The loss has been above 3 times what it was (1.000) since step 11: the learning rate "
            "may be too high.",
        )
    ]


def test_a_spike_is_no_height() -> None:
    height = Height()
    losses = [1.0] * 10 + [9.0] * 15 + [1.0] + [9.0] * 15
    assert not any(height.look(step, loss) for step, loss in enumerate(losses))


def test_a_resumed_meter_goes_on_with_the_sums_of_the_checkpoint() -> None:
    whole, first = Meter(), Meter()
    for nll in (3.25, 1.125):
        whole.add_loss(torch.tensor(nll), 2)
    first.add_loss(torch.tensor(3.25), 2)
    second = Meter.from_dict(json.loads(json.dumps(first.to_dict())))
    second.add_loss(torch.tensor(1.125), 2)
    assert second.read().loss == whole.read().loss == 1.09375
