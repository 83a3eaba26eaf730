"""The routes of the Use tab; what changes something is a POST, and every name is checked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.export import Format, Request
from codetune_ui.ui import use_editors
from codetune_ui.ui.told import cancel, told
from codetune_ui.ui.use_live import Exports
from codetune_ui.ui.use_serving import Serving


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
        return told(lambda: known.start(wanted.request()))

    @api.post("/exports/{name}/cancel")
    def end(name: str) -> dict[str, str]:
        return told(lambda: cancel(known.home.export(name)))

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

        return told(begin)

    @api.post("/server/stop")
    def stop() -> dict[str, str]:
        def end() -> dict[str, str]:
            serving.stop()
            return {}

        return told(end)

    @api.get("/server/snippet")
    def snippet(run: str, editor: str) -> dict[str, Any]:
        return told(lambda: serving.snippet(run, editor))

    @api.post("/server/try")
    def try_as(chosen: Chosen) -> dict[str, str]:
        try:
            return serving.try_as(chosen.run, chosen.editor)
        except CodeTuneError as error:
            return {"html": use_editors.refused(str(error))}
