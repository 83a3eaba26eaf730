"""Rows prepared by the tasks of a real Slurm of two nodes: `pytest -m slurm`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codetune_ui.runs import slurm
from codetune_ui.runs.store import Home
from tests.calling import SHORT, call, last_json
from tests.slurm import cluster, missing

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing()), reason=f"not on this machine: {missing()}"),
]
SECRET = "hf_itMayNotLeaveThisMachine"


@pytest.fixture
def _on_slurm(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    pytest.importorskip("datatrove", reason="pip install -r requirements-cluster.txt")
    with cluster(tmp_path_factory.mktemp("slurm")) as conf:
        monkeypatch.setenv("SLURM_CONF", str(conf))
        monkeypatch.setenv("HF_TOKEN", SECRET)
        monkeypatch.setattr(slurm, "QUEUE", slurm.Queue())
        yield


@pytest.mark.usefixtures("_on_slurm")
def test_tasks_on_two_nodes_write_the_same_bytes_as_one_process_here(
    home: Path, tiny_model: Path, code_folder: Path
) -> None:
    options = [*SHORT, "--set", "max_steps=4", "--model", tiny_model, "--data", code_folder]
    options += ["--tasks", 4, "--json"]
    here = last_json(call("prepare", *options, "--name", "here"))
    on = "slurm:partition=small,time=00:10:00,mem-per-cpu=1"
    there = ["--name", "there", "--processes", 2, "--on", on]
    result = last_json(call("prepare", *options, *there))
    assert (result["train_rows"], result["steps"][0]["tasks"]) == (here["train_rows"], 4)
    for name in ("train.rows", "val.rows", "held_out.jsonl", "manifest.json"):
        one, other = (Home(home).prepared(n).dataset_dir / name for n in ("here", "there"))
        assert one.read_bytes() == other.read_bytes()
    told = [path for path in Home(home).prepared("there").path.rglob("*") if path.is_file()]
    assert not [path for path in told if SECRET.encode() in path.read_bytes()]
