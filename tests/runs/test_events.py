from __future__ import annotations

from pathlib import Path

from codetune_ui.runs.events import EventWriter, read_events


def kinds(path: Path, offset: int = 0) -> list[str]:
    return [event["kind"] for event in read_events(path, offset)[0]]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        writer.write("train", step=1, loss=2.5)
    [event], offset = read_events(path)
    assert (event["kind"], event["step"], event["loss"]) == ("train", 1, 2.5)
    assert offset == path.stat().st_size


def test_a_missing_file_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "events.jsonl") == ([], 0)


def test_reader_returns_only_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        writer.write("train", step=1)
        _, offset = read_events(path)
        assert read_events(path, offset) == ([], offset)
        writer.write("eval", step=1)
        assert kinds(path, offset) == ["eval"]


def test_reader_leaves_a_torn_line_for_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind": "train"}\n{"kind": "ev')
    events, offset = read_events(path)
    assert [event["kind"] for event in events] == ["train"]
    assert offset == 18
    with path.open("ab") as file:
        file.write(b'al"}\n')
    assert kinds(path, offset) == ["eval"]


def test_a_line_torn_by_a_killed_worker_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind": "train"}\n{"kind": "ev')
    with EventWriter(path) as writer:
        writer.write("resume", step=0)
    assert kinds(path) == ["train", "resume"]


def test_not_a_number_is_written_as_null(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        writer.write("train", loss=float("nan"), grad_norm=float("inf"))
    [event], _ = read_events(path)
    assert (event["loss"], event["grad_norm"]) == (None, None)


def test_a_file_shorter_than_the_offset_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        writer.write("log", message="of a new run with the old name")
    assert kinds(path, offset=10_000) == ["log"]
