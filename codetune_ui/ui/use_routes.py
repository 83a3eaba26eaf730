"""The routes of the Use tab; what changes something is a POST, and every name is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.export import Format, Request
from codetune_ui.runs.process import stop_in_background
from codetune_ui.ui import use_editors
from codetune_ui.ui.use_live import Exports
from codetune_ui.ui.use_serving import Serving
from codetune_ui.ui.use_view import page_words

CANCEL_S = 20.0  # a worker that merges weights does not hear at once


class Wanted(BaseModel):
    """What the page sends to start an export; `accepted` and `replace` answer its questions."""

    run: str
    format: Format
    quant: str = ""
    to: str = Field("", max_length=4000)
    accepted: bool = False
    replace: bool = False

    def request(self) -> Request:
        """Return what is asked of the worker."""
        return Request(
            run=self.run,
            format=self.format,
            quant=self.quant,
            to=self.to.strip(),
            accepted=self.accepted,
            overwrite=self.replace,
        )


class Chosen(BaseModel):
    """What the page sends about the server: which run, and which editor."""

    run: str
    editor: str = ""


def routes(known: Exports, serving: Serving) -> APIRouter:
    """Return the routes below /ct-api/use."""
    api = APIRouter(prefix="/ct-api/use")
    _serve(api, serving)

    @api.get("/runs")
    def runs() -> dict[str, Any]:
        return {"runs": known.runs()}

    @api.get("/exports")
    def state(run: str = "", format: Format = "adapter", quant: str = "") -> dict[str, Any]:
        return known.state(run, format, quant)

    @api.post("/exports")
    def start(wanted: Wanted) -> dict[str, str]:
        return done(lambda: known.start(wanted.request()))

    @api.post("/exports/{name}/cancel")
    def cancel(name: str) -> dict[str, str]:
        def end() -> dict[str, str]:
            job = known.home.export(name)
            if job.alive():
                stop_in_background(job, patience_s=CANCEL_S)
            return {"made": job.name}

        return done(end)

    return api


def _serve(api: APIRouter, serving: Serving) -> None:
    @api.get("/server")
    def state(run: str = "") -> dict[str, Any]:
        return serving.state(run)

    @api.post("/server")
    def start(chosen: Chosen) -> dict[str, str]:
        def begin() -> dict[str, str]:
            serving.start(chosen.run)
            return {"made": chosen.run}

        return done(begin)

    @api.post("/server/stop")
    def stop() -> dict[str, str]:
        def end() -> dict[str, str]:
            serving.stop()
            return {}

        return done(end)

    @api.get("/server/snippet")
    def snippet(run: str, editor: str) -> dict[str, Any]:
        try:
            return {"error": "", **serving.snippet(run, editor)}
        except CodeTuneError as error:
            return {"error": str(error)}

    @api.post("/server/try")
    def try_as(chosen: Chosen) -> dict[str, str]:
        try:
            return serving.try_as(chosen.run, chosen.editor)
        except CodeTuneError as error:
            return {"html": use_editors.refused(str(error))}


def done(deed: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Do it; `error` is the sentence to show when it cannot be done, else ""."""
    try:
        return {"error": "", **deed()}
    except CodeTuneError as error:
        return {"error": page_words(str(error))}
