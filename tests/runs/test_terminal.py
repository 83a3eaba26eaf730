from __future__ import annotations

from typing import Any

from codetune_ui.runs.terminal import LiveLine, summary

REPORT: dict[str, Any] = {
    "found": 5,
    "kept": 3,
    "dropped": {"binary": 2},
    "by_language": {
        "Python": {"files": 3, "tokens": 1200, "verdict": "2.9 characters per token: healthy"}
    },
    "tokens": 1200,
    "verdict": "2.9 characters per token: healthy",
    "secrets": [],
    "secrets_redacted": 0,
    "train": 2,
    "held_out": 1,
    "leak": {"share": 0.004},
}


def test_a_summary_says_what_was_found_dropped_and_held_out() -> None:
    assert summary(REPORT) == [
        "5 files found, 3 kept",
        "           2  dropped: binary",
        "           3  Python: 1,200 tokens, 2.9 characters per token: healthy",
        "1,200 tokens. 2.9 characters per token: healthy",
        "No secrets found",
        "2 files to train on, 1 held out",
        "0.4 % of the held-out code also stands in the training code",
    ]


def test_secrets_are_masked_and_the_sixth_is_only_counted() -> None:
    found = [{"path": "a.py", "line": 7, "rule": "aws-key", "masked": "AKIA… (20)"}] * 7
    lines = summary({**REPORT, "secrets": found, "secrets_redacted": 7})
    assert "7 secrets found, 7 redacted" in lines
    assert sum("a.py:7  aws-key  AKIA… (20)" in line for line in lines) == 5
    assert any("and 2 more" in line for line in lines)


def test_a_scan_without_the_scanner_does_not_say_that_there_are_no_secrets() -> None:
    lines = summary({**REPORT, "notes": {"not searched for secrets": 3}})
    assert "No secrets found" not in lines
    assert any(line.startswith("Secrets were not looked for") for line in lines)


def test_counts_overwrite_each_other_on_a_terminal() -> None:
    written: list[str] = []
    line = LiveLine(written.append, is_terminal=True)
    line.count("10 found")
    line.count("9 left")
    line.say("Counting tokens")
    line.end()
    assert written == ["\r10 found", "\r9 left  ", "\n", "Counting tokens\n"]


def test_a_log_file_gets_counts_now_and_then_and_the_last_ones() -> None:
    written: list[str] = []
    times = iter([0.0, 0.0, 1.0, 2.0])
    line = LiveLine(written.append, is_terminal=False, clock=lambda: next(times))
    line.count("1 found")
    line.count("2 found")
    line.count("3 found")
    line.end()
    assert written == ["1 found\n", "3 found\n"]
