from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.families import FAMILIES, FimFormat, Order, find_format
from codetune_ui.core.fim import (
    Cut,
    compose,
    has_whole_prompt,
    infill_prompt,
    make_example,
)
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.recipe import Recipe
from codetune_ui.core.tokens import CodeTokenizer
from tests.core.byte_level import byte_recipe, byte_tokenizer, one

CODE = "def area(r):\n    return 3.14 * r * r\n\n\nprint(area(2))\n"


def format_of(recipe: Recipe) -> FimFormat:
    assert recipe.format is not None
    return recipe.format


def hole(order: Order, start: int = 2, end: int = 4, text: str = "ABCDE") -> Cut:
    return Cut(text, "a.py", True, order, start, end)


@pytest.mark.parametrize(
    ("family", "order", "expected"),
    [
        ("starcoder", "psm", "<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>"),
        ("starcoder", "spm_v2", "<fim_prefix><fim_suffix>E<fim_middle>ABCD<|endoftext|>"),
        ("santacoder", "psm", "<fim-prefix>AB<fim-suffix>E<fim-middle>CD<|endoftext|>"),
        ("santacoder", "spm_v2", "<fim-prefix><fim-suffix>E<fim-middle>ABCD<|endoftext|>"),
        ("starcoder2", "psm", "<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>"),
        ("starcoder2", "spm_v2", "<fim_prefix><fim_suffix>E<fim_middle>ABCD<|endoftext|>"),
        ("codellama", "psm", "<s>▁<PRE>AB▁<SUF>E▁<MID>CD▁<EOT>"),
        ("codellama", "spm_v2", "<s>▁<PRE>▁<SUF>E▁<MID>ABCD▁<EOT>"),
        (
            "deepseek",
            "psm",
            "<｜begin▁of▁sentence｜><｜fim▁begin｜>AB<｜fim▁hole｜>E<｜fim▁end｜>CD"
            "<｜end▁of▁sentence｜>",
        ),
        (
            "codegemma",
            "psm",
            "<bos><|fim_prefix|>AB<|fim_suffix|>E<|fim_middle|>CD<|file_separator|>",
        ),
        ("qwen-coder", "psm", "<|fim_prefix|>AB<|fim_suffix|>E<|fim_middle|>CD<|endoftext|>"),
        (
            "qwen3-coder",
            "psm",
            "<|im_start|>system\nYou are a code completion assistant.<|im_end|>\n"
            "<|im_start|>user\n<|fim_prefix|>AB<|fim_suffix|>E<|fim_middle|><|im_end|>\n"
            "<|im_start|>assistant\nCD<|im_end|>",
        ),
        ("codeqwen", "psm", "<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>"),
        ("granite3", "psm", "<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|end_of_text|>"),
        ("granite4", "psm", "<|fim_prefix|>AB<|fim_suffix|>E<|fim_middle|>CD<|end_of_text|>"),
        ("stable-code", "psm", "<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>"),
        ("aixcoder", "psm", "<s>▁<AIX-SPAN-PRE>AB▁<AIX-SPAN-POST>E▁<AIX-SPAN-MIDDLE>CD</s>"),
        ("aixcoder", "spm_v2", "<s>▁<AIX-SPAN-PRE>▁<AIX-SPAN-POST>E▁<AIX-SPAN-MIDDLE>ABCD</s>"),
        ("granite-code", "psm", "<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>"),
        ("seed-coder", "spm_v1", "<[fim-suffix]>E<[fim-prefix]>AB<[fim-middle]>CD<eos>"),
        ("mellum", "spm_v1", "<fim_suffix>E<fim_prefix>AB<fim_middle>CD<|endoftext|>"),
        ("refact", "spm_v1", "<fim_suffix>E<fim_prefix>AB<fim_middle>CD<|endoftext|>"),
        ("codestral", "spm_v1", "<s>[SUFFIX]E[PREFIX]ABCD</s>"),
    ],
)
def test_every_order_of_every_family(family: str, order: Order, expected: str) -> None:
    recipe = byte_recipe(family)
    assert order in FAMILIES[family].orders
    assert recipe.tokenizer.decode(one(hole(order), recipe).ids) == expected


