from __future__ import annotations

import contextlib
import json
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.serve import Life
from codetune_ui.runs.client import CompletionClient, ServerState, ensure_server, server_state
from codetune_ui.runs.client import stop_server as stop
from codetune_ui.runs.store import Home
from tests.runs.serving import add_trained_run, make_talkative


@dataclass
class Served:
    """One server process for all tests of this file, with one trained run."""

    home: Home
    model: Path
    state: ServerState
    http: httpx.Client

    def ask(self, **given: Any) -> httpx.Response:
        body = {"prompt": "def add(", "suffix": "return left\n", "max_tokens": 8, **given}
        return self.http.post("/v1/completions", json=body, timeout=30)

    def generated(self) -> int:
        return int(self.http.get("/health").json()["generated_tokens"])


@pytest.fixture(scope="module")
def served(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served")
    model = make_talkative(tiny_model, root / "model")
    home = Home(root / "home")
    add_trained_run(home, model, "amber-otter")
    state = ensure_server(home, Config(base_model=str(model)), wait_s=120).state
    with connected(state) as http:
        yield Served(home, model, state, http)
    stop(home)
    assert server_state(home) is None
    assert not (home.server_dir / "server.json").exists()


def connected(state: ServerState) -> httpx.Client:
    head = {"Authorization": f"Bearer {state.token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{state.port}", headers=head)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- answers


def test_a_plain_request_is_answered_in_openai_shape(served: Served) -> None:
    found = served.ask().json()
    assert found["object"] == "text_completion"
    assert found["model"] == "base"
    assert found["choices"][0]["finish_reason"] == "length"
    assert found["usage"]["completion_tokens"] == 8
    assert found["mode"] == "psm"
    times = {"ms_first_token", "ms_total"}
    assert set(found["timings"]) == {"prompt_tokens", "kept_tokens", "tokens", *times}


def test_a_path_and_other_files_are_read_before_the_prompt(served: Served) -> None:
    tokenizer = CodeTokenizer.from_folder(served.model)
    plain = served.ask().json()["usage"]["prompt_tokens"]
    extra = [{"filename": "lib.py", "text": "x = 1\n"}]
    found = served.ask(path="main.py", input_extra=extra).json()["usage"]["prompt_tokens"]
    texts = ("lib.py\n", "x = 1\n", "main.py\n")
    assert found == plain + 2 + sum(len(tokenizer.encode(text)) for text in texts)


def test_files_take_as_many_tokens_as_a_request_allows(served: Served) -> None:
    extra = [{"filename": "lib.py", "text": "x = 1\n"}]
    around = {"path": "main.py", "input_extra": extra}
    bare = served.ask(path="main.py").json()["usage"]["prompt_tokens"]
    none = served.ask(**around, context_tokens=0).json()["usage"]["prompt_tokens"]
    whole = served.ask(**around, context_tokens=99).json()["usage"]["prompt_tokens"]
    assert none == bare < whole


def test_a_run_is_served_with_as_many_tokens_of_files_as_it_was_trained_with(
    served: Served,
) -> None:
    how: dict[str, Any] = {"repo_context": "neighbours", "context_tokens": 24}
    run = add_trained_run(served.home, served.model, "near", **how)
    extra = [{"filename": "lib.py", "text": "x = 1\n" * 99}]
    bare = served.ask(model="codetune-near", path="main.py").json()["usage"]
    near = served.ask(model="codetune-near", path="main.py", input_extra=extra).json()["usage"]
    served.home.delete(run)
    assert 8 < near["prompt_tokens"] - bare["prompt_tokens"] <= 24


def test_another_file_without_a_text_is_refused(served: Served) -> None:
    reply = served.ask(input_extra=[{"filename": "lib.py"}])
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "input_extra.0.text: Field required"


def test_a_stream_is_the_same_text_in_pieces(served: Served) -> None:
    lines = served.ask(stream=True).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    whole = "".join(chunk["choices"][0]["text"] for chunk in chunks)
    assert whole == served.ask().json()["choices"][0]["text"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * (
        len(chunks) - 1
    )
    assert chunks[-1]["timings"]["tokens"] == 8


def test_the_adapter_answers_under_its_runs_name(served: Served) -> None:
    tuned = served.ask(model="codetune-amber-otter").json()
    assert tuned["model"] == "codetune-amber-otter"
    assert tuned["choices"][0]["text"] != served.ask().json()["choices"][0]["text"]


def test_the_models_are_the_base_and_its_adapters(served: Served, tiny_model: Path) -> None:
    add_trained_run(served.home, tiny_model, "of-another-base")
    found = served.http.get("/v1/models").json()
    assert [row["id"] for row in found["data"]] == ["base", "codetune-amber-otter"]


def test_a_stop_string_ends_the_text_before_it(served: Served) -> None:
    whole = served.ask().json()["choices"][0]["text"]
    cut = served.ask(stop=[whole[3:5]]).json()["choices"][0]
    assert cut["finish_reason"] == "stop"
    assert cut["text"] == whole[: whole.index(whole[3:5])]


def test_no_more_than_512_tokens_are_written(served: Served) -> None:
    # the tiny model's context of 512 gives half to the answer
    assert served.ask(max_tokens=100_000).json()["timings"]["tokens"] == 256


# --- leaving early


def test_a_closed_stream_ends_the_writing(served: Served) -> None:
    before = served.generated()
    with served.http.stream("POST", "/v1/completions", json=long_request(stream=True)) as reply:
        next(reply.iter_lines())
    assert written_after_leaving(served, before) < 256


def test_a_closed_plain_request_ends_the_writing(served: Served) -> None:
    before = served.generated()
    with pytest.raises(httpx.ReadTimeout):
        served.http.post("/v1/completions", json=long_request(), timeout=0.1)
    assert written_after_leaving(served, before) < 256


def long_request(**given: Any) -> dict[str, Any]:
    return {"prompt": "x", "suffix": "y", "max_tokens": 256, "temperature": 0, **given}


def written_after_leaving(served: Served, before: int) -> int:
    counts = [before - 2, before - 1]

    def still() -> bool:
        time.sleep(0.2)
        counts.append(served.generated())
        return counts[-1] == counts[-2] > before

    wait_for(still)
    return counts[-1] - before


def test_after_a_cancel_the_next_is_answered(served: Served) -> None:
    with served.http.stream("POST", "/v1/completions", json=long_request(stream=True)) as reply:
        next(reply.iter_lines())
    assert served.ask(max_tokens=1).json()["timings"]["tokens"] == 1


def test_the_client_yields_pieces_and_cancels_when_closed(served: Served) -> None:
    client = CompletionClient(served.state)
    before = served.generated()
    chunks = client.complete("x", "y", max_tokens=256)
    next(chunks)
    chunks.close()
    assert written_after_leaving(served, before) < 256


# --- refusals


def message(reply: httpx.Response) -> str:
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == reply.status_code
    return str(error["message"])


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic eDp5"])
def test_a_wrong_token_is_refused(served: Served, token: str) -> None:
    found = served.http.get("/v1/models", headers={"Authorization": token})
    assert found.status_code == 401
    assert message(found) == "The bearer token is missing or wrong."


def test_health_needs_no_token_and_tells_no_path(served: Served) -> None:
    found = served.http.get("/health", headers={"Authorization": ""})
    assert found.json()["status"] == "ok"
    assert found.json()["base_model"] == "model"
    assert str(served.home.path) not in found.text


def test_a_foreign_host_is_refused(served: Served) -> None:
    assert served.http.get("/health", headers={"Host": "evil.example"}).status_code == 400


def test_a_foreign_origin_is_refused(served: Served) -> None:
    found = served.http.get("/v1/models", headers={"Origin": "http://evil.example"})
    assert found.status_code == 403


def test_a_body_over_a_megabyte_is_refused(served: Served) -> None:
    found = served.ask(prompt="x" * 1_000_001)
    assert found.status_code == 413
    assert message(found) == "The request is longer than 1,000,000 bytes."


def test_a_body_of_unknown_length_is_refused(served: Served) -> None:
    found = served.http.post("/v1/completions", content=iter([b"{}"]))
    assert found.status_code == 411


def test_an_adapter_of_another_base_is_refused(served: Served, tiny_model: Path) -> None:
    if "elsewhere" not in [run.name for run in served.home.runs()]:
        add_trained_run(served.home, tiny_model, "elsewhere")
    found = served.ask(model="codetune-elsewhere")
    assert found.status_code == 400
    assert message(found).startswith("The adapter of 'elsewhere' was trained on ")


def test_a_run_without_an_adapter_is_refused(served: Served) -> None:
    served.home.create_run(Config(base_model=str(served.model)), "untrained")
    found = served.ask(model="codetune-untrained")
    assert found.status_code == 400
    assert message(found) == "'untrained' has no adapter yet. Train it first."


def test_an_unknown_run_is_not_found(served: Served) -> None:
    found = served.ask(model="codetune-nobody")
    assert found.status_code == 404
    assert message(found).startswith("There is no run 'nobody'.")


def test_a_path_as_a_run_is_refused(served: Served) -> None:
    assert served.ask(model="codetune-../../etc").status_code == 404


@pytest.mark.parametrize(
    "given", [{"prompt": None}, {"temperature": -1}, {"n": 3}, {"max_tokens": "many"}]
)
def test_nonsense_is_refused_in_openai_shape(served: Served, given: dict[str, Any]) -> None:
    found = served.ask(**given)
    assert found.status_code == 400
    assert next(iter(given)) in message(found)


def test_a_body_that_is_no_json_is_refused(served: Served) -> None:
    found = served.http.post("/v1/completions", content=b"{")
    assert found.status_code == 400
    assert message(found)


# --- the process


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_the_token_is_for_its_owner_alone(served: Served) -> None:
    path = served.home.server_dir / "server.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def serve(home: Path, *given: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "codetune_ui.engine.serve", "--home", str(home), *given]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_server_of_one_home_is_refused(served: Served) -> None:
    found = serve(served.home.path, "--model", str(served.model))
    assert found.returncode == 3
    assert server_state(served.home) == served.state


def test_a_taken_port_is_one_sentence(served: Served, home: Path) -> None:
    found = serve(home, "--model", str(served.model), "--port", str(served.state.port))
    assert found.returncode == 2
    note = json.loads((home / "server" / "error.json").read_text(encoding="utf-8"))
    assert note["message"] == f"Port {served.state.port} is taken."
    assert "Traceback" not in found.stderr


def test_an_idle_server_ends_by_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codetune_ui.engine.serve.WATCH_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as held:
        life = Life(Home(home), Config(), "", listener, 0.05, held)
        assert life.desk.idle_s() == 0.0  # it loads, which is not idle
        life.desk.open(cast(Completer, object()))
        life._watch()
        assert life.server.should_exit
        life.desk.close()
