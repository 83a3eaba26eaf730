"""The routes of the Evaluate tab; what changes something is a POST, and every name is checked."""

from __future__ import annotations

import time
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.evaluation import HOLES, Request
from codetune_ui.core.holes import parse_kinds
from codetune_ui.core.own_holes import own_hole, part
from codetune_ui.runs import evaluations, own_holes
from codetune_ui.runs.store import Home
from codetune_ui.ui import evaluate_lists
from codetune_ui.ui.evaluate_live import PAGE, Evaluations
from codetune_ui.ui.told import cancel, told

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

    def request(self) -> Request:
        """Return what is asked of the worker; `ConfigError` for a kind that is none."""
        return Request(
            run=self.run,
            holes=self.holes,
            seed=self.seed,
            kinds=parse_kinds(self.kinds),
            holes_of=self.holes_of,
        )


class Pasted(BaseModel):
    """What the page sends to keep a hole: code with one marked piece."""

    text: str
    path: str = ""


def routes(known: Evaluations) -> APIRouter:
    """Return the routes below /ct-api/evaluations."""
    api = APIRouter(prefix="/ct-api/evaluations")
    _jobs(api, known)
    _own(api, known.home)
    _results(api, known)
    return api


def _jobs(api: APIRouter, known: Evaluations) -> None:
    @api.get("")
    def state(run: str = "", shown: str = "", ticked: str = "") -> dict[str, Any]:
        return known.state(run, shown, [name for name in ticked.split(",") if name])

    @api.post("")
    def start(wanted: Wanted) -> dict[str, Any]:
        return told(lambda: {"made": evaluations.start(known.home, wanted.request()).name})

    @api.post("/{name}/cancel")
    def end(name: str) -> dict[str, Any]:
        return told(lambda: cancel(known.home.evaluation(name)))


def _own(api: APIRouter, home: Home) -> None:
    @api.get("/own")
    def own() -> dict[str, Any]:
        return {"html": evaluate_lists.own_list(own_holes.own_holes(home))}

    @api.post("/own")
    def keep(pasted: Pasted) -> dict[str, Any]:
        def add() -> dict[str, str]:
            one = own_hole(*part(pasted.text), path=pasted.path, created=time.time())
            return {"made": one.id if own_holes.keep(home, one) else ""}

        return told(add)

    @api.post("/own/{own_id}/remove")
    def remove(own_id: str) -> dict[str, str]:
        own_holes.remove(home, own_id)
        return {"error": "", "made": own_id}


def _results(api: APIRouter, known: Evaluations) -> None:
    @api.get("/compare")
    def compare(of: str) -> dict[str, Any]:
        references = [name for name in of.split(",") if name]
        if len(references) < 2:
            return {"html": ""}
        return told(lambda: {"html": known.compare(references)})

    @api.get("/{run}/{name}")
    def result(run: str, name: str) -> dict[str, Any]:
        return told(lambda: known.result(f"{run}/{name}"))

    @api.get("/{run}/{name}/holes")
    def holes(
        run: str, name: str, by: str = "", kind: str = "", sort: str = "", most: int = PAGE
    ) -> dict[str, Any]:
        return told(lambda: known.holes(f"{run}/{name}", by, kind, sort, most))

    @api.get("/{run}/{name}/holes/{place}")
    def around(run: str, name: str, place: int) -> dict[str, Any]:
        return told(lambda: {"html": known.around(f"{run}/{name}", place)})

    @api.get("/{run}/{name}/report.{kind}")
    def report(run: str, name: str, kind: Literal["json", "html"]) -> FileResponse:
        try:
            path = known.files(f"{run}/{name}", kind)
        except CodeTuneError as error:
            raise HTTPException(404, error.message) from None
        if not path.is_file():
            raise HTTPException(404, "There is no such report.")
        return FileResponse(path, filename=f"{run}-{name}.{kind}", headers=SAFE)
