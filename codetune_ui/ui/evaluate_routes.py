"""The routes of the Evaluate tab; what changes something is a POST, and every name is checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.evaluation import HOLES, Request
from codetune_ui.core.holes import parse_kinds
from codetune_ui.core.own_holes import own_hole, part
from codetune_ui.runs import evaluations, own_holes
from codetune_ui.runs.process import stop_in_background
from codetune_ui.ui import evaluate_lists
from codetune_ui.ui.evaluate_live import PAGE, Evaluations

CANCEL_S = 20.0  # a worker that loads a model does not hear at once
SAFE = {  # the report has a script of its own; here it could use this page's routes
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; style-src "
    "'unsafe-inline'; script-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class Wanted(BaseModel):
    """What the page sends to start an evaluation."""

    run: str
    holes: int = Field(HOLES, ge=1, le=10_000)
    seed: int = Field(0, ge=0)
    kinds: str = ""
    holes_of: str = ""


class Pasted(BaseModel):
    """What the page sends to keep a hole: code with one marked piece."""

    text: str
    path: str = ""


def routes(known: Evaluations) -> APIRouter:
    """Return the routes below /ct-api/evaluations."""
    api = APIRouter(prefix="/ct-api/evaluations")
    home = known.home

    @api.get("")
    def state(run: str = "", shown: str = "", ticked: str = "") -> dict[str, Any]:
        return known.state(run, shown, [name for name in ticked.split(",") if name])

    @api.post("")
    def start(wanted: Wanted) -> dict[str, str]:
        def begin() -> str:
            request = Request(
                run=wanted.run,
                holes=wanted.holes,
                seed=wanted.seed,
                kinds=parse_kinds(wanted.kinds),
                holes_of=wanted.holes_of,
            )
            return evaluations.start(home, request).name

        return _done(begin)

    @api.post("/{name}/cancel")
    def cancel(name: str) -> dict[str, str]:
        def end() -> str:
            job = home.evaluation(name)
            if job.alive():
                stop_in_background(job, patience_s=CANCEL_S)
            return job.name

        return _done(end)

    @api.get("/own")
    def own() -> dict[str, Any]:
        return {"html": evaluate_lists.own_list(own_holes.own_holes(home))}

    @api.post("/own")
    def keep(pasted: Pasted) -> dict[str, str]:
        def add() -> str:
            prefix, middle, suffix = part(pasted.text)
            one = own_hole(prefix, middle, suffix, path=pasted.path, created=time.time())
            return one.id if own_holes.keep(home, one) else ""

        return _done(add)

    @api.post("/own/{own_id}/remove")
    def remove(own_id: str) -> dict[str, str]:
        own_holes.remove(home, own_id)
        return {"error": "", "made": own_id}

    @api.get("/compare")
    def compare(of: str) -> dict[str, Any]:
        references = [name for name in of.split(",") if name]
        if len(references) < 2:
            return {"html": ""}
        return _shown(lambda: {"html": known.compare(references)})

    @api.get("/{run}/{name}")
    def result(run: str, name: str) -> dict[str, Any]:
        return _shown(lambda: known.result(f"{run}/{name}"))

    @api.get("/{run}/{name}/holes")
    def holes(
        run: str, name: str, by: str = "", kind: str = "", sort: str = "", most: int = PAGE
    ) -> dict[str, Any]:
        return _shown(lambda: known.holes(f"{run}/{name}", by, kind, sort, most))

    @api.get("/{run}/{name}/holes/{place}")
    def around(run: str, name: str, place: int) -> dict[str, Any]:
        return _shown(lambda: {"html": known.around(f"{run}/{name}", place)})

    @api.get("/{run}/{name}/report.{kind}")
    def report(run: str, name: str, kind: Literal["json", "html"]) -> FileResponse:
        try:
            path = known.files(f"{run}/{name}", kind)
        except CodeTuneError as error:
            raise HTTPException(404, error.message) from None
        if not path.is_file():
            raise HTTPException(404, "There is no such report.")
        return FileResponse(path, filename=f"{run}-{name}.{kind}", headers=SAFE)

    return api


def _done(deed: Callable[[], str]) -> dict[str, str]:
    """Do it; `error` is the sentence to show when it cannot be done, else ""."""
    try:
        return {"error": "", "made": deed()}
    except CodeTuneError as error:
        return {"error": str(error), "made": ""}


def _shown(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Look; `error` as in `_done`: a browser would report a status of 4xx on its console."""
    try:
        return {"error": "", **look()}
    except CodeTuneError as error:
        return {"error": str(error), "html": ""}
