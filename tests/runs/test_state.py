from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from codetune_ui.runs.state import Status


def test_a_status_finds_its_own_process() -> None:
    process = Status.begin("train").process()
    assert process is not None
    assert process.pid == os.getpid()


def test_a_reused_pid_is_not_the_worker() -> None:
    old = Status.begin("train")
    assert old.replace(birth=old.birth + 1).process() is None
    assert old.replace(birth=0, create_time=old.create_time - 100).process() is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the clock tells a birth")
def test_a_clock_that_was_set_an_hour_ahead_makes_nobody_a_stranger() -> None:
    mine = Status.begin("train")
    # What psutil tells of a birth is the clock's now, less the time since the boot.
    assert mine.replace(create_time=mine.create_time - 3600).process() is not None


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    ahead = Status(state="running", started=time.time() + 3600)
    assert ahead.replace(step=1).updated == ahead.started


def test_a_pid_from_before_a_reboot_is_not_the_worker() -> None:
    assert Status.begin("train").replace(boot_id="another boot").process() is None


def test_a_zombie_counts_as_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    status = Status.begin("train").replace(
        pid=child.pid, create_time=psutil.Process(child.pid).create_time(), birth=0
    )
    assert child.stdout is not None
    child.stdout.read()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)  # it closes its files a moment before it ends
    assert status.process() is None
    child.stdout.close()
    child.wait()


def test_a_status_survives_the_trip_through_json() -> None:
    status = Status(state="failed", job="train", step=7, total_steps=9, message="No.", hint="Try.")
    assert Status.from_dict(status.to_dict()) == status


def test_fields_of_a_newer_app_are_left_out() -> None:
    assert Status.from_dict({"state": "running", "mood": "good"}) == Status(state="running")
