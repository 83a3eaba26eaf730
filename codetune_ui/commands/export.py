"""The command that writes an adapter as files for other programs."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from codetune_ui.commands.options import AsJson, EvaluatedRun, HomeDir, RunOption
from codetune_ui.commands.shared import cancelled_or_failed, finish, home_of, live_line
from codetune_ui.core.export import FORMATS, QUANTS, Format, Request
from codetune_ui.runs import exports

Kind = Annotated[str, typer.Option("--format", help=f"One of: {', '.join(FORMATS)}.")]
Place = Annotated[str, typer.Option("--to", metavar="DIR", help="A new folder, or hub:OWNER/NAME.")]
Quant = Annotated[
    str,
    typer.Option(
        help=f"The number format: {', '.join(QUANTS['gguf'])}; merged and gguf-adapter have fewer."
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Export it although it is not shown to be better.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")]
Public = Annotated[
    bool,
    typer.Option("--public", help="Let everybody read the Hub repository; it is private else."),
]


def export(
    name: EvaluatedRun = None,
    run: RunOption = None,
    format: Kind = "adapter",
    to: Place = "",
    quant: Quant = "",
    yes: Yes = False,
    overwrite: Overwrite = False,
    public: Public = False,
    as_json: AsJson = False,
    home: HomeDir = None,
) -> None:
    """Write a run's adapter as files for other programs, opened again and compared."""
    request = Request(
        run=name or run or "",
        format=cast(Format, format),
        to=to,
        quant=quant,
        overwrite=overwrite,
        accepted=yes,
        public=public,
    )
    job, found = exports.export(home_of(home), request, live_line())
    if found is None:
        cancelled_or_failed(job, job.state(), "The export was cancelled; nothing was left behind.")
    finish(found, _told(found), as_json)


def _told(found: dict[str, Any]) -> list[str]:
    sizes = [f"{about['bytes']:>14,}  {name}" for name, about in found["files"].items()]
    return [f"Written to {found.get('url') or found['to']}", *sizes, found["check"]["sentence"]]
