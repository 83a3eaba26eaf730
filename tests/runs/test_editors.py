from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.editors import EDITORS
from codetune_ui.core.errors import MachineError, RunError
from codetune_ui.runs import editors
from codetune_ui.runs.client import (
    CompletionClient,
    ServerState,
    ensure_server,
    server_state,
    stop_server,
)
from codetune_ui.runs.store import Home
from tests.runs.serving import add_trained_run

GONE = ServerState(1, 1, "t", "demo", "", "auto", False, 0.0)


@pytest.fixture
def where(home: Path) -> Iterator[Home]:
    found = Home(home)
    yield found
    stop_server(found)


def test_every_editor_with_a_snippet_can_be_tried() -> None:
    assert set(editors.WAYS) == set(EDITORS)


def test_a_run_without_an_adapter_is_not_served(where: Home) -> None:
    where.create_run(Config(), "calm-otter")
    with pytest.raises(RunError, match="'calm-otter' has no adapter yet"):
        editors.open_for(where, "calm-otter")
    assert editors.wanted_for(where) == ""


def test_nobody_is_served_at_first(where: Home) -> None:
    assert (editors.opened_for(where), editors.wanted_for(where)) == ("", "")
    editors.close(where)
    assert not where.server_dir.exists()


def test_a_server_that_is_gone_is_one_sentence() -> None:
    with pytest.raises(MachineError, match="The server did not answer"):
        editors.try_as(GONE, "continue", "calm-otter")


def test_a_server_is_opened_for_a_run_asked_as_every_editor_and_closed(
    where: Home, tiny_model: Path
) -> None:
    run = add_trained_run(where, tiny_model, "tuned")
    first = editors.open_for(where, "tuned").state
    assert (editors.opened_for(where), editors.wanted_for(where)) == ("tuned", "tuned")
    assert editors.open_for(where, "tuned").state == first  # it is open already
    assert ensure_server(where, run.config()).state == first  # the playground asks the same one
    for editor in editors.WAYS:
        assert editors.try_as(first, editor, "tuned").ms > 0
    newest = CompletionClient(first).requests()[: len(editors.WAYS)]
    assert {one["status"] for one in newest} == {200}
    assert {one["editor"] for one in newest} == {"CodeTune"}
    # --- it ends by itself: its editors' settings stay right
    stop_server(where)
    assert (editors.opened_for(where), editors.wanted_for(where)) == ("", "tuned")
    again = editors.open_for(where, "tuned").state
    assert (again.port, again.token) == (first.port, first.token)
    # --- it is closed by a person
    editors.close(where)
    assert server_state(where) is None
    assert editors.wanted_for(where) == ""


def test_a_port_that_another_program_has_is_left_to_it(where: Home) -> None:
    where.server_dir.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        note = json.dumps({"run": "tuned", "port": port})
        (where.server_dir / "editors.json").write_text(note, encoding="utf-8")
        assert editors.choose_port(where) != port
    assert editors.choose_port(where) == port
