from __future__ import annotations

import subprocess

import pytest

from tests import flaws


def answered(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> None:
    done = subprocess.CompletedProcess([], 1, stdout, stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)


def test_every_reviewed_flaw_has_a_reason() -> None:
    assert flaws.reviewed("# why\nCVE-1 cannot be reached\n") == ["CVE-1"]
    with pytest.raises(ValueError, match="CVE-2 has no reason"):
        flaws.reviewed("CVE-2\n")
    flaws.reviewed(flaws.REVIEWED.read_text(encoding="utf-8"))


def test_a_known_flaw_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(
        monkeypatch,
        '{"dependencies": [{"name": "a", "version": "1", "vulns": '
        '[{"id": "CVE-1", "fix_versions": ["2"]}]}, {"name": "b", "skip_reason": "local"}]}',
    )
    assert flaws.main() == 1
    told = capsys.readouterr().out
    assert told == "a 1: CVE-1, mended in 2\n2 packages asked about, 1 flaws\n"


def test_without_a_service_it_is_said_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(monkeypatch, "", "ERROR: ConnectionError")
    assert flaws.main() == 0
    assert "were NOT looked for" in capsys.readouterr().out
