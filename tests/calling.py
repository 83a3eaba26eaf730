"""The command line called in this process, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from app import cli

SHORT = ["--preset", "demo", "--set", "max_seq_len=128", "--set", "log_every=1"]
SHORT += ["--set", "global_batch_rows=2", "--set", "micro_batch_rows=2", "--set", "save_every=2"]
SHORT += ["--set", "eval_every=3", "--set", "quant=none", "--set", "compute_dtype=float32"]


@dataclass(frozen=True)
class Trained:
    home: Path
    answer: dict[str, Any]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def last_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert result.stdout == ""
