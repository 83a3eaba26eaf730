from __future__ import annotations

from pathlib import Path

from codetune_ui.runs.store import Home
from tests.calling import call, last_json, refused
from tests.runs.serving import add_trained_run, hold_out


def test_export_writes_an_adapter_that_is_opened_again(
    tiny_model: Path, home: Path, tmp_path: Path
) -> None:
    run = add_trained_run(Home(home), tiny_model, "tuned", max_seq_len=128)
    hold_out(run, {"a.py": "".join(f"value_{n} = compute({n}, {n})\n" for n in range(20))})
    options = ("--format", "adapter", "--to", tmp_path / "out")
    refused(call("export", "tuned", *options), "'tuned' has not been evaluated", "--yes")
    found = last_json(call("export", "--run", "tuned", *options, "--yes", "--json"))
    assert (found["run"], found["format"], found["to"]) == (
        "tuned",
        "adapter",
        str(tmp_path / "out"),
    )
    assert found["check"]["answers"] == "same"
    assert set(found["files"]) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}


def test_export_refuses_a_format_it_does_not_know() -> None:
    refused(call("export", "x", "--format", "onnx"), "no export format 'onnx'", "gguf-adapter,")


def test_export_refuses_a_run_that_is_not_there(tmp_path: Path) -> None:
    refused(call("export", "x", "--to", tmp_path / "out"), "There is no run 'x'")
    refused(call("export", "--to", tmp_path / "out"), "No run is named")
