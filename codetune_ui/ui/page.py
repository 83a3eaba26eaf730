"""The page: our own web application with Gradio mounted in it, and its start."""

from __future__ import annotations

import errno
import os
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from codetune_ui.core.assets import ASSETS
from codetune_ui.core.config import DEMO
from codetune_ui.core.errors import MachineError
from codetune_ui.core.models import KNOWN_MODELS
from codetune_ui.runs.private import close_in_background
from codetune_ui.runs.queue import wake_now_and_then
from codetune_ui.runs.store import Home
from codetune_ui.runs.warm import warm_up
from codetune_ui.ui import (
    data_tab,
    evaluate_live,
    evaluate_routes,
    evaluate_tab,
    fim_tab,
    live,
    play_tab,
    runs_tab,
    train_tab,
    use_live,
    use_routes,
    use_serving,
    use_tab,
)
from codetune_ui.ui.context import QUIET, PageContext, attach, fragment
from codetune_ui.ui.form import ConfigForm, recall
from codetune_ui.ui.guards import LOOPBACK, add_guards, answer_plainly
from codetune_ui.ui.theme import theme

TABS: dict[str, tuple[str, Callable[[PageContext], None]]] = {
    "data": ("Model & Data", data_tab.build),
    "fim": ("FIM Preview", fim_tab.build),
    "train": ("Train", train_tab.build),
    "play": ("Playground", play_tab.build),
    "eval": ("Evaluate", evaluate_tab.build),
    "use": ("Use", use_tab.build),
    "runs": ("Runs", runs_tab.build),
}
BRAND = f"""
<div class="brand">{(ASSETS / "icon.svg").read_text(encoding="utf-8")}
<div><b>CodeTune</b><span>local FIM fine-tuning</span></div></div>"""
RAIL = """
<div class="rail">
<button class="cmdk" data-cmdk><span>Search or run…</span><kbd>Ctrl K</kbd></button>
<button class="runcard" aria-label="Open the run on Train">
  <span class="rc-h"><i class="dot"></i><b class="rc-name">No run yet</b>
    <span class="rc-state"></span></span>
  <span class="bar"><i></i></span>
  <span class="rc-m"><span class="rc-step"></span><span class="rc-eta"></span></span>
  <svg class="rc-spark" viewBox="0 0 180 34" preserveAspectRatio="none" aria-hidden="true">
    <path/></svg>
</button>
<div class="rail-f"><span class="gpu"></span>
<button class="theme" title="Toggle dark mode (D)" aria-label="Toggle dark mode"></button></div>
</div>"""
MOST_UPLOAD = "2gb"
IDLE_S = 0.02  # Gradio's queue looks for work every 1 ms otherwise: 3 % of a core for nothing


def serve(
    home: Home,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    open_browser: bool = True,
) -> None:
    """Answer on host:port until the process is ended; raise `MachineError` if that cannot be."""
    if host not in LOOPBACK and auth is None:
        raise MachineError(
            f"Others could reach the page on {host}, and it has no password.",
            "Add --auth NAME:PASSWORD, or leave --host away.",
        )
    listener = _listen(host, port)
    config = uvicorn.Config(
        build(home, host=host, port=port, auth=auth),
        log_level="warning",
        timeout_graceful_shutdown=1,  # an open stream would hold up the end otherwise
    )
    if open_browser:
        shown = "127.0.0.1" if host == "0.0.0.0" else host
        threading.Timer(1.0, webbrowser.open, [f"http://{shown}:{port}"]).start()
    close_in_background(home)
    warm_up(home)
    wake_now_and_then(home)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is built, so that a taken one is one sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere this option lets two programs have one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", -1)):
            message = f"Port {port} is taken by another program."
        else:
            message = f"{host}:{port} cannot be opened: {error.strerror or error}."
        raise MachineError(message, f"Try --port {port + 1}.") from error
    return listener


def build(
    home: Home,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
) -> FastAPI:
    """Return the whole application, ready to be served."""
    # Where Gradio puts what a browser sends, for a day; what is kept is copied to home.uploads_dir.
    os.environ["GRADIO_TEMP_DIR"] = str(home.path / "tmp")
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_guards(api, host, auth, home.path / "tmp")
    for folder in ("css", "js", "fonts"):
        api.mount(f"/ct/{folder}", StaticFiles(directory=ASSETS / folder))
    api.include_router(live.routes(live.Live(home)))
    api.include_router(evaluate_routes.routes(evaluate_live.Evaluations(home)))
    api.include_router(use_routes.routes(use_live.Exports(home), use_serving.Serving(home)))
    demo = build_blocks(home)
    gr.mount_gradio_app(
        api,
        demo,
        path="/",
        server_name=host,
        server_port=port,
        theme=theme(),
        head=head(),
        favicon_path=str(ASSETS / "icon.svg"),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        allowed_paths=[],
        max_file_size=MOST_UPLOAD,
        show_error=True,
    )
    answer_plainly(api)
    return api


def build_blocks(home: Home) -> gr.Blocks:
    """Return the Gradio part: the rail and the tabs."""
    with gr.Blocks(
        title="CodeTune UI",
        fill_height=True,
        fill_width=True,
        analytics_enabled=False,
        delete_cache=(3600, 86400),  # seconds: look every hour, drop what is a day old
    ) as demo:
        current_scan = gr.Textbox(visible="hidden", elem_id="current-scan")
        current_run = gr.Textbox(visible="hidden", elem_id="current-run")
        models = [(model.label, model.id) for model in KNOWN_MODELS]
        form = ConfigForm(
            {
                "base_model": [("Demo model (embedded)", DEMO), *models],
                "data_column": [("content", "content")],  # a scan of a Hub dataset tells more
                "data_config": [("", "")],
            }
        )
        fragment(BRAND, elem_id="brand")
        filled = demo.load(lambda: form.fill(recall(home)), None, form.blocks, **QUIET)
        with gr.Tabs(elem_id="nav", overflow_behavior="wrap") as tabs:
            page = PageContext(home, form, current_scan, current_run, demo, tabs, filled)
            for name, (label, build_tab) in TABS.items():
                with gr.Tab(label, id=name, elem_id=f"t-{name}"):
                    build_tab(page)
        fragment(RAIL, elem_id="rail", js_on_load=attach("rail"))
        page.on_load(lambda: _latest_scan(home), None, current_scan)
    if hasattr(demo, "_queue"):
        demo._queue.sleep_when_free = IDLE_S
    return demo


def _latest_scan(home: Home) -> str:
    scan = home.latest_scan()
    return scan.name if scan else ""


def head() -> str:
    """Return what goes into <head>: our styles and scripts, from this machine only.

    By link and not by Gradio's `css`, which rewrites selectors. base.css and app.js come first.
    """
    parts = [
        '<meta name="theme-color" content="#0c0e12">',
        *(f'<link rel="stylesheet" href="/ct/css/{name}">' for name in _files("css", "base.css")),
        '<script src="/ct/js/vendor/plotly-basic.min.js" defer></script>',
        *(f'<script src="/ct/js/{name}" defer></script>' for name in _files("js", "app.js")),
    ]
    return "\n".join(parts)


def _files(kind: str, first: str) -> list[str]:
    found = sorted(path.name for path in Path(ASSETS / kind).glob(f"*.{kind}"))
    return sorted(found, key=lambda name: name != first)