def test_every_trained_order_has_its_expected_sequence() -> None:
    marks = test_every_order_of_every_family.pytestmark  # type: ignore[attr-defined]
    listed = {(family, order) for family, order, _ in marks[0].args[1]}
    assert listed == {(name, order) for name, row in FAMILIES.items() for order in row.orders}


def test_all_tokens_carry_loss_but_the_sentinels() -> None:
    recipe = byte_recipe("deepseek")
    example = one(hole("psm"), recipe)
    words = [recipe.tokenizer.decode([t]) if t != IGNORE_INDEX else "·" for t in example.labels]
    assert words == ["·", "·", "A", "B", "·", "E", "·", "C", "D", "<｜end▁of▁sentence｜>"]


def test_loss_on_the_middle_is_on_the_middle_and_its_end() -> None:
    recipe = byte_recipe("starcoder", loss_on="middle")
    for order in ("psm", "spm_v2"):
        example = one(hole(order), recipe)
        learned = [token for token in example.labels if token != IGNORE_INDEX]
        assert recipe.tokenizer.decode(learned) == "CD<|endoftext|>"
        assert example.labels[-3:] == example.ids[-3:]


def test_an_empty_middle_still_teaches_where_to_stop() -> None:
    recipe = byte_recipe("starcoder", loss_on="middle")
    example = one(hole("psm", 2, 2), recipe)
    assert [token for token in example.labels if token != IGNORE_INDEX] == [example.ids[-1]]


def test_left_to_right_ends_only_where_the_document_ends() -> None:
    recipe = byte_recipe("codellama", fim_rate=0.0, loss_on="middle")
    rng = random.Random(0)
    whole = make_example("ABC", recipe=recipe, rng=rng, path="a", ends_document=True)
    part = make_example("ABC", recipe=recipe, rng=rng, path="a", ends_document=False)
    assert recipe.tokenizer.decode(whole.ids) == "<s>ABC<eos>"
    assert recipe.tokenizer.decode(part.ids) == "<s>ABC"
    assert whole.labels == [IGNORE_INDEX, *whole.ids[1:]]
    assert (whole.mode, whole.prefix, whole.middle, whole.suffix) == ("ltr", "ABC", "", "")


def test_without_a_format_every_example_is_left_to_right() -> None:
    recipe = byte_recipe("starcoder", format=None)
    example = make_example(CODE, recipe=recipe, rng=random.Random(0), path="a", ends_document=True)
    assert example.mode == "ltr"
    assert recipe.tokenizer.decode(example.ids) == CODE + "<eos>"


def test_the_first_token_of_an_example_carries_no_loss() -> None:
    for name in FAMILIES:
        for rate in (0.0, 1.0):
            example = make_example(
                CODE,
                recipe=byte_recipe(name, fim_rate=rate),
                rng=random.Random(1),
                path="a",
                ends_document=True,
            )
            assert example.labels[0] == IGNORE_INDEX


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    name=st.sampled_from(list(FAMILIES)),
    span=st.sampled_from(["characters", "rest_of_line", "lines", "syntax", "mixed"]),
    seed=st.integers(),
)
@settings(max_examples=150)
def test_the_parts_are_the_text_and_their_ids_decode_back(
    text: str, name: str, span: str, seed: int
) -> None:
    recipe = RECIPES.setdefault(name, byte_recipe(name, max_seq_len=400))
    example = make_example(
        text,
        recipe=replace(recipe, span=span),
        rng=random.Random(seed),
        path="a.py",
        ends_document=True,
    )
    assert example.prefix + example.middle + example.suffix == example.source == text
    decode = recipe.tokenizer.decode
    format = format_of(recipe)
    assert [example.ids.count(token) for token in format.sentinel_ids] == [1] * len(
        format.sentinel_ids
    )
    frame = (*format.opening_ids, *format.closing_ids)
    assert example.ids.count(format.eot_id) == 1 + frame.count(format.eot_id)
    assert example.ids[-1] == example.labels[-1] == format.eot_id
    end = len(example.ids) - 1
    assert decode(example.ids[end - example.middle_tokens : end]) == example.middle
    assert (
        example.labels[end - example.middle_tokens : end]
        == (example.ids[end - example.middle_tokens : end])
    )
    head, tail = (
        decode(ids, skip_control=True) for ids in (format.opening_ids, format.closing_ids)
    )
    assert decode(example.ids, skip_control=True) == (
        head + example.prefix + example.suffix + tail + example.middle
        if example.order == "psm"
        else example.suffix + example.prefix + example.middle
    )


