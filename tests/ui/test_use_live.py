from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from codetune_ui.core.export import MANIFEST, Request
from codetune_ui.runs.events import EventWriter
from codetune_ui.runs.exports import create, write_record
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.lease import PLAYGROUND, acquire
from codetune_ui.runs.lock import hold
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui.page import build
from codetune_ui.ui.use_live import Exports
from codetune_ui.ui.use_routes import routes
from codetune_ui.ui.use_serving import Serving
from tests.ui.evaluations import add, add_run

API = "/ct-api/use/exports"
UNPROVEN = "'calm-otter' has not been evaluated: nobody knows whether it is better than its base."


@pytest.fixture
def runs(home: Path) -> Home:
    return Home(home)


@pytest.fixture
def client(runs: Home) -> TestClient:
    api = FastAPI()
    api.include_router(routes(Exports(runs), Serving(runs)))
    return TestClient(api)


@pytest.fixture
def run(runs: Home) -> Run:
    return add_tuned(runs)


def add_tuned(home: Home, name: str = "calm-otter", **settings: Any) -> Run:
    run = add_run(home, name)
    replace_json(run.adapter_dir / "adapter_config.json", {"peft_type": "LORA"} | settings)
    return run


@contextmanager
def at_work(run: Run) -> Iterator[Run]:
    """An export that its worker is busy with."""
    job = create(run.home, Request(run=run.name, format="gguf", to="", accepted=True))
    job.write_status(Status.begin("export"))
    with hold(job.lock_path):
        yield job


