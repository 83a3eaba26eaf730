"""The completion server from outside: start it, ask it, stop it. Loads no torch."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from codetune_ui.core.completion import BASE, Chunk, Finish, Timings
from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, MachineError, ModelError
from codetune_ui.core.neighbours import Neighbour
from codetune_ui.runs.files import read_json
from codetune_ui.runs.lock import is_held
from codetune_ui.runs.process import spawn
from codetune_ui.runs.store import Home

LOAD_S = 600.0  # a large base from a slow disk
POLL_S = 0.1
END_S = 5.0
MODULE = "codetune_ui.engine.serve"
SERVED = ("base_model", "revision", "family", "left_to_right", "allow_code")
"""The settings that decide what a server holds and how it is asked."""

Start = Callable[[Home, Config], "subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class ServerState:
    """A completion server that lives, and what it serves."""

    port: int
    pid: int
    token: str
    base_model: str
    revision: str
    family: str
    left_to_right: bool
    started: float
    allow_code: str = ""

    def serves(self, config: Config) -> bool:
        """Say whether it answers for the base of these settings, in their FIM format."""
        return all(getattr(self, name) == getattr(config, name) for name in SERVED)


def server_state(home: Home) -> ServerState | None:
    """Return the living server of a home; None while there is none, or not yet."""
    if not is_held(home.server_dir / "lock"):
        return None
    note = read_json(home.server_dir / "server.json")
    return None if note is None else ServerState(**note)


class CompletionClient:
    """A way to one completion server."""

    def __init__(self, state: ServerState) -> None:
        self.state = state
        self._url = f"http://127.0.0.1:{state.port}"
        self._headers = {"Authorization": f"Bearer {state.token}"}

    def health(self) -> dict[str, Any] | None:
        """Return what the server says of itself; None when it does not answer."""
        try:
            with self._http(5.0) as http:
                found: dict[str, Any] = http.get("/health").json()
        except (httpx.HTTPError, ValueError):
            return None
        return found

    def models(self) -> list[str]:
        """Return the names that can be asked for; raise `MachineError` when nobody answers."""
        try:
            with self._http(5.0) as http:
                found = http.get("/v1/models").json()
        except (httpx.HTTPError, ValueError) as error:
            raise MachineError("The model server went away while it was asked.") from error
        return [str(row["id"]) for row in found["data"]]

    def requests(self) -> list[dict[str, Any]]:
        """Return what editors asked last, the newest first; raise `MachineError` likewise."""
        try:
            with self._http(5.0) as http:
                found: list[dict[str, Any]] = http.get("/codetune/requests").json()["requests"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise MachineError("The model server went away while it was asked.") from error
        return found

    def family(self, model: str) -> str:
        """Return the name of a model's FIM family, "" when it was trained left to right."""
        try:
            with self._http(5.0) as http:
                found = http.post("/api/show", json={"model": model}).json()["details"]["family"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise MachineError("The model server went away while it was asked.") from error
        return "" if found == "plain" else str(found)

    def complete(
        self,
        prefix: str,
        suffix: str | None,
        *,
        model: str = BASE,
        max_tokens: int = 128,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        path: str = "",
        extra: Sequence[Neighbour] = (),
        context_tokens: int | None = None,
    ) -> Generator[Chunk, None, None]:
        """Yield the text between prefix and suffix as it is written; closing cancels it.

        The last chunk has the timings. Raises `CodeTuneError` with the server's own sentence.
        """
        asked = {
            "model": model,
            "prompt": prefix,
            "suffix": suffix,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stop": list(stop),
            "path": path,
            "input_extra": [{"filename": file.path, "text": file.text} for file in extra],
            "context_tokens": context_tokens,
            "stream": True,
            "keep_repeats": True,  # what the model writes is looked at, so all of it is wanted
        }
        try:
            with (
                self._http(None) as http,
                http.stream("POST", "/v1/completions", json=asked) as reply,
            ):
                if reply.status_code != httpx.codes.OK:
                    raise _refused(reply)
                yield from _chunks(reply)
        except httpx.HTTPError as error:
            raise MachineError(
                "The model server went away while it was asked.", "Try again; it is started anew."
            ) from error

    def _http(self, read_s: float | None) -> httpx.Client:
        # The machine's own address: what the environment says about proxies is not for us.
        timeout = httpx.Timeout(5.0, read=read_s)
        return httpx.Client(
            base_url=self._url, headers=self._headers, timeout=timeout, trust_env=False
        )


def ensure_server(
    home: Home, config: Config, *, wait_s: float = LOAD_S, start: Start | None = None
) -> CompletionClient:
    """Return a client of a server that is ready to answer for the base of these settings.

    Starts one, with `start`, if there is none, in place of one with another base. Raises
    `CodeTuneError` with the server's own sentence when it cannot serve.
    """
    process: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        state = server_state(home)
        if state is not None and not state.serves(config):
            stop_server(home)
        elif state is not None:
            client = CompletionClient(state)
            if (client.health() or {}).get("status") == "ok":
                return client
        elif process is None:
            process = (start or start_server)(home, config)
        if process is not None and process.poll() is not None and server_state(home) is None:
            if is_held(home.server_dir / "lock"):
                process = None  # another start won; its server is on the way
            else:
                raise _failure(home, process.pid)
        time.sleep(POLL_S)
    raise MachineError(
        f"The model server was not ready after {wait_s:.0f} s.", f"See {_log_path(home)}."
    )


def start_server(home: Home, config: Config) -> subprocess.Popen[bytes]:
    """Start a server in the background; `ensure_server` also waits for it."""
    home.server_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", MODULE, "--model", config.base_model]
    command += ["--revision", config.revision, "--family", config.family]
    command += ["--left-to-right"] if config.left_to_right else []
    command += ["--allow-code", config.allow_code]
    command += ["--home", str(home.path)]
    return spawn(command, log_path=_log_path(home), home=home.path)


def stop_server(home: Home) -> None:
    """End the server of a home and wait until it is gone; nothing happens when there is none."""
    deadline = time.monotonic() + END_S
    while is_held(home.server_dir / "lock"):
        process = _process(home)
        if process is not None:
            _end(process, deadline)
            return
        if time.monotonic() > deadline:
            raise MachineError("The model server does not end.", "End it by hand.")
        time.sleep(POLL_S)


def _end(process: psutil.Process, deadline: float) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(END_S)


def _process(home: Home) -> psutil.Process | None:
    """Return the server's process, when it is surely ours."""
    state = server_state(home)
    try:
        process = None if state is None else psutil.Process(state.pid)
        return process if process is not None and MODULE in process.cmdline() else None
    except psutil.Error:
        return None


def _chunks(reply: httpx.Response) -> Iterator[Chunk]:
    for line in reply.iter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        found = json.loads(line[6:])
        if "error" in found:
            raise ModelError(found["error"]["message"])
        yield _chunk(found)


def _chunk(found: dict[str, Any]) -> Chunk:
    choice = found["choices"][0]
    given = found.get("timings")
    timings = None if given is None else Timings(**given)
    tokens = 0 if timings is None else timings.tokens
    finish: Finish = choice["finish_reason"] or ""
    return Chunk(choice["text"], tokens, finish, timings, found.get("mode"))


def _refused(reply: httpx.Response) -> CodeTuneError:
    reply.read()
    try:
        sentence = str(reply.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        sentence = f"The model server refused with {reply.status_code}."
    kind = MachineError if reply.status_code >= 500 else ModelError
    return kind(sentence)


def _failure(home: Home, pid: int) -> CodeTuneError:
    note = read_json(home.server_dir / "error.json") or {}
    if note.get("pid") == pid:
        return ModelError(str(note.get("message")), str(note.get("hint", "")))
    return MachineError("The model server ended before it was ready.", f"See {_log_path(home)}.")


def _log_path(home: Home) -> Path:
    return home.server_dir / "server.log"