RECIPES: dict[str, Recipe] = {}


def test_control_text_in_code_is_text_and_not_a_sentinel() -> None:
    recipe = byte_recipe("starcoder")
    example = one(hole("psm", 12, 15, "<fim_prefix>a = <|endoftext|>"), recipe)
    assert example.ids.count(format_of(recipe).prefix_id) == 1
    assert example.ids.count(format_of(recipe).eot_id) == 1


def test_too_long_a_prompt_loses_its_far_ends_three_to_one_and_never_the_middle() -> None:
    recipe = byte_recipe("starcoder", max_seq_len=40)
    text = "p" * 50 + "MIDDLE" + "s" * 50
    example = one(hole("psm", 50, 56, text), recipe)
    assert len(example.ids) == 40
    assert (example.prefix, example.middle, example.suffix) == ("p" * 22, "MIDDLE", "s" * 8)
    assert example.source == text


@pytest.mark.parametrize(
    ("prefix", "suffix", "kept"),
    [(50, 2, (28, 2)), (3, 50, (3, 27)), (50, 50, (22, 8))],
)
def test_room_that_one_side_does_not_need_goes_to_the_other(
    prefix: int, suffix: int, kept: tuple[int, int]
) -> None:
    text = "p" * prefix + "MIDDLE" + "s" * suffix
    example = one(hole("psm", prefix, prefix + 6, text), byte_recipe("starcoder", max_seq_len=40))
    assert (example.prefix_tokens, example.suffix_tokens) == kept


def test_a_far_end_is_cut_between_characters() -> None:
    recipe = byte_recipe("starcoder", max_seq_len=40)
    example = one(hole("psm", 20, 21, "é" * 20 + "M" + "🦀" * 20), recipe)
    assert len(example.ids) <= 40
    assert set(example.prefix) == {"é"}
    assert set(example.suffix) == {"🦀"}


def test_a_middle_longer_than_a_row_is_told_left_to_right_or_refused() -> None:
    recipe = byte_recipe("starcoder", max_seq_len=20)
    assert compose([hole("psm", 0, 18, "x" * 18)], recipe) == [None]
    example = make_example(
        "x" * 18,
        recipe=replace(recipe, span="lines"),
        rng=random.Random(0),
        path="a",
        ends_document=True,
    )
    assert example.mode == "ltr"
    with pytest.raises(ConfigError, match="40 characters do not fit a row of 20 tokens"):
        make_example(
            "x" * 40,
            recipe=replace(recipe, span="lines"),
            rng=random.Random(0),
            path="a",
            ends_document=True,
        )


@pytest.mark.parametrize(
    "name",
    [
        "deepseek",
        "codegemma",
        "qwen-coder",
        "qwen3-coder",
        "codeqwen",
        "granite-code",
        "granite3",
        "granite4",
        "stable-code",
    ],
)
def test_a_model_that_knows_psm_only_is_never_told_spm(name: str) -> None:
    assert modes(byte_recipe(name, spm_rate=1.0), 50) == {"psm": 50}


@pytest.mark.parametrize("name", ["mellum", "refact", "seed-coder", "codestral"])
def test_a_model_that_knows_spm_only_is_never_told_psm(name: str) -> None:
    assert modes(byte_recipe(name, spm_rate=0.0), 50) == {"spm": 50}


def test_modes_come_at_their_rates() -> None:
    found = modes(byte_recipe("starcoder", fim_rate=0.7, spm_rate=0.25), 4000)
    assert 1110 < found["ltr"] < 1290
    assert 640 < found["spm"] < 760
    assert 2000 < found["psm"] < 2200


