from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from codetune_ui.core.errors import ConfigError, MachineError
from codetune_ui.runs.placement import Placement
from codetune_ui.ui import where
from codetune_ui.ui.where import Where


def a_place(folder: Path, patch: pytest.MonkeyPatch, *commands: str) -> Where:
    """The choice on a machine with some clusters' commands, and no others."""
    for name in commands:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o700)
    patch.setenv("PATH", str(folder))
    with gr.Blocks():
        return where.build()


def read(chosen: Where, place: str, options: str = "") -> Placement | None:
    given: dict[Any, Any] = {chosen.place: place, chosen.options: options}
    return chosen.read(given)


def test_only_clusters_whose_commands_are_here_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = a_place(tmp_path, monkeypatch, "sky")
    assert chosen.place.choices == [("This machine", "here"), ("SkyPilot", "sky")]


@pytest.mark.parametrize(("commands", "seen"), [((), False), (("sbatch",), True)])
def test_without_any_cluster_nothing_is_asked(
    commands: tuple[str, ...], seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = a_place(tmp_path, monkeypatch, *commands).place
    while block.elem_id != "where":
        block = block.parent
    assert block.visible is seen


def test_it_reads_as_the_command_line_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = a_place(tmp_path, monkeypatch, "sky", "rsync")
    assert read(chosen, "sky", " infra=k8s ") == Placement(on="sky", options={"infra": "k8s"})
    assert read(chosen, "sky") == Placement(on="sky")


def test_this_machine_has_no_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(a_place(tmp_path, monkeypatch), "here", "left=over") is None


def test_what_cannot_be_is_refused_with_a_field_to_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = a_place(tmp_path, monkeypatch, "sky", "rsync")
    with pytest.raises(ConfigError) as caught:
        read(chosen, "sky", "k8s")
    assert str(caught.value) == (
        "'k8s' is no option of SkyPilot. Write NAME=VALUE, as in infra=k8s."
    )
    assert caught.value.field == "on"


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="To train with SkyPilot, rsync is missing"):
        read(a_place(tmp_path, monkeypatch, "sky"), "sky")


def test_each_cluster_says_what_can_be_asked_of_it() -> None:
    asked = where._ask("slurm")
    assert (asked.placeholder, asked.visible) == ("partition=gpu", True)
    assert where._ask("here").visible is False
