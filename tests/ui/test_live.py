from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from codetune_ui.core.presets import preset
from codetune_ui.runs.events import EventWriter
from codetune_ui.runs.lock import hold
from codetune_ui.runs.state import State, Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.live import Live, newest_checkpoint, routes


@pytest.fixture
def runs(home: Path) -> Home:
    return Home(home)


@pytest.fixture
def client(runs: Home) -> TestClient:
    api = FastAPI()
    api.include_router(routes(Live(runs)))
    return TestClient(api)


def make_run(home: Home, name: str, steps: int = 0, state: State = "stopped") -> Run:
    run = home.create_run(preset("demo"), name)
    write(run, 1, steps)
    run.write_status(Status.begin("train").replace(state=state, step=steps, total_steps=150))
    return run


def write(run: Run, first: int, last: int) -> None:
    with EventWriter(run.events_path) as events:
        for step in range(first, last + 1):
            events.write("train", step=step, loss=3.0 - step / 100)


def steps(answer: dict[str, Any]) -> list[int]:
    return [row[0] for row in answer["m"]]


def test_without_a_run_there_is_nothing_to_show(client: TestClient) -> None:
    answer = client.get("/ct-api/run").json()
    assert (answer["run"], answer["view"], answer["card"], answer["m"]) == ("", None, None, [])


def test_a_tick_sends_what_is_new_only(runs: Home, client: TestClient) -> None:
    run = make_run(runs, "one", 3)
    first = client.get("/ct-api/run").json()
    assert (first["run"], first["reset"], steps(first)) == ("one", True, [1, 2, 3])
    write(run, 4, 5)
    second = client.get("/ct-api/run", params={"run": "one", "since": first["seq"]}).json()
    assert (second["reset"], steps(second)) == (False, [4, 5])
    third = client.get("/ct-api/run", params={"run": "one", "since": second["seq"]}).json()
    assert (third["seq"], third["m"]) == (second["seq"], [])


def test_a_torn_line_waits_for_its_end(runs: Home, client: TestClient) -> None:
    run = make_run(runs, "one", 1)
    line = json.dumps({"ts": 1.0, "kind": "train", "step": 2, "loss": 1.0})
    with run.events_path.open("a", encoding="utf-8") as file:
        file.write(line[:20])
    first = client.get("/ct-api/run").json()
    with run.events_path.open("a", encoding="utf-8") as file:
        file.write(line[20:] + "\n")
    second = client.get("/ct-api/run", params={"run": "one", "since": first["seq"]}).json()
    assert (steps(first), steps(second)) == ([1], [2])


def test_a_cursor_beyond_the_file_starts_over(runs: Home, client: TestClient) -> None:
    make_run(runs, "one", 2)
    answer = client.get("/ct-api/run", params={"run": "one", "since": 10**9}).json()
    assert (answer["reset"], steps(answer)) == (True, [1, 2])


def test_a_long_run_is_thinned_at_first(runs: Home, client: TestClient) -> None:
    make_run(runs, "long", 10_001)
    answer = client.get("/ct-api/run").json()
    assert len(answer["m"]) <= 4_000
    assert steps(answer)[-1] == 10_001


def test_the_running_run_comes_before_a_newer_one(runs: Home, client: TestClient) -> None:
    running = make_run(runs, "running", 1, "running")
    time.sleep(0.01)  # the order of runs is that of their files' times
    make_run(runs, "newer", 1)
    with hold(running.lock_path):
        answer = client.get("/ct-api/run").json()
        other = client.get("/ct-api/run", params={"run": "newer"}).json()
    assert (answer["run"], answer["view"]["state"]) == ("running", "running")
    assert (other["run"], other["card"]["name"]) == ("newer", "running")
    assert other["names"] == ["newer", "running"]


def test_a_run_without_its_worker_is_lost(runs: Home, client: TestClient) -> None:
    make_run(runs, "gone", 7, "running")
    view = client.get("/ct-api/run").json()["view"]
    assert (view["state"], view["headline"]) == ("lost", "Ended without notice at step 7.")


def test_a_deleted_run_is_no_run(runs: Home, client: TestClient) -> None:
    make_run(runs, "kept")
    assert client.get("/ct-api/run", params={"run": "deleted"}).json()["run"] == ""


