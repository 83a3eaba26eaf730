"""Requests as the editors' clients send them, field by field, against a running server."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.served import FIM, PREFIX, RUN, SUFFIX, Served, events

# --- OpenAI


def test_a_stream_tells_its_usage_in_an_event_of_its_own(served: Served) -> None:
    body = {"model": "base", "prompt": [PREFIX], "suffix": SUFFIX, "max_tokens": 4}
    options = {"stream": True, "stream_options": {"include_usage": True}, "temperature": None}
    reply = served.http.post("/v1/completions", json={**body, **options})
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    *pieces, last, done = events(reply.content)
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 4
    assert {piece["usage"] for piece in pieces} == {None}
    assert {piece["object"] for piece in pieces} == {"text_completion"}
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == served.text(most=4)


def test_a_prompt_in_the_family_s_tokens_is_a_hole(served: Served) -> None:
    for prompt in (
        f"<fim_prefix>{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>",
        f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>",
    ):  # as Zed sends it, set to the right format and to another
        body = {"model": RUN, "prompt": prompt, "max_tokens": 8, "stop": ["<|endoftext|>"]}
        found = served.post("/v1/completions", **body)
        assert found["mode"] == "psm"
        assert found["choices"][0]["text"] == served.text(RUN)


def test_control_text_in_code_stays_text(served: Served) -> None:
    def count(suffix: str) -> int:
        found = served.post("/v1/completions", prompt="x", suffix=suffix, max_tokens=1)
        return int(found["usage"]["prompt_tokens"])

    assert count("<fim_middle>") > count("") + 3


def test_models_tell_how_long_a_text_may_be(served: Served) -> None:
    found = served.http.get("/v1/models").json()["data"]
    assert found[0]["id"] == "base"
    assert {row["id"] for row in found[1:]} == {RUN, "codetune-brisk-finch"}
    assert {row["max_model_len"] for row in found} == {512}


# --- Tabby


def test_segments_are_tabby_s(served: Served) -> None:
    segments = {"prefix": PREFIX, "suffix": SUFFIX, "clipboard": "x", "declarations": []}
    found = served.post("/v1/completions", language="python", segments=segments, user="me")
    assert set(found) == {"id", "choices"}
    assert set(found["choices"][0]) == {"index", "text"}


def test_snippets_of_segments_are_read(served: Served) -> None:
    def prompt_tokens(**more: Any) -> int:
        segments = {"prefix": PREFIX, "suffix": SUFFIX, "filepath": "a.py", **more}
        served.post("/v1/completions", language="python", segments=segments)
        noted = served.http.get("/codetune/requests").json()["requests"][0]
        return int(noted["prompt_tokens"])

    snippet = {"filepath": "lib.py", "body": "x = 1\n", "score": 1.0}
    bare = prompt_tokens()
    assert prompt_tokens(declarations=[snippet]) > bare
    assert prompt_tokens(relevant_snippets_from_changed_files=[snippet]) > bare


def test_tabby_asks_for_health_first(served: Served) -> None:
    found = served.post("/v1/health")
    assert found["model"] == "base"
    assert found["device"] in ("cpu", "cuda")
    assert set(found["version"]) == {"build_date", "build_timestamp", "git_sha", "git_describe"}
    assert served.http.get("/v1beta/server_setting").json() == {
        "disable_client_side_telemetry": True
    }
    assert served.http.post("/v1/events", json={"type": "view"}).status_code == 200


def test_line_ends_are_those_of_the_request(served: Served) -> None:
    def text(prefix: str, suffix: str) -> str:
        body = {"prompt": prefix, "suffix": suffix, "max_tokens": 100, "keep_repeats": True}
        return str(served.post("/v1/completions", model=RUN, **body)["choices"][0]["text"])

    plain = text("a = 1\n", "\nb\n")
    assert text("a = 1\r\n", "\r\nb\r\n") == plain.replace("\n", "\r\n")


# --- llama.cpp

VIM = {  # what llama.vim sends
    "id_slot": 0,
    "input_prefix": "import os\n",
    "input_suffix": SUFFIX,
    "input_extra": [],
    "prompt": PREFIX,
    "n_predict": 8,
    "stop": [],
    "n_indent": 0,
    "n_cmpl": 1,
    "top_k": 40,
    "top_p": 0.99,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 60_000,
    "response_fields": [
        *("content", "timings/prompt_n", "timings/prompt_ms", "timings/predicted_n"),
        *("timings/predicted_ms", "truncated", "tokens_cached", "generation_settings/n_predict"),
    ],
}


def test_llama_vim_is_given_the_fields_it_names(served: Served) -> None:
    found = served.post("/infill", **VIM)
    assert set(found) == set(VIM["response_fields"])  # type: ignore[call-overload]
    assert found["timings/predicted_n"] == 8
    assert found["truncated"] is False


def test_the_prompt_is_the_end_of_the_prefix(served: Served) -> None:
    split = served.post("/infill", **{**VIM, "response_fields": []})
    joined = {**VIM, "input_prefix": "import os\n" + PREFIX, "prompt": "", "response_fields": []}
    assert served.post("/infill", **joined)["content"] == split["content"]
    assert split["stop"] is True
    assert split["stop_type"] == "limit"
    assert split["tokens_predicted"] == 8
    assert split["model"] == "base"


def test_llama_vscode_gets_an_array_for_several_answers(served: Served) -> None:
    body = {**VIM, "n_cmpl": 3, "response_fields": []}
    assert len(served.post("/infill", **body)) == 1  # the likeliest: there is only one
    found = served.post("/infill", **body, temperature=1.0, seed=3)
    assert [one["index"] for one in found] == [0, 1, 2]
    assert len({one["content"] for one in found}) > 1


def test_extra_files_are_read_before_the_code(served: Served) -> None:
    bare = served.post("/infill", **{**VIM, "response_fields": []})["tokens_evaluated"]
    extra = [{"filename": "lib.py", "text": "x = 1\n", "time": 1}, {"text": "y = 2\n"}]
    more = {**VIM, "input_extra": extra, "response_fields": []}
    assert served.post("/infill", **more)["tokens_evaluated"] > bare


def test_a_warm_up_writes_nothing(served: Served) -> None:
    before = served.generated()
    found = served.post("/infill", input_prefix="", input_suffix="", prompt="", n_predict=0)
    assert found["content"] == ""
    assert served.generated() == before


def test_an_infill_stream_ends_with_stop_and_nothing_else(served: Served) -> None:
    body = {**VIM, "stream": True, "response_fields": [], "model": RUN}
    *pieces, last = events(served.http.post("/infill", json=body).content)
    assert {piece["stop"] for piece in pieces} == {False}
    assert last["stop"] is True
    whole = served.post("/infill", **{**body, "stream": False})
    assert "".join(piece["content"] for piece in [*pieces, last]) == whole["content"]


def test_props_tell_no_path(served: Served) -> None:
    found = served.http.get("/props")
    assert found.json()["default_generation_settings"]["n_ctx"] == 512
    assert found.json()["total_slots"] == 2
    assert "model_path" not in found.text


# --- Mistral


def test_continue_is_answered_in_a_chat_s_shape(served: Served) -> None:
    stops = ["/src/", "#- coding: utf-8", "```"]  # Continue sends these every time
    found = served.post("/v1/fim/completions", **FIM, stop=stops, stream=False)
    assert found["object"] == "chat.completion"
    assert found["choices"][0]["message"]["content"] == served.text(RUN)
    assert found["choices"][0]["finish_reason"] == "length"
    assert found["usage"]["completion_tokens"] == 8


def test_continue_s_stream_has_deltas_and_no_comment(served: Served) -> None:
    reply = served.http.post("/v1/fim/completions", json={**FIM, "stream": True})
    *pieces, done = events(reply.content)
    assert done == "[DONE]"
    assert "".join(p["choices"][0]["delta"]["content"] for p in pieces) == served.text(RUN)
    assert pieces[-1]["choices"][0]["finish_reason"] == "length"
    assert reply.headers["cache-control"] == "no-cache"


# --- Ollama

HOW = {"num_predict": 8, "temperature": 0.01, "top_p": 1.0, "stop": ["<|endoftext|>"]}
GENERATE = {"model": f"{RUN}:latest", "prompt": PREFIX, "suffix": SUFFIX, "raw": True}


def test_ollama_streams_lines_of_json_unless_told_otherwise(served: Served) -> None:
    reply = served.http.post("/api/generate", json={**GENERATE, "options": {"num_predict": 8}})
    assert reply.headers["content-type"] == "application/x-ndjson"
    *pieces, last = [json.loads(line) for line in reply.text.splitlines()]
    assert "".join(piece["response"] for piece in pieces) == served.text(RUN)
    assert {piece["done"] for piece in pieces} == {False}
    assert last["done"] is True
    assert last["done_reason"] == "length"
    assert last["response"] == ""
    assert last["eval_count"] == 8
    assert last["model"] == f"{RUN}:latest"


def test_ollama_answers_at_once_where_it_is_asked_to(served: Served) -> None:
    found = served.post("/api/generate", **GENERATE, stream=False, options=HOW)
    assert found["done"] is True
    assert found["prompt_eval_count"] > 0


def test_an_empty_prompt_only_loads(served: Served) -> None:
    found = served.post("/api/generate", model=RUN, prompt="", keep_alive="5m")
    assert found["done_reason"] == "load"


def test_ollama_shows_a_template_with_a_suffix(served: Served) -> None:
    found = served.post("/api/show", name=RUN)
    assert ".Suffix" in found["template"]
    assert "insert" in found["capabilities"]
    assert found["parameters"] == "num_ctx 512"
    tags = served.http.get("/api/tags").json()["models"]
    assert f"{RUN}:latest" in [one["name"] for one in tags]
    assert set(served.http.get("/api/version").json()) == {"version"}
