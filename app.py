"""The command line of CodeTune UI; without a sub-command it opens the page.

Every sub-command takes --json: progress goes to stderr, and the last line of stdout is one JSON
object. Exit status: 0 done, 1 the job failed, 2 the input was refused.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from codetune_ui.commands import benchmark, completions, jobs, proof, queue
from codetune_ui.commands.export import export
from codetune_ui.commands.options import HomeDir
from codetune_ui.commands.prepare import prepare
from codetune_ui.commands.shared import home_of, say
from codetune_ui.core.errors import CodeTuneError, ConfigError, MachineError
from codetune_ui.runs import doctor as machine
from codetune_ui.runs.private import keep_private

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PLAIN_HTTP = (
    "This is plain HTTP: whoever can listen on the network reads the password and your code. "
    "Use it on a network you trust, or through ssh -L or a proxy with TLS."
)
COMMANDS = (
    *(
        jobs.scan,
        jobs.preview,
        prepare,
        jobs.train,
        jobs.resume,
        jobs.stop,
        jobs.runs,
        queue.queue,
        jobs.doctor,
    ),
    *(completions.infill, completions.serve),
    *(proof.evaluate, proof.compare, benchmark.benchmark, export),
)


class Refusing(TyperGroup):
    """Says the app's own errors in one sentence on stderr, and exits with 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run a sub-command."""
        try:
            return super().invoke(ctx)
        except CodeTuneError as error:
            say(str(error))
            raise typer.Exit(2) from None


cli = typer.Typer(
    cls=Refusing,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# --- the page


@cli.callback(invoke_without_command=True)
def page(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to answer on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.", min=1, max=65535)] = machine.PAGE_PORT,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="USER:PASSWORD",
            envvar="CODETUNE_AUTH",
            help="Let in only who knows it. USER alone: the password is asked for.",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    home: HomeDir = None,
) -> None:
    """Teach a code model your own code, on this machine. Without a command: open the page."""
    where = home_of(home)
    if ctx.invoked_subcommand is not None:
        return
    login = _check_page(host, port, _asked(auth))
    from codetune_ui.ui.page import serve as serve_page  # loads gradio

    say(f"CodeTune UI on http://{host}:{port} — Ctrl-C closes the page, a training goes on.")
    if host not in LOOPBACK:
        say(PLAIN_HTTP)
    with suppress(KeyboardInterrupt):  # how it is meant to end
        serve_page(where, host=host, port=port, auth=login, open_browser=not no_browser)


def _asked(auth: str | None) -> str | None:
    """Ask for a password that was not written: on a command line other users can read it."""
    if auth and ":" not in auth and sys.stdin.isatty():
        return f"{auth}:{typer.prompt('Password', hide_input=True, err=True)}"
    return auth


def _check_page(host: str, port: int, auth: str | None) -> tuple[str, str] | None:
    """Refuse at once what the page would refuse after three seconds of imports."""
    user, _, password = (auth or "").partition(":")
    if auth is not None and not (user and password):
        raise ConfigError("--auth needs a name and a password.", "Write --auth USER:PASSWORD.")
    if host not in LOOPBACK and auth is None:
        raise MachineError(
            f"Others could reach the page on {host}, and it has no password.",
            "Add --auth USER:PASSWORD, or leave --host away.",
        )
    if host in LOOPBACK and not machine.port_is_free(port, host):
        raise MachineError(f"Port {port} is taken.", f"Try --port {port + 1}.")
    return (user, password) if auth else None


for command in COMMANDS:
    cli.command()(command)


if __name__ == "__main__":
    keep_private()
    cli()
