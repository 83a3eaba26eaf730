from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.document import Document, Dropped, DropReason, Finding
from codetune_ui.core.tally import ScanReport

FOUND = Finding(3, "aws-key", "AKIA… (20)")


def document(path: str, text: str = "a = 1\n", language: str = "Python") -> Document:
    return Document(text, path, language, path)


def test_every_step_says_how_many_files_are_left() -> None:
    report = ScanReport()
    report.add(document("a.py"))
    for path, reason in (
        ("b.bin", DropReason.BINARY),
        ("c.js", DropReason.MINIFIED),
        ("d.py", DropReason.SECRETS),
        ("e.py", DropReason.DUPLICATE),
        ("f.py", DropReason.NEAR_DUPLICATE),
    ):
        report.add(Dropped(path, reason))
    assert report.steps() == [
        {"step": "found", "files": 6},
        {"step": "names and bytes", "files": 5},
        {"step": "content", "files": 4},
        {"step": "secrets", "files": 3},
        {"step": "duplicates", "files": 1},
    ]


@given(st.lists(st.sampled_from([None, *DropReason])))
def test_the_counts_of_all_steps_add_up(reasons: list[DropReason | None]) -> None:
    report = ScanReport()
    for place, reason in enumerate(reasons):
        path = f"{place}.py"
        report.add(document(path) if reason is None else Dropped(path, reason))
    counts = report.to_dict()
    assert counts["found"] == counts["kept"] + sum(counts["dropped"].values()) == len(reasons)
    assert counts["steps"][-1]["files"] == counts["kept"]
    left = [step["files"] for step in counts["steps"]]
    assert left == sorted(left, reverse=True)


def test_a_language_has_files_characters_tokens_and_a_verdict() -> None:
    report = ScanReport()
    report.add(document("a.py", "x" * 60))
    report.add(document("b.py", "x" * 30))
    report.add(document("c.go", "y" * 5, "Go"))
    report.set_tokens({"a.py": 20, "b.py": 10, "c.go": 5})
    counts = report.to_dict()
    assert counts["languages"] == {"Python": 90, "Go": 5}
    assert counts["by_language"]["Python"] == {
        "files": 2,
        "characters": 90,
        "tokens": 30,
        "chars_per_token": 3.0,
        "verdict": "3.0 characters per token: healthy",
    }
    assert counts["by_language"]["Go"]["verdict"] == "1.0 characters per token: broken into crumbs"
    assert counts["tokens"] == 35


def test_secrets_are_listed_masked_and_counted_where_they_were_redacted() -> None:
    report = ScanReport()
    report.add(Document("k = 1\n", "a.py", "Python", "a.py", findings=(FOUND,)))
    report.add(Dropped("b.py", DropReason.SECRETS, "Python", "", (FOUND, FOUND)))
    counts = report.to_dict()
    assert counts["secrets"][0] == {
        "path": "a.py",
        "line": 3,
        "rule": "aws-key",
        "masked": "AKIA… (20)",
    }
    assert (len(counts["secrets"]), counts["secrets_redacted"]) == (3, 1)
    assert [line["secrets"] for line in counts["files"]] == [1, 2]


def test_secrets_that_are_kept_are_not_counted_as_redacted() -> None:
    report = ScanReport(redacted=False)
    report.add(Document("k = 1\n", "a.py", "Python", "a.py", findings=(FOUND,)))
    assert report.to_dict()["secrets_redacted"] == 0


def test_an_empty_source_has_a_report_too() -> None:
    counts = ScanReport().to_dict()
    assert (counts["found"], counts["chars_per_token"], counts["verdict"]) == (0, None, "")
