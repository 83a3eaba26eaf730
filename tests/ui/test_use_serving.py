from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from codetune_ui.core.editors import EDITORS
from codetune_ui.runs.files import replace_json
from codetune_ui.runs.store import Home
from codetune_ui.ui.use_live import Exports
from codetune_ui.ui.use_routes import routes
from codetune_ui.ui.use_serving import TITLES, Serving
from tests.ui.evaluations import add_run

API = "/ct-api/use/server"
OFF = "Editors are not served now. Switch it on."


@pytest.fixture
def runs(home: Path) -> Home:
    return Home(home)


@pytest.fixture
def client(runs: Home) -> TestClient:
    api = FastAPI()
    api.include_router(routes(Exports(runs), Serving(runs)))
    return TestClient(api)


def state(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(API, params={"run": "calm-otter"}).json()
    return answer


def settled(client: TestClient) -> dict[str, Any]:
    """Return how it stands once the start has come to its end."""
    while (found := state(client))["state"] == "starting":
        time.sleep(0.05)
    return found


def test_it_is_off_at_first(client: TestClient) -> None:
    assert state(client) == {"state": "off", "line": "Off"}


def test_a_server_that_ended_by_itself_is_told_apart_from_one_switched_off(
    runs: Home, client: TestClient
) -> None:
    runs.server_dir.mkdir()
    replace_json(runs.server_dir / "editors.json", {"run": "calm-otter", "port": 8012})
    assert state(client)["line"] == "It has ended, to make room or with the machine."
    assert client.post(f"{API}/stop").json() == {"error": ""}
    assert state(client)["line"] == "Off"


def test_what_cannot_be_served_says_why_until_the_next_press(
    runs: Home, client: TestClient
) -> None:
    add_run(runs, trained=False)
    assert client.post(API, json={"run": "calm-otter"}).json()["error"] == ""
    assert settled(client) == {
        "state": "failed",
        "line": "'calm-otter' has no adapter yet. Train it to its end, or stop and save it.",
    }
    client.post(f"{API}/stop")
    assert state(client)["state"] == "off"


def test_a_run_that_is_not_there_is_one_sentence(client: TestClient) -> None:
    assert "There is no run 'nobody'" in client.post(API, json={"run": "nobody"}).json()["error"]


def test_while_it_is_off_there_is_no_snippet_and_no_test(client: TestClient) -> None:
    asked = {"run": "calm-otter", "editor": "zed"}
    assert client.get(f"{API}/snippet", params=asked).json() == {"error": OFF}
    assert client.post(f"{API}/try", json=asked).json() == {"html": f'<p class="us-bad">{OFF}</p>'}


def test_every_editor_is_offered_by_its_title() -> None:
    assert tuple(TITLES) == EDITORS
    assert TITLES["continue"] == "Continue (VS Code and JetBrains)"