def modes(recipe: Recipe, count: int) -> dict[str, int]:
    rng = random.Random(0)
    found: dict[str, int] = {}
    for _ in range(count):
        example = make_example("ab\ncd\n", recipe=recipe, rng=rng, path="a", ends_document=True)
        found[example.mode] = found.get(example.mode, 0) + 1
    return found


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_trained_prompt_is_the_served_prompt(name: str) -> None:
    recipe = byte_recipe(name)
    for order in FAMILIES[name].orders:
        example = one(hole(order), recipe)
        prompt = infill_prompt(
            "AB",
            "E",
            tokenizer=recipe.tokenizer,
            format=format_of(recipe),
            max_tokens=256,
            order=order,
        )
        assert example.ids == [*prompt, *recipe.tokenizer.encode("CD"), example.ids[-1]]


def test_the_first_order_of_a_family_is_the_one_that_is_served() -> None:
    recipe = byte_recipe("mellum")
    prompt = infill_prompt(
        "AB", "E", tokenizer=recipe.tokenizer, format=format_of(recipe), max_tokens=99
    )
    assert recipe.tokenizer.decode(prompt) == "<fim_suffix>E<fim_prefix>AB<fim_middle>"


@given(st.integers(0, 80), st.integers(0, 80), st.integers(3, 60))
@settings(max_examples=60)
def test_a_served_prompt_fits_and_keeps_what_is_next_to_the_hole(
    before: int, after: int, most: int
) -> None:
    recipe = RECIPES.setdefault("starcoder", byte_recipe("starcoder", max_seq_len=400))
    prompt = infill_prompt(
        "p" * before,
        "s" * after,
        tokenizer=recipe.tokenizer,
        format=format_of(recipe),
        max_tokens=most,
    )
    assert len(prompt) == min(most, before + after + 3)


def joint_recipe() -> Recipe:
    """Return a Code Llama whose tokenizer merges `ab`."""
    tokenizer = byte_tokenizer(FAMILIES["codellama"])
    description = json.loads(tokenizer_text(tokenizer))
    description["model"]["vocab"]["ab"] = 600
    description["model"]["merges"] = [["a", "b"]]
    merged = CodeTokenizer(description, "<eos>")
    format = find_format(merged, Path("nowhere"), Config(family="codellama"))
    return replace(byte_recipe("codellama"), tokenizer=merged, format=format, loss_on="middle")


def tokenizer_text(tokenizer: CodeTokenizer) -> str:
    text: str = tokenizer._decoder.to_str()
    return text


def test_code_llama_encodes_prefix_and_middle_as_one_text() -> None:
    recipe = joint_recipe()
    cut = hole("spm_v2", 2, 4, "xabyz")  # the cut falls between a and b
    example = one(cut, recipe)
    texts = [recipe.tokenizer.token_text(token) for token in example.ids]
    assert texts == ["<s>", "▁<PRE>", "▁<SUF>", "z", "▁<MID>", "x", "ab", "y", "▁<EOT>"]
    learned = [t for t, label in zip(texts, example.labels, strict=True) if label != IGNORE_INDEX]
    assert learned == ["ab", "y", "▁<EOT>"]


def test_other_families_encode_prefix_and_middle_apart() -> None:
    recipe = joint_recipe()
    example = one(hole("psm", 2, 4, "xabyz"), recipe)
    texts = [recipe.tokenizer.token_text(token) for token in example.ids]
    assert texts == ["<s>", "▁<PRE>", "x", "a", "▁<SUF>", "z", "▁<MID>", "b", "y", "▁<EOT>"]


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_whole_prompt_is_read_back_from_the_tokens(name: str) -> None:
    recipe = byte_recipe(name)
    for order in FAMILIES[name].orders:
        example = one(hole(order), recipe)
        assert has_whole_prompt(example, recipe)
        assert not has_whole_prompt(replace(example, ids=example.ids[:-1]), recipe)
        assert not has_whole_prompt(replace(example, ids=example.ids[1:]), recipe)


def test_a_prompt_that_lost_its_far_end_is_not_whole() -> None:
    recipe = byte_recipe("starcoder", max_seq_len=40)
    example = one(hole("psm", 50, 56, "p" * 50 + "MIDDLE" + "s" * 50), recipe)
    assert not has_whole_prompt(example, recipe)


def test_text_without_a_hole_has_no_prompt() -> None:
    recipe = byte_recipe("starcoder", fim_rate=0.0)
    example = make_example("ab", recipe=recipe, rng=random.Random(0), path="a", ends_document=True)
    assert not has_whole_prompt(example, recipe)
