"""The commands that ask the completion server: one hole filled, or a server kept open."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
from codetune_ui.core.editors import EDITORS, Access, snippet


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
    editor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Show how to set one up: {', '.join(EDITORS)}."),
    ] = None,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Answer completion requests on this machine until Ctrl-C."""
    from codetune_ui.runs import infill as server  # loads httpx

    if editor is not None:
        snippet(editor, Access("", "", ""))  # a wrong name is told before a model is loaded

    def tell(access: Access, models: list[str]) -> None:
        found: dict[str, Any] = {"url": access.url, "token": access.token, "models": models}
        lines = [f"{access.url}/v1 answers for {', '.join(models)}", f"Token: {access.token}"]
        if editor is not None:
            words = snippet(editor, access)
            found["editor"] = asdict(words)
            lines += ["", f"{words.title}: {words.place}", "", words.text.rstrip(), words.note]
        finish(found, lines, as_json)

    where = home_of(home)
    config = server.served(where, run, model)
    raise typer.Exit(server.serve_in_foreground(where, config, run, port, tell))
