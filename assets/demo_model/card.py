"""Fill `card_template.md` with the figures of metrics.json: MODEL_CARD.md.

python card.py FOLDER
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).with_name("card_template.md")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def score_table(scores: dict[str, dict[str, float]]) -> str:
    """Lay out exact matches, one order a row."""
    names = {"psm": "PSM", "spm": "SPM", "ltr": "left to right (no suffix)"}
    columns = list(scores["psm"])
    rows = [
        [names[order], *(f"{row[c]} %" if c in row else "" for c in columns)]
        for order, row in scores.items()
    ]
    return table(["", *columns], rows)


def licence_table(corpus: list[dict[str, Any]]) -> str:
    """Total the corpus by licence, and name the distributions that matter most."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in corpus:
        groups[row["licence"]].append(row)
    ranked = sorted(groups.items(), key=lambda item: -sum(r["bytes"] for r in item[1]))
    rows = []
    for licence, members in ranked:
        largest = ", ".join(f"{r['source']} {r['bytes'] / 1e6:.1f}" for r in members[:6])
        size = f"{sum(r['bytes'] for r in members) / 1e6:.1f}"
        rows.append([licence, len(members), sum(r["files"] for r in members), size, largest])
    return table(["licence", "distributions", "files", "MB", "largest, in MB"], rows)


def curve_table(curve: list[dict[str, float]]) -> str:
    """Lay out the loss curve, one probe a row."""
    columns = {
        "rate": "rate",
        "training": "loss",
        "held out": "held_out_loss",
        "PSM first": "psm_first",
        "SPM first": "spm_first",
        "PSM middle": "psm_middle",
        "SPM middle": "spm_middle",
    }
    rows = [[round(r["tokens"] / 1e6), *(r[key] for key in columns.values())] for r in curve]
    return table(["Mtok", *columns], rows)


def write_card(folder: Path) -> None:
    """Write the card of the model in `folder`."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    corpus, last = metrics["corpus"], metrics["curve"][-1]
    nats = "; ".join(
        f"{name} {last[f'{order}_first']} for the first tokens, {last[f'{order}_middle']} a token"
        for name, order in (("PSM", "psm"), ("SPM", "spm"))
    )
    sources = [[r["source"], r["licence"], r["files"], f"{r['bytes'] / 1e3:.0f}"] for r in corpus]
    card = TEMPLATE.read_text(encoding="utf-8").format(
        parameters=metrics["parameters"],
        bytes=(folder / "model.safetensors").stat().st_size,
        holes=metrics["scores"]["holes"],
        held_out_files=metrics["held_out"]["files"],
        held_out_bytes=metrics["held_out"]["bytes"] / 1e6,
        scores=score_table(metrics["scores"]["exact_match_percent"]),
        note=metrics.get("note", ""),
        nats=nats,
        held_out_loss=last["held_out_loss"],
        bits_per_byte=last["bits_per_byte"],
        tokens=last["tokens"],
        passes=last["tokens"] / metrics["corpus_tokens"],
        corpus_tokens=metrics["corpus_tokens"],
        minutes=metrics["minutes"],
        gpu=metrics["gpu"],
        curve=curve_table(metrics["curve"]),
        files=sum(r["files"] for r in corpus),
        megabytes=sum(r["bytes"] for r in corpus) / 1e6,
        licences=licence_table(corpus),
        distributions=len(corpus),
        sources=table(["distribution", "licence", "files", "kB"], sources),
    )
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    write_card(Path(sys.argv[1]))
