"""The commands that ask the completion server: one hole filled, or a server kept open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codetune_ui.commands.options import (
    AsJson,
    HomeDir,
    Model,
    Neighbours,
    PathInTree,
    RunOption,
)
from codetune_ui.commands.shared import finish, home_of, say
from codetune_ui.core.completion import BASE, adapter_model


def infill(
    prefix_file: Annotated[Path, typer.Option(metavar="P", help="The code before the hole.")],
    suffix_file: Annotated[Path, typer.Option(metavar="S", help="The code after the hole.")],
    run: RunOption = None,
    model: Model = None,
    path: PathInTree = "",
    neighbour: Neighbours = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Fill a hole with the base model and, for a run, with its adapter too."""
    from codetune_ui.runs import infill as server  # loads httpx

    where = home_of(home)
    sides = server.read_text(prefix_file), server.read_text(suffix_file)
    hole = server.Hole(*sides, path, server.read_neighbours(neighbour or []))
    found = server.infill(where, server.served(where, run, model), run, hole, say)
    lines = []
    for who in ("base", "adapter"):
        if answer := found[who]:
            lines += [f"── {who} · {answer['tokens']} tokens in {answer['ms_total']:,.0f} ms"]
            lines += [answer["text"]]
    finish(found, lines, as_json)


def serve(
    run: RunOption = None,
    model: Model = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8012,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Answer completion requests on this machine until Ctrl-C."""
    from codetune_ui.runs import infill as server  # loads httpx

    def tell(url: str, token: str) -> None:
        models = [BASE, *([adapter_model(run)] if run else [])]
        lines = [f"{url}/v1 answers for {', '.join(models)}", f"Token: {token}"]
        finish({"url": url, "token": token, "models": models}, lines, as_json)

    where = home_of(home)
    config = server.served(where, run, model)
    raise typer.Exit(server.serve_in_foreground(where, config, run, port, tell))
