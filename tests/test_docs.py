from __future__ import annotations

import re

from codetune_ui import __version__
from codetune_ui.core.assets import PROJECT_ROOT
from tests.docs import ARCHITECTURE, README, with_files, with_settings


def test_the_settings_table_in_the_readme_is_the_code_s() -> None:
    text = README.read_text(encoding="utf-8")
    assert "<!-- settings -->" in text
    assert text == with_settings(text), "run: python -m tests.docs"


def test_the_tables_of_files_are_the_ones_on_disk() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert text == with_files(text), "run: python -m tests.docs"


def test_the_changelog_s_newest_version_is_the_package_s() -> None:
    text = (PROJECT_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert versions[0] == __version__


def test_every_requirement_is_pinned_exactly() -> None:
    for name in ("requirements.txt", "requirements-cluster.txt", "tests/requirements.txt"):
        lines = (PROJECT_ROOT / name).read_text(encoding="utf-8").splitlines()
        wanted = [line for line in lines if line and not line.startswith(("#", "-r "))]
        assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in wanted)


def test_every_picture_of_the_readme_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\((assets/[^)]+)\)|src(?:set)?=\"(assets/[^\"]+)\"", text)
    assert pictures
    assert all((PROJECT_ROOT / (a or b)).exists() for a, b in pictures)
