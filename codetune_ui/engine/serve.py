"""The completion server: one resident base, its adapters by name, over loopback HTTP.

`python -m codetune_ui.engine.serve --model M [--run RUN] [--port P] [--home DIR]`. It holds
HOME/server/lock for its whole life and says in HOME/server/server.json how to reach it. When it
cannot serve, its one sentence is in HOME/server/error.json. HOME/server/token may be deleted: the
next server makes a new one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from codetune_ui.core.config import Config
from codetune_ui.core.errors import CodeTuneError, MachineError
from codetune_ui.core.families import find_format
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.desk import Desk
from codetune_ui.engine.routes import build_app
from codetune_ui.engine.seat import calm, take_first_card
from codetune_ui.runs.client import SERVED
from codetune_ui.runs.files import replace_json, replace_text
from codetune_ui.runs.lease import PLAYGROUND, acquire
from codetune_ui.runs.lock import LockHeldError, hold
from codetune_ui.runs.store import Home

HOST = "127.0.0.1"
IDLE_MINUTES = 30.0
WATCH_S = 1.0
TOKEN_SIGNS = 32


def main(arguments: Sequence[str]) -> int:
    """Serve until told to end; return 0, or 2 when it could not begin or load, 1 unexpected."""
    given = _parse(arguments)
    os.umask(0o077)  # the token is for this person alone
    calm(os.environ)
    home = Home(given.home.expanduser().resolve()) if given.home else Home.current()
    server_dir = home.server_dir
    server_dir.mkdir(parents=True, exist_ok=True)
    try:
        with hold(server_dir / "lock"):
            (server_dir / "error.json").unlink(missing_ok=True)
            (server_dir / "server.json").unlink(missing_ok=True)
            return _serve(home, given)
    except LockHeldError:
        sys.stderr.write("Another completion server is running.\n")
        return 3


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="codetune_ui.engine.serve")
    parser.add_argument("--model", default="", help="a folder or a Hub id")
    parser.add_argument("--run", default="", help="load this run's adapter at once")
    parser.add_argument("--revision", default="")
    parser.add_argument("--family", default="auto")
    parser.add_argument("--left-to-right", action="store_true")
    parser.add_argument("--allow-code", default="")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--idle-minutes", type=float, default=IDLE_MINUTES, help="0 is never")
    return parser.parse_args(arguments)


def _serve(home: Home, given: argparse.Namespace) -> int:
    life: Life | None = None
    try:
        config = _config(home, given)
        if given.run:
            take_first_card(home.run(given.run).config(), os.environ)
        with _listen(given.port) as listener, contextlib.ExitStack() as held:
            life = Life(home, config, given.run, listener, given.idle_minutes * 60, held)
            life.run()
    except CodeTuneError as error:
        _report(home, error)
        return 2
    finally:
        (home.server_dir / "server.json").unlink(missing_ok=True)
    return life.code


def _config(home: Home, given: argparse.Namespace) -> Config:
    if given.run and not given.model:
        return home.run(given.run).config()
    return Config.from_dict(
        {
            "base_model": given.model or Config().base_model,
            "revision": given.revision,
            "family": given.family,
            "left_to_right": given.left_to_right,
            "allow_code": given.allow_code,
        }
    )


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise MachineError(f"Port {port} is taken.", "Choose another one with --port.") from error


def _token(home: Home) -> str:
    """Return a home's token, made once: it stands in the settings of a person's editors."""
    path = home.server_dir / "token"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        kept = path.read_text(encoding="ascii").strip()
        if len(kept) >= TOKEN_SIGNS:
            return kept
    made = secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, made)
    return made


def _report(home: Home, error: CodeTuneError) -> None:
    sys.stderr.write(f"{error}\n")
    note = {"pid": os.getpid(), "message": error.message, "hint": error.hint}
    replace_json(home.server_dir / "error.json", note)


@dataclass
class Life:
    """One serving process from its first listening to its end."""

    home: Home
    config: Config
    run_name: str
    listener: socket.socket
    idle_s: float
    held: contextlib.ExitStack
    code: int = 0
    token: str = field(init=False)

    def __post_init__(self) -> None:
        self.token = _token(self.home)
        self.port = int(self.listener.getsockname()[1])
        self.desk = Desk(self.home, self.config)
        app = build_app(self.desk, self.token, self.port)
        self.server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        )

    def run(self) -> None:
        """Listen, load, answer; come back when a signal, idleness or a failed load ends it."""
        replace_json(
            self.home.server_dir / "server.json",
            {
                "port": self.port,
                "pid": os.getpid(),
                "token": self.token,
                "started": time.time(),
                **{name: getattr(self.config, name) for name in SERVED},
            },
        )
        threading.Thread(target=self._load, daemon=True, name="load").start()
        threading.Thread(target=self._watch, daemon=True, name="watch").start()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._leave)
        self.server.run(sockets=[self.listener])
        self.desk.close()

    def _leave(self, *_: object) -> None:
        # uvicorn has its own handlers while it runs, and raises the signal again when it is done:
        # without this one the process would die there, its files not put away.
        self.server.should_exit = True

    def _load(self) -> None:
        try:
            self._load_model()
        except CodeTuneError as error:
            self._give_up(error, 2)
        except Exception as error:  # noqa: BLE001 - a thread's surprise must not leave it loading
            traceback.print_exc()
            words = (str(error).strip().splitlines() or [type(error).__name__])[0]
            sentence = f"The model could not be loaded: {words}"
            self._give_up(MachineError(sentence, "See the server's log."), 1)

    def _load_model(self) -> None:
        from codetune_ui.engine.hub import resolve_model

        folder = resolve_model(self.config)
        # What is wrong with the tokenizer is told now, not after ten seconds of imports.
        find_format(CodeTokenizer.from_folder(folder), folder, self.config)

        from codetune_ui.engine.generate import Completer
        from codetune_ui.engine.hardware import find_hardware

        if find_hardware().device == "cuda":
            self.held.enter_context(acquire(self.home, PLAYGROUND, "answering"))
        self.desk.open(Completer.load(self.config, folder))
        if self.run_name:
            self.desk.prepare(self.run_name)

    def _give_up(self, error: CodeTuneError, code: int) -> None:
        self.code = code
        _report(self.home, error)
        self.server.should_exit = True

    def _watch(self) -> None:
        """End when nobody has asked for long; a model in memory is not free."""
        while not self.server.should_exit:
            time.sleep(WATCH_S)
            if self.idle_s and self.desk.idle_s() > self.idle_s:
                self.server.should_exit = True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
