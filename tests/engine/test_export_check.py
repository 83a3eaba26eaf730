from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codetune_ui.core.pack import from_words
from codetune_ui.engine.export_check import Look, compare, look, probe_of, sentence
from codetune_ui.engine.export_merge import open_whole
from tests.engine.exporting import exportable


def made(texts: tuple[str, ...], best: list[int], loss: float | None) -> Look:
    return Look(texts, loss, np.array(best), np.zeros((len(best[:1]), 3), np.float32))


ADAPTER = made(("a", "b"), [1] * 100, 2.0)


@pytest.mark.parametrize(
    ("texts", "others", "loss", "word"),
    [
        (("a", "b"), 50, 9.0, "same"),  # the text is what counts
        (("a", "c"), 3, 2.019, "alike"),
        (("a", "c"), 4, 2.0, "different"),
        (("a", "c"), 0, 2.03, "different"),
    ],
)
def test_one_word_says_how_an_export_answers(
    texts: tuple[str, ...], others: int, loss: float, word: str
) -> None:
    found = compare(made(texts, [0] * others + [1] * (100 - others), loss), ADAPTER)
    assert found["answers"] == word
    assert found["agreement"] == (100 - others) / 100


def test_without_held_out_rows_only_the_text_counts() -> None:
    nothing = made(("a",), [], None)
    assert compare(made(("a",), [], None), nothing)["answers"] == "same"
    found = compare(made(("b",), [], None), nothing)
    assert (found["answers"], found["agreement"]) == ("different", None)
    assert sentence(found) == (
        "Opened again, it fills 0 of 1 holes with the same text as the adapter."
    )


def test_the_held_out_loss_is_that_of_each_example_alone(tiny_model: Path, home: Path) -> None:
    run = exportable(home, tiny_model)
    probe = probe_of(run, tiny_model, "cpu", lambda: None)
    model = open_whole(tiny_model).float()
    found = look(model, probe)
    words = np.fromfile(run.dataset_dir / "val.rows", np.uint32).reshape(-1, 128)
    losses = []
    for row in (from_words(one) for one in words):
        place = 0
        for length in row.seq_lengths:
            ids = torch.tensor(row.ids[place : place + length])[None].long()
            labels = torch.tensor(row.labels[place + 1 : place + length]).long()
            with torch.no_grad():
                logits = model(ids).logits[0, :-1, : probe.tokenizer.vocab_size]
            one = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
            losses += one[labels != -100].tolist()
            place += length
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert len(found.best) == len(losses)
    assert len(found.texts) == 6
