"""The routes of the Use tab; what changes something is a POST, and every name is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from codetune_ui.core.errors import CodeTuneError
from codetune_ui.core.export import Format, Request
from codetune_ui.runs.process import stop_in_background
from codetune_ui.ui.use_live import Exports
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


def routes(known: Exports) -> APIRouter:
    """Return the routes below /ct-api/use."""
    api = APIRouter(prefix="/ct-api/use")

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


def done(deed: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Do it; `error` is the sentence to show when it cannot be done, else ""."""
    try:
        return {"error": "", **deed()}
    except CodeTuneError as error:
        return {"error": page_words(str(error))}
