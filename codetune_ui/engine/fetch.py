"""A git URL as a folder in the cache: a shallow clone, fetched anew by each scan.

git runs here on its own clone only, never in a person's checkout, and with none of their git
configuration: no hooks, no filters, no submodules, no helpers, no questions. For ssh the person's
own keys and known hosts count; a host that is not known is refused.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from codetune_ui.core.errors import SourceError
from codetune_ui.core.sources import check_git_url
from codetune_ui.engine.report import StopRequested
from codetune_ui.runs.lock import LockHeldError, hold
from codetune_ui.runs.store import Home

LOOK_S = 0.1
LOCK_S = 3600.0  # another scan of the same URL may be fetching it
ENDS_WITHIN_S = 5.0
SSH = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20"
    " -o ClearAllForwardings=yes -o PermitLocalCommand=no"
)
SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.symlinks": "false",  # a link becomes a small file that the index names a link
    "core.autocrlf": "false",
    "core.protectNTFS": "true",
    "core.protectHFS": "true",
    "credential.helper": "",
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1000",  # a server that falls silent is left after a minute
    "http.lowSpeedTime": "60",
}
# All of the environment that reaches git: a stray GIT_DIR or GIT_SSH would change what it does.
KEPT_VARIABLES = (
    "PATH HOME USER LOGNAME SSH_AUTH_SOCK TMPDIR TEMP TMP SYSTEMROOT WINDIR COMSPEC PATHEXT"
    " USERPROFILE HOMEDRIVE HOMEPATH APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES"
    " http_proxy https_proxy all_proxy no_proxy HTTPS_PROXY ALL_PROXY NO_PROXY"
    " SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE GIT_SSL_CAINFO"
)
# What git says (in English, see `environment`), what a person reads, and the way out.
FAILURES = (
    (
        ("host key verification failed", "host identification has changed", "no matching host key"),
        "The host key of '{url}' is not known to this machine.",
        "Connect to it once by hand with ssh, and compare the key it shows.",
    ),
    (
        ("could not read username", "authentication failed", "permission denied", "returned error"),
        "'{url}' needs a login, or does not exist.",
        "For a private one give its ssh address (git@host:OWNER/NAME) and load your key: ssh-add.",
    ),
    (
        ("not found", "does not appear to be a git repository", "does not exist"),
        "There is no repository at '{url}', or it needs a login.",
        "Check the address; for a private one give its ssh address, git@host:OWNER/NAME.",
    ),
    (("no space left",), "The disk is too full to fetch '{url}'.", "Free some space."),
)
UNREACHABLE = (
    "could not resolve",
    "failed to connect",
    "couldn't connect",
    "connection refused",
    "connection timed out",
    "operation timed out",
    "network is unreachable",
    "no route to host",
)

log = logging.getLogger(__name__)


def never() -> bool:
    """Nobody wants to cancel."""
    return False


def fetch(
    url: str,
    home: Home,
    *,
    history: bool = False,
    refresh: bool = True,
    cancelled: Callable[[], bool] = never,
) -> Path:
    """Return the folder of a clone, made or brought up to date.

    With `history` all commits come, without the old files' contents. Without `refresh` a clone that
    is there is taken as it is: training reads what was scanned. Raises `SourceError` in words, and
    `StopRequested` when cancelled.
    """
    check_git_url(url)
    name = hashlib.sha256(f"{url}\0{history}".encode()).hexdigest()[:24]
    folder = home.cache_dir / "git" / name
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with hold(folder.with_suffix(".lock"), wait_s=LOCK_S):
            if not (folder / ".git").is_dir():
                _clone(url, folder, history, cancelled)
            elif refresh:
                _update(url, folder, history, cancelled)
    except LockHeldError as error:
        raise SourceError(f"'{url}' is being fetched already.", "Try again later.") from error
    return folder


def _clone(url: str, folder: Path, history: bool, cancelled: Callable[[], bool]) -> None:
    scratch = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        git(clone_command(url, scratch, history), url, cancelled)
        scratch.rename(folder)  # whole, or not there
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _update(url: str, folder: Path, history: bool, cancelled: Callable[[], bool]) -> None:
    fetched = [*_front(url), "-C", str(folder), "fetch", "--quiet", "--no-tags", "--force"]
    fetched += ["--no-recurse-submodules", *_depth(history), "--", "origin", "HEAD"]
    try:
        git(fetched, url, cancelled)
    except UnreachableError as error:
        log.warning("%s The clone fetched before is read.", error.message)
        return
    git(
        [*_front(url), "-C", str(folder), "reset", "--quiet", "--hard", "FETCH_HEAD"],
        url,
        cancelled,
    )


def clone_command(url: str, folder: Path, history: bool) -> list[str]:
    """Return the argument list of a clone; no shell ever sees it."""
    options = ["--quiet", "--single-branch", "--no-tags", "--no-recurse-submodules", "--no-local"]
    return [
        *_front(url),
        "clone",
        *options,
        "--template=",
        *_depth(history),
        "--",
        url,
        str(folder),
    ]


def _depth(history: bool) -> list[str]:
    # A history cut at a date would lack the commit before it, against which the first is compared.
    return ["--filter=blob:none"] if history else ["--depth=1"]


def _front(url: str) -> list[str]:
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    # only somebody who typed file:// means this machine
    allowed = ("https", "ssh", "file") if url.lower().startswith("file://") else ("https", "ssh")
    protocols = [word for name in allowed for word in ("-c", f"protocol.{name}.allow=always")]
    return ["git", *settings, "-c", "protocol.allow=never", *protocols]


def environment() -> dict[str, str]:
    """Return all variables that git gets."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES.split() if name in os.environ}
    return kept | {
        "LC_ALL": "C",  # its messages are read by `_why`
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_SSH_COMMAND": SSH,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


class UnreachableError(SourceError):
    """The server cannot be reached: there may be a clone from before."""


def git(command: list[str], url: str, cancelled: Callable[[], bool]) -> None:
    """Run git to its end; raise why it failed, or `StopRequested` after ending it."""
    with tempfile.TemporaryFile() as told:
        try:
            process = subprocess.Popen(
                command,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
                start_new_session=True,  # its helpers (ssh, remote-https) end with it
            )
        except FileNotFoundError:
            raise SourceError(
                "git is not installed, and a git URL needs it.",
                "Install git, or clone it elsewhere and give the folder.",
            ) from None
        _wait(process, cancelled)
        if process.returncode:
            told.seek(0)
            raise _why(told.read(20_000).decode("utf-8", "replace"), url)


def _wait(process: subprocess.Popen[bytes], cancelled: Callable[[], bool]) -> None:
    try:
        while process.poll() is None:
            if cancelled():
                raise StopRequested
            time.sleep(LOOK_S)
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and what it started; it removes its half-made clone where it gets the time."""
    group = getattr(os, "killpg", None)
    if group is None:
        process.kill()
        process.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            group(process.pid, number)
            process.wait(ENDS_WITHIN_S)
            return
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _why(told: str, url: str) -> SourceError:
    low = told.lower()
    if any(words in low for words in UNREACHABLE):
        return UnreachableError(
            f"'{url}' cannot be reached.", "Check the address and the network, then try again."
        )
    for words, message, hint in FAILURES:
        if any(word in low for word in words):
            return SourceError(message.format(url=url), hint)
    first = next((line for line in told.splitlines() if line.startswith("fatal: ")), "")
    return SourceError(f"git could not fetch '{url}'. {first[:200]}".strip(), "Check the address.")
