from __future__ import annotations

import pytest
import torch

from codetune_ui.engine.callbacks import Meter


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