def state(client: TestClient, **asked: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(API, params={"run": "calm-otter"} | asked).json()
    return answer


def start(client: TestClient, **asked: object) -> dict[str, str]:
    body = {"run": "calm-otter", "format": "adapter"} | asked
    answer: dict[str, str] = client.post(API, json=body).json()
    return answer


# --- what can be chosen


def test_only_runs_with_an_adapter_can_be_chosen(runs: Home, client: TestClient) -> None:
    add_run(runs, "untrained", trained=False)
    add_tuned(runs)
    found = client.get("/ct-api/use/runs").json()["runs"]
    assert found == [{"name": "calm-otter", "label": "calm-otter · demo model"}]


def test_without_a_run_there_is_nothing_to_export(client: TestClient) -> None:
    found = state(client, run="")
    assert (found["place"], found["count"], found["job"], found["busy"]) == ("", 0, None, "")


def test_the_place_it_goes_to_follows_format_and_precision(run: Run, client: TestClient) -> None:
    folder = run.path / "exports"
    assert state(client)["place"] == str(folder / "adapter")
    assert state(client, format="gguf", quant="q4_0")["place"] == str(folder / "gguf-q4_0")
    assert state(client, format="merged", quant="q4_0")["place"] == str(folder / "merged")


def test_a_dora_can_be_exported_as_an_adapter_alone(runs: Home, client: TestClient) -> None:
    add_tuned(runs, use_dora=True)
    refused = state(client)["refused"]
    assert sorted(refused) == ["gguf", "gguf-adapter", "merged", "ollama"]
    assert refused["gguf"] == "This adapter is a DoRA, which cannot be merged or converted."


def test_the_verdict_of_the_newest_evaluation_is_told(run: Run, client: TestClient) -> None:
    assert "Not evaluated yet" in state(client)["standing"]
    add(run, created=2e9, verdict="worse")
    assert "Worse than its base" in state(client)["standing"]


# --- started, asked first


def test_an_adapter_that_was_never_evaluated_is_asked_about(run: Run, client: TestClient) -> None:
    assert start(client) == {"error": "", "about": "accepted", "ask": UNPROVEN}
    assert run.home.exports() == []


def test_an_adapter_that_is_worse_is_asked_about_with_figures(run: Run, client: TestClient) -> None:
    add(run, created=2e9, verdict="worse")
    asked = start(client)
    assert asked["about"] == "accepted"
    assert "is worse than its base: exact match 0.500 against 0.500" in asked["ask"]


def test_an_export_that_is_there_is_replaced_only_after_a_yes(
    run: Run, client: TestClient, tmp_path: Path
) -> None:
    (tmp_path / MANIFEST).write_text("{}", encoding="utf-8")
    asked = start(client, accepted=True, to=str(tmp_path))
    assert (asked["about"], asked["ask"]) == ("replace", f"{tmp_path} holds an export already.")
    assert run.home.exports() == []


def test_a_folder_of_something_else_is_refused_in_the_pages_words(
    run: Run, client: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").touch()
    found = start(client, accepted=True, to=str(tmp_path))
    assert (
        found["error"] == f"{tmp_path} exists and is no export of this app. Choose another folder."
    )
    assert run.home.exports() == []


def test_what_is_no_repository_is_one_sentence(run: Run, client: TestClient) -> None:
    assert run.name == "calm-otter"
    assert start(client, to="hub:alone")["error"] == (
        "'hub:alone' names no Hub repository. Write hub:OWNER/NAME."
    )


def test_a_second_export_is_refused_in_one_sentence(run: Run, client: TestClient) -> None:
    with at_work(run):
        found = start(client, accepted=True)
        assert (
            found["error"] == "'calm-otter' is being exported already. Wait for it, or cancel it."
        )
        assert state(client)["busy"] == "calm-otter is being exported. One at a time."


def test_who_has_the_accelerator_is_said(run: Run, client: TestClient) -> None:
    with acquire(run.home, "brisk-finch", "training"):
        assert state(client)["busy"].startswith("brisk-finch is using the GPU (training).")
        found = start(client, accepted=True)
        assert found["error"] == "'brisk-finch' is using the GPU. Stop it first, or wait."
    with acquire(run.home, PLAYGROUND, "answering"):
        assert state(client)["busy"] == ""  # it makes room


# --- the job at work


def test_progress_is_the_part_at_work_and_its_count(run: Run, client: TestClient) -> None:
    with at_work(run) as job, EventWriter(job.events_path) as events:
        assert state(client)["job"]["line"] == "Getting ready …"
        events.write("phase", phase="Writing the GGUF file")
        now = state(client)["job"]
        assert (now["line"], now["percent"]) == ("Writing the GGUF file …", None)
        events.write("export", done=12, total=48, deed="weights written")
        now = state(client)["job"]
    assert now["line"] == "Writing the GGUF file · 12 of 48 weights written"
    assert (now["run"], now["active"], now["percent"]) == ("calm-otter", True, 25.0)


def test_cancel_asks_the_worker_to_stop(run: Run, client: TestClient) -> None:
    with at_work(run) as job:
        assert client.post(f"{API}/{job.name}/cancel").json()["error"] == ""
        assert job.stop_path.exists()
        assert state(client)["job"]["line"] == "Cancelling."
    assert "There is no export" in client.post(f"{API}/nothing/cancel").json()["error"]


def test_a_failure_is_one_sentence_and_a_way_out(run: Run, client: TestClient) -> None:
    with at_work(run) as job:
        failed = {"state": "failed", "message": "The disk is full.", "hint": "Free some space."}
        job.write_status(job.status().replace(**failed))
    now = state(client)["job"]
    assert (now["line"], now["hint"]) == ("The disk is full.", "Free some space.")
    assert now["active"] is False


def test_a_worker_that_is_gone_leaves_a_way_out(run: Run, client: TestClient) -> None:
    with at_work(run):
        pass
    now = state(client)["job"]
    assert now["line"] == "The export ended without notice."
    assert now["hint"].endswith("worker.log, then export again.")


# --- earlier exports


def test_earlier_exports_say_if_they_are_still_there(
    run: Run, client: TestClient, tmp_path: Path
) -> None:
    there = tmp_path / "out"
    there.mkdir()
    (there / MANIFEST).write_text(json.dumps({"format": "gguf"}), encoding="utf-8")
    for place in (there, tmp_path / "gone"):
        asked = Request(run=run.name, format="gguf", to=str(place), accepted=True, overwrite=True)
        write_record(create(run.home, asked), {"format": "gguf", "quant": "q8_0"})
    found = state(client)
    assert found["count"] == 2
    assert found["earlier"].count("moved or deleted") == 1
    assert f'data-copy="{there}"' in found["earlier"]


# --- on the page


def test_the_routes_are_guarded_like_all_others(home: Path) -> None:
    with TestClient(build(Home(home)), base_url="http://127.0.0.1") as page:
        assert page.get(API).status_code == 200
        foreign = {"origin": "http://evil.example"}
        body = {"run": "x", "format": "adapter"}
        assert page.post(API, json=body, headers=foreign).status_code == 403
        config = page.get("/config").text
        for part in ("us-run", "us-form", "b-export", "b-us-cancel", "us-earlier"):
            assert part in config
