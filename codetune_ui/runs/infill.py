"""The command line's two uses of the completion server: one hole filled, or a server kept open."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune_ui.core.completion import BASE, Chunk, adapter_model
from codetune_ui.core.config import Config
from codetune_ui.core.editors import Access
from codetune_ui.core.errors import ConfigError, MachineError, ModelError, RunError, SourceError
from codetune_ui.core.inputs import local_model
from codetune_ui.core.neighbours import Neighbour
from codetune_ui.runs.client import (
    MODULE,
    CompletionClient,
    ensure_server,
    server_state,
    stop_server,
)
from codetune_ui.runs.paths import with_whole_paths
from codetune_ui.runs.process import run_in_foreground
from codetune_ui.runs.store import Home

POLL_S = 0.1


@dataclass(frozen=True)
class Hole:
    """What is to be filled: the code around it, and as what, and with what, its file is read."""

    prefix: str
    suffix: str
    path: str = ""
    neighbours: tuple[Neighbour, ...] = ()


def infill(
    home: Home, config: Config, run: str | None, hole: Hole, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return what base and adapter write into a hole; a server started for it is ended again.

    Raises `ConfigError` for neighbours that the run was not trained to read.
    """
    if run and hole.neighbours and config.repo_context != "neighbours":
        raise ConfigError(
            f"'{run}' was not trained to read neighbouring files.",
            "Leave --neighbour away, or train with repo_context=neighbours.",
        )
    before = server_state(home)
    if before is None:
        say("Loading the model.")
    client = ensure_server(home, config)
    try:
        # The base is asked in as many tokens as the adapter, or the two could not be compared.
        most = config.neighbour_tokens if run else None
        prompt_tokens, base = _ask(client, BASE, hole, most)
        adapter = _ask(client, adapter_model(run), hole, most)[1] if run else None
    finally:
        if before is None or before.pid != client.state.pid:
            stop_server(home)
    return {"prompt_tokens": prompt_tokens, "base": base, "adapter": adapter}


def _ask(
    client: CompletionClient, model: str, hole: Hole, context_tokens: int | None
) -> tuple[int, dict[str, Any]]:
    asked = client.complete(
        hole.prefix,
        hole.suffix,
        model=model,
        path=hole.path,
        extra=hole.neighbours,
        context_tokens=context_tokens,
    )
    chunks: list[Chunk] = list(asked)
    timings = chunks[-1].timings if chunks else None
    if timings is None:
        raise ModelError("The model server broke off its answer.", "Try again.")
    answer = {
        "text": "".join(chunk.text for chunk in chunks),
        "tokens": timings.tokens,
        "ms_first_token": timings.ms_first_token,
        "ms_total": timings.ms_total,
    }
    return timings.prompt_tokens, answer


def serve_in_foreground(
    home: Home,
    config: Config,
    run: str | None,
    port: int,
    tell: Callable[[Access, list[str]], None],
) -> int:
    """Run a server in this terminal until it ends; call `tell` once it can answer.

    `tell` is given how the server is reached, and the names that can be asked for.

    Returns 0, or 2 when it could not begin and has said why, 1 when it broke down. Raises
    `MachineError` when there is a server already.
    """
    running = server_state(home)
    if running is not None:
        raise MachineError(
            f"A model server answers on port {running.port} already.",
            "Use that one, or free the model in the page's playground first.",
        )
    command = [sys.executable, "-m", MODULE, "--port", str(port), "--home", str(home.path)]
    command += ["--idle-minutes", "0"]  # an editor may be silent for hours
    command += ["--run", run] if run else ["--model", config.base_model]

    def announce(process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            state = server_state(home)
            client = None if state is None else CompletionClient(state)
            if client is not None and (client.health() or {}).get("status") == "ok":
                return tell(access(client, run), client.models())
            time.sleep(POLL_S)
        return None

    code = run_in_foreground(command, home=home.path, meanwhile=announce)
    return {0: 0, 2: 2, 3: 2}.get(code, 1)


def access(client: CompletionClient, run: str | None) -> Access:
    """Return how an editor reaches a server, for a run's adapter or the base."""
    state = client.state
    model = adapter_model(run) if run else BASE
    url = f"http://127.0.0.1:{state.port}"
    return Access(url, state.token, model, client.family(model))


def served(home: Home, run: str | None, model: str | None) -> Config:
    """Return the settings of what is to answer: a run's base and adapter, or a model alone."""
    if (run is None) == (model is None):
        raise ConfigError("Say what shall answer.", "Give either --run RUN or --model M.")
    if run is None:
        config = with_whole_paths(Config.from_dict({"base_model": model}))
        local_model(config)
        return config
    found = home.run(run)
    if not found.adapter_dir.is_dir():
        raise RunError(f"'{run}' has no adapter yet.", "Train it to its end, or stop and save it.")
    return found.config()


def read_neighbours(files: Sequence[Path]) -> tuple[Neighbour, ...]:
    """Return files with their texts, named from this folder on: as one names them at its root."""
    return tuple(Neighbour(_name(path), read_text(path)) for path in files)


def _name(path: Path) -> str:
    whole = path.resolve()
    here = Path.cwd()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.name


def read_text(path: Path) -> str:
    """Return a file as it is, CRLF and all; raise `SourceError` when it is no text."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        raise SourceError(f"The file '{path}' cannot be read as text.", "Check it.") from error
