"""The options that several commands of the command line have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codetune_ui.core.holes import ALL_KINDS

HomeDir = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Where runs and caches live; else CODETUNE_HOME, else ~/.codetune.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="End stdout with one line of JSON.")]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="SRC",
        help="A folder or git checkout, a git URL, a .zip, .tar.gz, .jsonl, .json, .parquet or "
        ".txt file, or hub:OWNER/NAME[@SPLIT]; a pattern in quotes ('shards/*.jsonl') names many. "
        "Repeat it for several, each with ' *WEIGHT' after it if you like.",
    ),
]
Model = Annotated[str | None, typer.Option("--model", metavar="M", help="A folder or a Hub id.")]
Column = Annotated[str | None, typer.Option("--column", help="The column that holds the code.")]
DataDir = Annotated[str | None, typer.Option("--data-dir", help="A folder of the Hub dataset.")]
Assigned = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting; may be repeated."),
]
Cards = Annotated[
    str | None,
    typer.Option(
        "--cards",
        metavar="N,N",
        help="Which GPUs of this machine train, by their numbers in nvidia-smi: 0,1.",
    ),
]
SplitBase = Annotated[
    str | None,
    typer.Option(
        "--split-base",
        metavar="auto|yes|no",
        help="Divide the base's layers among the cards, where it does not fit one.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="PLACE",
        help="here, slurm:partition=gpu,time=12:00:00,gpus=1 or sky:infra=k8s,accelerators=H100; "
        "a resume goes where it was.",
    ),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="The name of a run.")]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset", help="demo, guide or recommended; else recommended with --model, else demo."
    ),
]
PreparedRows = Annotated[
    str | None,
    typer.Option(
        "--rows",
        metavar="NAME",
        help="Rows that `prepare` has made, with its settings; --set changes others.",
    ),
]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="A run, with its adapter.")
]

# --- of an infill

PathInTree = Annotated[
    str, typer.Option("--path", metavar="PATH", help="Where the file lies in its code base.")
]
Neighbours = Annotated[
    list[Path] | None,
    typer.Option(
        "--neighbour",
        metavar="FILE",
        help="A file to read first, for a run trained with neighbours; may be repeated.",
    ),
]

# --- of an evaluation

EvaluatedRun = Annotated[
    str | None, typer.Argument(metavar="RUN", help="The run; --run RUN says the same.")
]
HoleCount = Annotated[int, typer.Option("--holes", min=1, max=10_000, help="How many holes.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Another seed, other holes.")]
Kinds = Annotated[
    str,
    typer.Option(
        "--kinds", help=f"Which holes, with commas between: {ALL_KINDS}; own: those you kept."
    ),
]
HolesOf = Annotated[
    str,
    typer.Option(
        "--holes-of",
        metavar="RUN/ID",
        help="Fill the very holes of another evaluation, so that the two can be compared.",
    ),
]
FirstRun = Annotated[
    str, typer.Argument(metavar="A", help="A run, or one evaluation of it: RUN/ID.")
]
SecondRun = Annotated[str, typer.Argument(metavar="B", help="The same of the other run.")]
