"""The completion server as editors use it: kept open for one run, and asked as an editor asks.

HOME/server/editors.json     which run it was last opened for, and at which port
"""

from __future__ import annotations

import functools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from codetune_ui.core.completion import adapter_model
from codetune_ui.core.config import Config
from codetune_ui.core.errors import MachineError, ModelError, RunError
from codetune_ui.runs.client import (
    MODULE,
    CompletionClient,
    ServerState,
    ensure_server,
    server_state,
    stop_server,
)
from codetune_ui.runs.files import read_json, replace_json
from codetune_ui.runs.process import spawn
from codetune_ui.runs.store import Home

PORT = 8012  # llama.cpp's editors look there by themselves
ASK_S = 60.0  # a first answer compiles what it needs


def open_for(home: Home, run: str) -> CompletionClient:
    """Return a client of a server that answers for a run's adapter and does not end when idle.

    A server that was started for something else makes room. Raises `CodeTuneError` with the
    server's own sentence when it cannot serve.
    """
    found = home.run(run)
    if not (found.adapter_dir / "adapter_model.safetensors").is_file():
        raise RunError(f"'{run}' has no adapter yet.", "Train it to its end, or stop and save it.")
    if server_state(home) is not None and opened_for(home) != run:
        stop_server(home)
    return ensure_server(home, found.config(), start=functools.partial(_start, run=run))


def close(home: Home) -> None:
    """End the server because a person said so."""
    stop_server(home)
    if note := _note(home):
        replace_json(_note_path(home), {**note, "run": ""})


def wanted_for(home: Home) -> str:
    """Return the run that a server was opened for and not closed, whether it lives or not."""
    return str(_note(home).get("run", ""))


def opened_for(home: Home) -> str:
    """Return the run that the living server was started for; "" when it was for none.

    Read from its command line, so that one of `app.py serve --run RUN` is known too.
    """
    state = server_state(home)
    try:
        command = [] if state is None else psutil.Process(state.pid).cmdline()
    except psutil.Error:
        return ""
    if MODULE not in command or "--run" not in command:
        return ""
    return str(command[command.index("--run") + 1])


def _note(home: Home) -> dict[str, Any]:
    return read_json(_note_path(home)) or {}


def _note_path(home: Home) -> Path:
    return home.server_dir / "editors.json"


def _start(home: Home, _: Config, *, run: str) -> subprocess.Popen[bytes]:
    home.server_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = choose_port(home)
    replace_json(_note_path(home), {"run": run, "port": port})
    command = [sys.executable, "-m", MODULE, "--run", run, "--home", str(home.path)]
    command += ["--port", str(port), "--idle-minutes", "0"]  # an editor may be silent for hours
    return spawn(command, log_path=home.server_dir / "server.log", home=home.path)


def choose_port(home: Home) -> int:
    """Return the port of last time, or a free one: it stands in a person's editors' settings."""
    for port in (int(_note(home).get("port", PORT)), 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as probe:
                return int(probe.getsockname()[1])
        except OSError:
            continue
    raise MachineError("No port is free on this machine.", "Close another program.")


# --- asked as an editor asks

BEFORE = "def add(first, second):\n    return "
AFTER = "\n\n\nprint(add(2, 3))\n"
TOKENS = 24
Found = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """How an editor asks: the path, what it sends for a hole, and where its answer's text is."""

    path: str
    body: Callable[[str], dict[str, Any]]
    text: Callable[[Found], str]


@dataclass(frozen=True)
class Tried:
    """What came back: the text, and the milliseconds until it was there."""

    path: str
    text: str
    ms: float


def try_as(state: ServerState, editor: str, run: str) -> Tried:
    """Ask for a completion as an editor does; raise `CodeTuneError` with what went wrong."""
    way = WAYS[editor]
    began = time.perf_counter()
    try:
        with _http(state) as http:
            headers = {"User-Agent": f"CodeTune test of {editor}"}
            reply = http.post(way.path, json=way.body(adapter_model(run)), headers=headers)
        found = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        raise MachineError("The server did not answer.", "Switch it off and on again.") from error
    ms = (time.perf_counter() - began) * 1000
    if reply.status_code != httpx.codes.OK:
        raise ModelError(f"The server refused: {_refusal(found) or reply.status_code}")
    try:
        return Tried(way.path, str(way.text(found)), ms)
    except (KeyError, IndexError, TypeError) as error:
        message = f"The server's answer at {way.path} has another form than {editor} reads."
        raise ModelError(message) from error


def _http(state: ServerState) -> httpx.Client:
    # The machine's own address: what the environment says about proxies is not for us.
    return httpx.Client(
        base_url=f"http://127.0.0.1:{state.port}",
        headers={"Authorization": f"Bearer {state.token}"},
        timeout=httpx.Timeout(5.0, read=ASK_S),
        trust_env=False,
    )


def _refusal(found: Any) -> str:
    error = found.get("error") if isinstance(found, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else str(error or "")


def _openai(model: str) -> dict[str, Any]:
    return {"model": model, "prompt": BEFORE, "suffix": AFTER, "max_tokens": TOKENS}


def _mistral(model: str) -> dict[str, Any]:
    return {**_openai(model), "temperature": 0.0, "stream": False}


def _llama(model: str) -> dict[str, Any]:
    above, _, line = BEFORE.rpartition("\n")
    return {
        "input_prefix": f"{above}\n",
        "input_suffix": AFTER,
        "input_extra": [],
        "prompt": line,
        "n_predict": TOKENS,
        "stream": False,
        "model": model,
    }


def _written(model: str) -> dict[str, Any]:
    """The hole as an editor writes it that puts a family's tokens into the text."""
    prompt = f"<|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>"
    return {"model": model, "prompt": prompt, "max_tokens": TOKENS}


def _tabby(_: str) -> dict[str, Any]:
    return {"language": "python", "segments": {"prefix": BEFORE, "suffix": AFTER}}


def _first(found: Found) -> str:
    text: str = found["choices"][0]["text"]
    return text


WAYS: dict[str, Way] = {
    "continue": Way(
        "/v1/fim/completions", _mistral, lambda found: found["choices"][0]["message"]["content"]
    ),
    "llama.vscode": Way("/infill", _llama, lambda found: found["content"]),
    "llama.vim": Way("/infill", _llama, lambda found: found["content"]),
    "minuet": Way("/v1/completions", _openai, _first),
    "zed": Way("/v1/completions", _written, _first),
    "twinny": Way("/v1/completions", _written, _first),
    "tabby": Way("/v1/completions", _tabby, _first),
}
