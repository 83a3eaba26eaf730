from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from codetune_ui.core.evaluation import Request
from codetune_ui.core.own_holes import own_hole
from codetune_ui.runs.evaluations import create
from codetune_ui.runs.events import EventWriter
from codetune_ui.runs.lease import PLAYGROUND, acquire
from codetune_ui.runs.lock import hold
from codetune_ui.runs.own_holes import own_holes
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.evaluate_live import Evaluations
from codetune_ui.ui.evaluate_routes import routes
from codetune_ui.ui.page import build
from tests.ui.evaluations import add, add_run, found

API = "/ct-api/evaluations"


@pytest.fixture
def runs(home: Path) -> Home:
    return Home(home)


@pytest.fixture
def client(runs: Home) -> TestClient:
    api = FastAPI()
    api.include_router(routes(Evaluations(runs)))
    return TestClient(api)


@contextmanager
def at_work(run: Run, step: int = 0) -> Iterator[Run]:
    """An evaluation that its worker is busy with: twenty steps of forty."""
    job = create(run.home, Request(run=run.name))
    status = Status.begin("evaluate").replace(state="running", step=step, total_steps=40)
    job.write_status(status.replace(phase="Loading the base model"))
    with hold(job.lock_path):
        yield job


def state(client: TestClient, **asked: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(API, params=asked).json()
    return answer


# --- what can be chosen


def test_a_run_that_cannot_be_evaluated_says_why(runs: Home, client: TestClient) -> None:
    add_run(runs, "untrained", trained=False)
    (add_run(runs, "no-code").dataset_dir / "held_out.jsonl").write_text("", encoding="utf-8")
    add_run(runs, "calm-otter")
    assert [(run["name"], run["why"]) for run in state(client)["runs"]] == [
        ("calm-otter", ""),
        ("no-code", "it has no held-out code"),
        ("untrained", "it has no adapter"),
    ]


def test_without_anything_there_is_nothing_to_show(client: TestClient) -> None:
    answer = state(client)
    assert (answer["runs"], answer["job"], answer["busy"], answer["own"]) == ([], None, "", 0)
    assert "Nothing has been evaluated yet" in answer["choices"]


def test_who_has_the_accelerator_is_said(runs: Home, client: TestClient) -> None:
    with acquire(runs, "brisk-finch", "training"):
        assert state(client)["busy"].startswith("brisk-finch is using the GPU (training).")
    with acquire(runs, PLAYGROUND, "completions"):
        assert state(client)["busy"] == ""  # it makes room


# --- the job at work


def test_progress_is_counted_and_the_time_left_is_told(runs: Home, client: TestClient) -> None:
    with at_work(add_run(runs), step=20) as job:
        with EventWriter(job.events_path) as events:
            events.write("evaluate", done=20, total=20, deed="filled")
        answer = state(client)
    now = answer["job"]
    assert (now["run"], now["active"], now["percent"]) == ("calm-otter", True, 50.0)
    assert now["line"].startswith("20 of 20 holes filled · ")
    assert now["line"].endswith(" left")
    assert answer["busy"] == "calm-otter is being evaluated. One at a time."


def test_before_the_first_hole_the_phase_is_told(runs: Home, client: TestClient) -> None:
    with at_work(add_run(runs)):
        assert state(client)["job"]["line"] == "Loading the base model …"


def test_a_second_evaluation_is_refused_in_one_sentence(runs: Home, client: TestClient) -> None:
    with at_work(add_run(runs)):
        answer = client.post(API, json={"run": "calm-otter", "kinds": "line"}).json()
    assert answer["error"] == (
        "'calm-otter' is being evaluated already. Wait for it, or cancel it."
    )


def test_cancel_asks_the_worker_to_stop(runs: Home, client: TestClient) -> None:
    with at_work(add_run(runs)) as job:
        assert client.post(f"{API}/{job.name}/cancel").json()["error"] == ""
        assert job.stop_path.exists()
        assert state(client)["job"]["line"] == "Cancelling."
    assert "no evaluation" in client.post(f"{API}/nothing/cancel").json()["error"]


@pytest.mark.parametrize(
    ("change", "line", "hint"),
    [
        (
            {"state": "failed", "message": "It is full.", "hint": "Free it."},
            "It is full.",
            "Free it.",
        ),
        ({"state": "stopped"}, "The evaluation was cancelled. Nothing was kept.", ""),
    ],
)
def test_an_end_without_a_result_is_one_sentence(
    runs: Home, client: TestClient, change: dict[str, Any], line: str, hint: str
) -> None:
    with at_work(add_run(runs)) as job:
        job.write_status(job.status().replace(**change))
    now = state(client)["job"]
    assert (now["line"], now["hint"], now["active"], now["reference"]) == (line, hint, False, "")


def test_a_worker_that_is_gone_leaves_a_way_out(runs: Home, client: TestClient) -> None:
    with at_work(add_run(runs)):
        pass
    now = state(client)["job"]
    assert now["line"] == "The evaluation ended without notice."
    assert now["hint"].endswith("worker.log, then evaluate again.")


def test_a_finished_job_names_its_result(runs: Home, client: TestClient) -> None:
    with at_work(add_run(runs)) as job:
        job.write_status(job.status().replace(state="finished"))
    assert state(client)["job"]["reference"] == f"calm-otter/{job.name}"


# --- evaluations on disk


def test_the_newest_evaluation_of_each_run_is_known(runs: Home, client: TestClient) -> None:
    run = add_run(runs)
    add(run, "20261121-1", created=100)
    newest = add(run, "20261123-1", created=300)
    other = add(add_run(runs, "brisk-finch"), "20261122-1", created=200)
    answer = state(client, run="calm-otter", shown=newest)
    assert answer["newest"] == {"calm-otter": newest, "brisk-finch": other}
    assert answer["earlier"].count("data-open") == 2
    assert f'data-open="{newest}" aria-pressed="true"' in answer["earlier"]
    assert answer["choices"].count('type="checkbox"') == 3


def test_a_file_that_is_no_evaluation_is_passed_over(runs: Home, client: TestClient) -> None:
    folder = add_run(runs).path / "evaluation"
    folder.mkdir()
    (folder / "1.json").write_text("{}", encoding="utf-8")
    (folder / "2.json").write_text("[", encoding="utf-8")
    assert state(client)["newest"] == {}


def test_an_evaluation_is_shown_with_its_table(runs: Home, client: TestClient) -> None:
    reference = add(add_run(runs))
    shown = client.get(f"{API}/{reference}").json()
    assert "No difference between the adapter and the base" in shown["html"]
    assert shown["kinds"] == [["", "All kinds"], ["line", "Whole lines"]]
    table = client.get(f"{API}/{reference}/holes", params={"by": "adapter"}).json()
    assert (table["rows"].count("<tr"), table["matching"], table["more"]) == (1, 1, 0)


def test_the_table_comes_page_by_page(runs: Home, client: TestClient) -> None:
    reference = add(add_run(runs))
    table = client.get(f"{API}/{reference}/holes", params={"most": 3, "sort": "where"}).json()
    assert (table["rows"].count("<tr"), table["matching"], table["more"]) == (3, 4, 1)


def test_a_press_on_a_hole_shows_the_file_around_it(runs: Home, client: TestClient) -> None:
    reference = add(add_run(runs))
    opened = client.get(f"{API}/{reference}/holes/0").json()
    assert opened["html"].count("depth") == 3
    assert client.get(f"{API}/{reference}/holes/9").json()["error"].startswith("There is no such")


def test_what_is_not_there_is_one_sentence(runs: Home, client: TestClient) -> None:
    add(add_run(runs))
    for name in ("calm-otter/nothing", "nobody/1", "calm-otter/..%2F..%2Fconfig"):
        answer = client.get(f"{API}/{name}")
        assert answer.status_code == 404 or answer.json()["error"].startswith("There is no ")


def test_the_report_comes_as_a_file_that_cannot_use_the_page(
    runs: Home, client: TestClient
) -> None:
    reference = add(add_run(runs))
    page = client.get(f"{API}/{reference}/report.html")
    assert page.text.startswith("<!doctype html>")
    assert page.headers["content-disposition"] == (
        'attachment; filename="calm-otter-20261123-1.html"'
    )
    assert page.headers["content-security-policy"].startswith("sandbox")
    assert client.get(f"{API}/{reference}/report.json").json() == found()
    assert client.get(f"{API}/calm-otter/nothing/report.json").status_code == 404
    assert client.get(f"{API}/{reference}/report.txt").status_code == 422


# --- adapter against adapter


def test_two_evaluations_of_the_same_holes_are_compared(runs: Home, client: TestClient) -> None:
    names = [add(add_run(runs, name)) for name in ("calm-otter", "brisk-finch")]
    html = client.get(f"{API}/compare", params={"of": ",".join(names)}).json()["html"]
    assert "No difference between brisk-finch and calm-otter" in html
    assert client.get(f"{API}/compare", params={"of": names[0]}).json()["html"] == ""


def test_evaluations_of_other_holes_offer_to_fill_the_same(runs: Home, client: TestClient) -> None:
    first = add(add_run(runs))
    second = add(add_run(runs, "brisk-finch"), holes_id="xyz")
    html = client.get(f"{API}/compare", params={"of": f"{first},{second}"}).json()["html"]
    assert f'data-run="brisk-finch" data-holes-of="{first}"' in html


# --- own holes


def test_a_pasted_hole_is_kept_listed_and_removed(runs: Home, client: TestClient) -> None:
    body = {"text": "x = <FILL>1</FILL>\n", "path": "src/pond.py"}
    made = client.post(f"{API}/own", json=body).json()
    assert made == {"error": "", "made": own_hole("x = ", "1", "\n", path="src/pond.py").id}
    assert client.post(f"{API}/own", json=body).json() == {"error": "", "made": ""}
    assert own_holes(runs)[0].created <= time.time()
    assert "src/pond.py:1" in client.get(f"{API}/own").json()["html"]
    assert state(client)["own"] == 1
    client.post(f"{API}/own/{made['made']}/remove")
    assert own_holes(runs) == []


def test_a_hole_that_is_not_marked_is_one_sentence(client: TestClient) -> None:
    answer = client.post(f"{API}/own", json={"text": "x = 1"}).json()
    assert answer["error"].startswith("The code does not have one marked hole.")


# --- on the page


def test_the_routes_are_guarded_like_all_others(home: Path) -> None:
    with TestClient(build(Home(home)), base_url="http://127.0.0.1") as page:
        assert page.get(API).status_code == 200
        foreign = {"origin": "http://evil.example"}
        assert page.post(API, json={"run": "x"}, headers=foreign).status_code == 403
        config = page.get("/config").text
        for part in ("ev-form", "b-evaluate", "b-ev-cancel", "ev-table", "b-keep-hole"):
            assert part in config
