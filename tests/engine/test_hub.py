from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError, SourceError
from codetune_ui.core.source import Document
from codetune_ui.engine.hub import (
    check_room,
    hub_documents,
    hub_offers,
    parse_source,
    resolve_model,
)


def model(name: str | Path, **changes: Any) -> Config:
    return Config.from_dict({"base_model": str(name), **changes})


def test_a_folder_is_its_own_model(tiny_model: Path) -> None:
    assert resolve_model(model(tiny_model)) == tiny_model


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="no model folder '/no/such/model'"):
        resolve_model(model("/no/such/model"))


def test_a_folder_without_a_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        resolve_model(model(tmp_path))


def test_a_folder_with_pickles_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(ModelError, match="pickle files, which can run code"):
        resolve_model(model(tmp_path))
    assert resolve_model(model(tmp_path), weights=False) == tmp_path


def test_offline_a_hub_model_is_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(ModelError, match="the Hub cannot be reached") as caught:
        resolve_model(model("nobody/nothing"))
    assert "local folder" in caught.value.hint
    assert time.monotonic() - began < 20  # its own retries would take 46 s


def test_a_model_that_the_disk_cannot_take_is_refused_with_the_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "new" / "hub"))
    sizes = {"config.json": 900, "model.safetensors": 2**50, "model.bin": 2**60}
    with pytest.raises(ModelError, match=r"'some/body' takes 1,048,577\.0 GiB on disk, and") as no:
        check_room("some/body", sizes, ["*.json", "*.safetensors"])
    assert "HF_HOME" in no.value.hint
    check_room("some/body", sizes, ["*.json"])


def test_a_model_fetched_before_is_used_offline(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--some--body"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.mkdir(parents=True)
    for path in tiny_model.iterdir():
        (snapshot / path.name).write_bytes(path.read_bytes())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert resolve_model(model("some/body")) == snapshot


def test_a_hub_source_may_name_its_split() -> None:
    assert parse_source("hub:a/b@test") == ("a/b", "test")


def test_rows_of_a_stream_become_documents_only_as_far_as_asked(tmp_path: Path) -> None:
    from datasets import load_dataset

    path = tmp_path / "code.jsonl"
    rows = [{"content": f"x = {n}", "path": f"a/{n}.py", "repo_name": "a"} for n in range(50)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    read: list[int] = []

    def opened(_name: str, split: str, _dir: str, _config: str) -> Iterator[dict[str, Any]]:
        stream = load_dataset("json", data_files={"train": str(path)}, split=split, streaming=True)
        for index, row in enumerate(stream):
            read.append(index)
            yield dict(row)

    found = hub_documents(Config(source="hub:a/b"), open_rows=opened)
    first = next(found)
    assert isinstance(first, Document)
    assert (first.path, first.text, first.group) == ("a/a/0.py", "x = 0", "a")
    assert len(read) < 5


def test_a_missing_column_is_told_with_those_there_are() -> None:
    found = hub_documents(
        Config(source="hub:a/b"), open_rows=lambda *_: iter([{"text": "x", "url": "y"}])
    )
    with pytest.raises(SourceError, match="no column 'content'") as caught:
        next(found)
    assert caught.value.hint == "Set 'Column' to one of: text, url."


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(SourceError, match="is empty"):
        next(hub_documents(Config(source="hub:a/b"), open_rows=lambda *_: iter([])))


def test_offline_a_hub_dataset_is_refused() -> None:
    with pytest.raises(SourceError, match="the Hub cannot be reached"):
        next(hub_documents(Config(source="hub:nobody/nothing")))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what a Hub of one dataset was asked; it has two configurations of two splits."""
    import datasets

    asked: dict[str, Any] = {}

    def load(
        name: str, config: str | None, *, data_dir: str | None, split: str, streaming: bool
    ) -> Any:
        assert streaming
        asked.update(name=name, config=config, data_dir=data_dir, split=split)
        if split not in ("train", "test"):
            raise ValueError(f'Unknown split "{split}".')
        if config not in ("python", "java"):
            raise ValueError("Config name is missing.")
        rows = [{"content": "x = 1\n", "path": "a.py", "repo": "r"}]
        return datasets.IterableDataset.from_generator(lambda: iter(rows))

    monkeypatch.setattr("codetune_ui.engine.hub._reach", lambda _name: None)
    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda _name: ["python", "java"])
    monkeypatch.setattr(
        datasets, "get_dataset_split_names", lambda _name, _config: ["train", "test"]
    )
    return asked


def test_a_dataset_offers_its_configurations_splits_and_columns(hub: dict[str, Any]) -> None:
    assert hub_offers("a/b") == {
        "configs": ["python", "java"],
        "splits": ["train", "test"],
        "columns": ["content", "path", "repo"],
    }
    assert hub["config"] == "python"
    hub_offers("a/b", data_config="java", split="test", data_dir="data")
    assert hub == {"name": "a/b", "config": "java", "data_dir": "data", "split": "test"}


def test_the_configuration_reaches_the_dataset(hub: dict[str, Any]) -> None:
    [document] = hub_documents(Config(source="hub:a/b@test", data_config="java", data_dir="d"))
    assert document.path == "r/a.py"
    assert hub == {"name": "a/b", "config": "java", "data_dir": "d", "split": "test"}


@pytest.mark.parametrize("data_config", ["", "rust"])
def test_a_wrong_configuration_is_told_with_those_there_are(
    hub: dict[str, Any], data_config: str
) -> None:
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        hub_documents(Config(source="hub:a/b", data_config=data_config))
    assert caught.value.hint == "Set 'Configuration on the Hub' to one of: python, java."
    assert hub["name"] == "a/b"


def test_a_wrong_split_is_told_with_those_there_are(hub: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        hub_documents(Config(source="hub:a/b@valid", data_config="java"))
    assert caught.value.hint == "Its splits are: train, test. Write hub:OWNER/NAME@SPLIT."
    assert hub["split"] == "train"  # asked last, for the columns


def test_offline_there_is_nothing_to_offer() -> None:
    with pytest.raises(SourceError, match="the Hub cannot be reached"):
        hub_offers("nobody/nothing")
