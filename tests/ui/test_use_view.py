from __future__ import annotations

from typing import Any

from codetune_ui.core.export import FORMATS, QUANTS
from codetune_ui.ui import use_view
from tests.ui.evaluations import EVIL, found


def exported(**changes: Any) -> dict[str, Any]:
    """What is kept of one export."""
    about = {"id": "1", "to": "/home/ann/out", "created": 1.8e9, "format": "gguf", "quant": "q8_0"}
    files = {"a.gguf": {"bytes": 16 << 20}, "README.md": {"bytes": 0}}
    check = {"sentence": "Opened again, it fills 6 of 6 holes.", "answers": "same"}
    return about | {"files": files, "check": check, "there": True} | changes


def test_every_format_has_a_name_a_line_and_its_precisions() -> None:
    html = use_view.formats()
    for name in FORMATS:
        assert f'value="{name}"' in html
        assert use_view.FOR[name].endswith(".")
        offered = [value for value, _ in use_view.precisions()[name]]
        assert offered[-len(QUANTS[name]) :] == list(QUANTS[name]) or not QUANTS[name]
    assert use_view.precisions()["merged"][0] == ("", "As the base has it")
    assert html.count(" checked") == 1


def test_an_export_tells_kind_size_check_and_place() -> None:
    html = use_view.earlier([exported()])
    assert "<b>GGUF · q8_0</b>" in html
    assert "16.0 MiB" in html
    assert '<p class="us-check same">Opened again, it fills 6 of 6 holes.</p>' in html
    assert 'data-copy="/home/ann/out"' in html
    assert "moved or deleted" not in html


def test_an_upload_is_told_by_its_address() -> None:
    html = use_view.earlier([exported(to="hub:ann/pond", url="https://hub.example/ann/pond")])
    assert 'data-copy="https://hub.example/ann/pond"' in html


def test_a_path_is_never_markup() -> None:
    html = use_view.earlier([exported(to=EVIL, format=EVIL, quant=EVIL, check={"sentence": EVIL})])
    assert "<script>" not in html


def test_the_verdict_is_told_with_its_figures() -> None:
    better = use_view.standing(found(verdict="better"), "")
    assert '<span class="us-standing better"><b>Better than its base</b>' in better
    assert "50.0 % → 50.0 % exact, 4 holes" in better
    assert "Not evaluated yet" in use_view.standing(None, "'x' has not been evaluated")
    late = use_view.standing(found(), "The latest evaluation of 'x' is older than its adapter.")
    assert "Trained on since its evaluation" in late