def test_a_new_run_under_an_old_name_shows_its_own_curve(runs: Home, client: TestClient) -> None:
    make_run(runs, "again", 5)
    assert client.get("/ct-api/runs").json()[0]["step"] == 5
    assert client.post("/ct-api/runs/again/delete").json()["error"] == ""
    make_run(runs, "again", 2)
    answer = client.get("/ct-api/run").json()
    assert (answer["card"]["step"], answer["card"]["spark"]) == (2, [2.99, 2.98])


def test_the_table_tells_what_each_run_is(runs: Home, client: TestClient) -> None:
    run = make_run(runs, "one", 2)
    with EventWriter(run.events_path) as events:
        events.write("eval", step=2, val_loss=1.25)
    (record,) = client.get("/ct-api/runs").json()
    shown = ("name", "label", "base_model", "data", "step", "total", "best", "can")
    assert [record[key] for key in shown] == (
        ["one", "stopped", "demo model", "demo code", 2, 150, 1.25, ["new"]]
    )
    assert record["command"] == "python app.py train --preset demo"


def test_curves_of_several_runs_come_together(runs: Home, client: TestClient) -> None:
    make_run(runs, "a", 2)
    make_run(runs, "b", 1)
    found = client.get("/ct-api/curves", params={"runs": "a,b,gone"}).json()
    assert found == [
        {"name": "a", "m": [[1, 2.99], [2, 2.98]], "e": [], "s": []},
        {"name": "b", "m": [[1, 2.99]], "e": [], "s": []},
    ]


def test_a_run_is_renamed(runs: Home, client: TestClient) -> None:
    make_run(runs, "old")
    answer = client.post("/ct-api/runs/old/rename", json={"name": " new "}).json()
    assert answer == {"error": "", "run": "new"}
    assert [run.name for run in runs.runs()] == ["new"]


def test_what_cannot_be_done_is_one_sentence(runs: Home, client: TestClient) -> None:
    run = make_run(runs, "busy", 1, "running")
    with hold(run.lock_path):
        answer = client.post("/ct-api/runs/busy/delete").json()
    assert answer["error"] == (
        "'busy' is running and cannot be deleted. Stop it first, then try again."
    )
    assert client.post("/ct-api/runs/none/stop").json()["error"].startswith("There is no run")
    assert client.post("/ct-api/runs/busy/explode").status_code == 404


def test_a_stop_is_a_file_the_worker_finds(runs: Home, client: TestClient) -> None:
    run = make_run(runs, "busy", 1, "running")
    with hold(run.lock_path):
        client.post("/ct-api/runs/busy/stop")
        assert run.stop_path.read_text(encoding="utf-8") == "save"
        view = client.get("/ct-api/run").json()["view"]
        assert (view["state"], view["can"]) == ("stopping", [])
        client.post("/ct-api/runs/busy/discard")
        view = client.get("/ct-api/run").json()["view"]
    assert view["headline"] == "Finishing step 2, then discarding what it learned."


def test_the_demo_is_one_press(
    runs: Home, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "codetune_ui.ui.live.start_or_wait", lambda run, job: started.append((run.name, job))
    )
    name = client.post("/ct-api/demo").json()["run"]
    assert started == [(name, "train")]
    assert runs.run(name).config() == preset("demo")


def test_only_a_whole_checkpoint_counts(runs: Home) -> None:
    run = make_run(runs, "one")
    for name in ("step_000050", "step_000100", ".tmp-1"):
        (run.checkpoints_dir / name).mkdir(parents=True)
    (run.checkpoints_dir / "step_000050" / "MANIFEST.json").write_text("{}", encoding="utf-8")
    assert newest_checkpoint(run) == 50


def test_scorecards_travel_with_the_tick_and_the_note_comes_from_the_result(
    runs: Home, client: TestClient
) -> None:
    run = make_run(runs, "a", 2)
    with EventWriter(run.events_path) as events:
        events.write("scorecard", step=2, holes=16, middle_nll_per_char=0.6, exact=0.25)
    run.result_path.write_text(json.dumps({"adapter_why": "The adapter is that of step 2."}))
    answer = client.get("/ct-api/run").json()
    assert answer["s"] == [[2, 0.6, 0.25, 16]]
    assert answer["view"]["note"] == "The adapter is that of step 2."
    assert client.get("/ct-api/curves", params={"runs": "a"}).json()[0]["s"] == answer["s"]
