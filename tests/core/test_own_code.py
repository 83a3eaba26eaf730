from __future__ import annotations

import json
from pathlib import Path

import pytest

from codetune_ui.core.errors import ModelError
from codetune_ui.core.own_code import OwnCode, check_allowed, own_code


def model(folder: Path, auto_map: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auto_map": auto_map}))
    (folder / "modeling_x.py").write_text("x = 1\n")
    return folder


def found(folder: Path) -> OwnCode:
    code = own_code(folder)
    assert code is not None
    return code


@pytest.mark.parametrize(
    "auto_map", [None, {}, [], "x", {"AutoTokenizer": ["a.B", None]}, {"AutoModel": None}]
)
def test_a_model_that_asks_for_nothing_to_be_run_has_no_code(
    tmp_path: Path, auto_map: object
) -> None:
    assert own_code(model(tmp_path / "m", auto_map)) is None


def test_a_folder_without_a_readable_config_has_no_code(tmp_path: Path) -> None:
    assert own_code(tmp_path) is None
    (tmp_path / "config.json").write_text("{")
    assert own_code(tmp_path) is None


def test_the_fingerprint_is_that_of_every_file_and_name(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", {"AutoModelForCausalLM": "modeling_x.X"})
    first = found(folder)
    assert (first.names, len(first.fingerprint)) == ("modeling_x.py", 16)
    assert found(folder).fingerprint == first.fingerprint
    (folder / "modeling_x.py").write_text("x = 2\n")
    changed = found(folder).fingerprint
    (folder / "more").mkdir()
    (folder / "more" / "helper.py").write_text("")
    added = found(folder).fingerprint
    (folder / "more" / "helper.py").rename(folder / "helper.py")
    assert len({first.fingerprint, changed, added, found(folder).fingerprint}) == 4


def test_only_the_very_code_that_was_read_is_allowed(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", {"AutoConfig": "modeling_x.C"})
    code = found(folder)
    check_allowed(code, code.fingerprint, "m")
    with pytest.raises(ModelError, match="which is not run unless you allow it") as refused:
        check_allowed(code, "", "m")
    assert code.fingerprint in refused.value.hint
    (folder / "modeling_x.py").write_text("import os\n")
    with pytest.raises(ModelError, match="which has changed since it was allowed"):
        check_allowed(found(folder), code.fingerprint, "m")


def test_code_of_another_repository_is_never_allowed(tmp_path: Path) -> None:
    code = found(model(tmp_path / "m", {"AutoModel": "owner/name--modeling_x.X"}))
    assert code.elsewhere == "owner/name"
    with pytest.raises(ModelError, match="never run"):
        check_allowed(code, code.fingerprint, "m")
