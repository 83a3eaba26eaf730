from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from codetune_ui.core.completion import Ask
from codetune_ui.core.errors import RunError
from codetune_ui.core.families import find_format
from codetune_ui.core.holes import Hole
from codetune_ui.core.pack import IGNORE_INDEX, Row
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.core.ways import as_set
from codetune_ui.engine.adapters import Adapters
from codetune_ui.engine.fused.decoder import FusedDecoder
from codetune_ui.engine.fused.steps import FusedSteps
from codetune_ui.engine.generate import Completer
from codetune_ui.engine.likelihood import Measurer, Truth
from codetune_ui.engine.scorecard import (
    Item,
    Look,
    Scorecard,
    look_by_model,
    make_scorecard,
    row_of,
)
from tests.engine.helpers import load_tuned, make_card, make_run, tiny_config, write_held_out


def item(kind: str, prompt: list[int], middle: list[int], end: int, text: str) -> Item:
    hole = Hole("a.py", "Python", kind, "", text, "")  # type: ignore[arg-type]
    return Item(hole, prompt, [*middle, end], len(middle))


def some_items(tokenizer: CodeTokenizer) -> list[Item]:
    word, line = tokenizer.encode("return"), tokenizer.encode("print(index)")
    return [
        item("block", [7, 8, 9], word, 0, "return"),
        item("rest", [11, 12], line, 0, "print(index)"),
    ]


def told(*likeliest: list[int], losses: float = 1.0) -> Look:
    """A look that finds the same loss everywhere, and these tokens likeliest, row after row."""
    rows = iter(likeliest)

    def look(row: Row) -> tuple[torch.Tensor, torch.Tensor]:
        found = torch.tensor(next(rows))
        assert len(found) == int((row.labels != IGNORE_INDEX).sum())
        return torch.full((len(found),), losses), found

    return look


def test_a_reading_is_the_mean_over_holes_per_character_without_the_end(
    tiny_tokenizer: Path,
) -> None:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    items = some_items(tokenizer)
    card = Scorecard(items, tokenizer, frozenset({0}))
    longest, other = sorted(items, key=lambda one: -len(one.ids))
    found = card.read(told(longest.target, other.target, losses=2.0))
    per_hole = [2.0 * one.middle / len(one.hole.middle) for one in items]
    assert found.holes == 2
    assert found.nll_per_char == pytest.approx(sum(per_hole) / 2)
    assert found.exact == 1.0


@pytest.mark.parametrize(
    ("kind", "last", "exact"),
    [
        ("block", "<end>", True),
        ("block", "\n", False),
        ("block", "x", False),
        ("rest", "<end>", True),
        ("rest", "\n", True),  # an editor that wants one line stops listening there
        ("rest", "x", False),
    ],
)
def test_exact_is_every_token_of_the_middle_and_an_end_of_it(
    tiny_tokenizer: Path, kind: str, last: str, exact: bool
) -> None:
    tokenizer = CodeTokenizer.from_folder(tiny_tokenizer)
    middle = tokenizer.encode("return")
    card = Scorecard([item(kind, [7], middle, 0, "return")], tokenizer, frozenset({0}))
    final = 0 if last == "<end>" else tokenizer.encode(last)[0]
    assert card.read(told([*middle, final])).exact == float(exact)
    wrong = [middle[0] + 1, *middle[1:], final]
    assert card.read(told(wrong)).exact == 0.0


def test_a_row_of_items_has_loss_on_their_targets_alone() -> None:
    row = row_of([item("line", [7, 8], [9], 0, "a"), item("line", [5], [6, 4], 0, "b")], 10)
    assert row.ids.tolist() == [7, 8, 9, 0, 5, 6, 4, 0, 0, 0]
    assert row.labels.tolist() == [-100, -100, 9, 0, -100, 6, 4, 0, -100, -100]
    assert row.seq_lengths == (4, 4, 2)


def test_holes_are_the_same_each_time_and_fit_the_tokens_they_may_have(tiny_model: Path) -> None:
    run = make_run(tiny_config(tiny_model), "some")
    write_held_out(run)
    one, other = make_card(run), make_card(run)
    assert [item.ids for item in one.items] == [item.ids for item in other.items]
    assert len(one.items) == 8
    assert max(len(item.ids) for item in one.items) <= 64
    assert {item.hole.kind for item in one.items} >= {"inside", "rest", "line"}


def test_no_holes_are_cut_where_it_is_off_and_missing_code_is_said(tiny_model: Path) -> None:
    tokenizer = CodeTokenizer.from_folder(tiny_model)
    off = make_run(tiny_config(tiny_model, scorecard_holes=0), "off")
    assert make_scorecard(off, tokenizer, None, 512) is None
    bare = make_run(tiny_config(tiny_model), "bare")
    with pytest.raises(RunError, match="held-out code of 'bare' cannot be read"):
        make_scorecard(bare, tokenizer, None, 512)


@pytest.mark.parametrize("packed", [False, True])
def test_both_engines_find_the_same_in_whatever_rows(tiny_model: Path, packed: bool) -> None:
    config = tiny_config(tiny_model)
    run = make_run(config, "both")
    write_held_out(run)
    card, tuned = make_card(run), load_tuned(config)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    steps = FusedSteps(FusedDecoder(tuned, torch.float32, 64), as_set(config, fused=True))
    tuned.eval()
    with torch.no_grad():
        plain = card.read(lambda row: look_by_model(tuned, row, card.vocabulary))
    fused = card.read(
        lambda row: steps.look(row, card.vocabulary), room=64 if packed else 0, padded=packed
    )
    assert fused.holes == plain.holes == 8
    assert fused.exact == plain.exact
    assert fused.nll_per_char == pytest.approx(plain.nll_per_char, rel=1e-4)
    assert math.isfinite(fused.nll_per_char)


def test_before_the_first_step_it_is_the_base_as_an_evaluation_measures_it(
    tiny_model: Path,
) -> None:
    config = tiny_config(tiny_model, max_seq_len=512)
    run = make_run(config, "same")
    write_held_out(run)
    card, tuned = make_card(run), load_tuned(config)
    completer = Completer.load(config, tiny_model)
    run.adapter_dir.mkdir()
    tuned.save_pretrained(run.adapter_dir)
    adapters = Adapters(completer.adapters.base)
    adapters.load("same", run.adapter_dir)
    measurer = Measurer(completer, "same", adapters)
    format = find_format(completer.tokenizer, tiny_model, config)
    nlls = []
    for one in card.items:
        ask = Ask(one.hole.prefix, one.hole.suffix, max_tokens=8)
        truth = Truth.of(one.hole.middle, completer.tokenizer, format)
        base, _ = measurer.both(ask, truth, format)
        nlls.append(base.middle / len(one.hole.middle))
    tuned.eval()
    with torch.no_grad():
        found = card.read(lambda row: look_by_model(tuned, row, card.vocabulary))
    assert found.nll_per_char == pytest.approx(sum(nlls) / len(nlls), rel=1e-4)
