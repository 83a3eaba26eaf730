from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.context import (
    Surroundings,
    context_of,
    fitted,
    header_parts,
)
from codetune_ui.core.document import Document
from codetune_ui.core.errors import FamilyError
from codetune_ui.core.example import Cut, Example
from codetune_ui.core.families import FAMILIES, Order, find_format
from codetune_ui.core.fim import has_whole_prompt, infill_prompt, left_to_right
from codetune_ui.core.neighbours import Neighbour, Repository
from codetune_ui.core.pack import IGNORE_INDEX
from codetune_ui.core.recipe import Recipe, examples_of, of_set, rows
from tests.core.byte_level import byte_recipe, byte_tokenizer, one

NEAR = Neighbour("lib.py", "x = 1\ny = 2\n")


def recipe_for(name: str) -> Recipe:
    """Return a recipe of a family in which one neighbour, lib.py, stands around main.py."""
    recipe = byte_recipe(name, max_seq_len=512)
    assert recipe.format is not None
    files = [Document("", "main.py", "Python", ""), Document(NEAR.text, NEAR.path, "Python", "")]
    around = Surroundings(recipe.format, recipe.tokenizer, "shop", 100, Repository(files))
    return replace(recipe, around=around)


def hole(order: Order) -> Cut:
    return Cut("ABCDE", "main.py", True, order, 2, 4)


STARCODER = "<reponame>shop<filename>lib.py\nx = 1\ny = 2\n<filename>main.py\n"
QWEN = "shop\n<|file_sep|>lib.py\nx = 1\ny = 2\n<|file_sep|>main.py\n"
COMMENTS = "# lib.py\nx = 1\ny = 2\n# main.py\n"
LITERAL: list[tuple[str, Order, str]] = [
    (
        "starcoder",
        "psm",
        f"{STARCODER}<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>",
    ),
    (
        "starcoder",
        "spm_v2",
        f"{STARCODER}<fim_prefix><fim_suffix>E<fim_middle>ABCD<|endoftext|>",
    ),
    (
        "starcoder2",
        "psm",
        "<repo_name>shop<file_sep>lib.py\nx = 1\ny = 2\n<file_sep><fim_prefix>main.py\nAB"
        "<fim_suffix>E<fim_middle>CD<|endoftext|>",
    ),
    (
        "starcoder2",
        "spm_v2",
        "<repo_name>shop<file_sep>lib.py\nx = 1\ny = 2\n<file_sep><fim_prefix>"
        "<fim_suffix>E<fim_middle>main.py\nABCD<|endoftext|>",
    ),
    (
        "qwen-coder",
        "psm",
        f"<|repo_name|>{QWEN}<|fim_prefix|>AB<|fim_suffix|>E<|fim_middle|>CD<|endoftext|>",
    ),
    (
        "qwen3-coder",
        "psm",
        "<|im_start|>system\nYou are a code completion assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|repo_name|>{QWEN}<|fim_prefix|>AB<|fim_suffix|>E<|fim_middle|><|im_end|>\n"
        "<|im_start|>assistant\nCD<|im_end|>",
    ),
    (
        "codeqwen",
        "psm",
        "<repo_name>shop\n<file_sep>lib.py\nx = 1\ny = 2\n<file_sep>main.py\n"
        "<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>",
    ),
    (
        "deepseek",
        "psm",
        "<｜begin▁of▁sentence｜>#lib.py\nx = 1\ny = 2\n#main.py\n<｜fim▁begin｜>AB<｜fim▁hole｜>E"
        "<｜fim▁end｜>CD<｜end▁of▁sentence｜>",
    ),
    (
        "codegemma",
        "psm",
        "<bos><|file_separator|>lib.py\nx = 1\ny = 2\n<|file_separator|>main.py\n"
        "<|fim_prefix|>AB<|fim_suffix|>E<|fim_middle|>CD<|file_separator|>",
    ),
    (
        "granite-code",
        "psm",
        f"{STARCODER}<fim_prefix>AB<fim_suffix>E<fim_middle>CD<|endoftext|>",
    ),
    (
        "mellum",
        "spm_v1",
        "<filename>lib.py\nx = 1\ny = 2\n<filename>main.py\n"
        "<fim_suffix>E<fim_prefix>AB<fim_middle>CD<|endoftext|>",
    ),
    (
        "aixcoder",
        "psm",
        "<s>▁<AIX-SPAN-PRE># the file path is: lib.py\nx = 1\ny = 2\n# the file path is: main.py\n"
        "AB▁<AIX-SPAN-POST>E▁<AIX-SPAN-MIDDLE>CD</s>",
    ),
    (
        "aixcoder",
        "spm_v2",
        "<s>▁<AIX-SPAN-PRE>▁<AIX-SPAN-POST>E▁<AIX-SPAN-MIDDLE># the file path is: lib.py\n"
        "x = 1\ny = 2\n# the file path is: main.py\nABCD</s>",
    ),
    (
        "codestral",
        "spm_v1",
        "<s>[SUFFIX]E[PREFIX]+++++ lib.py\nx = 1\ny = 2\n\n+++++ main.py\nABCD</s>",
    ),
    (
        "santacoder",
        "psm",
        f"<fim-prefix>{COMMENTS}AB<fim-suffix>E<fim-middle>CD<|endoftext|>",
    ),
    (
        "santacoder",
        "spm_v2",
        f"<fim-prefix><fim-suffix>E<fim-middle>{COMMENTS}ABCD<|endoftext|>",
    ),
    ("codellama", "psm", f"<s>▁<PRE>{COMMENTS}AB▁<SUF>E▁<MID>CD▁<EOT>"),
    ("codellama", "spm_v2", f"<s>▁<PRE>▁<SUF>E▁<MID>{COMMENTS}ABCD▁<EOT>"),
    (
        "granite3",
        "psm",
        f"<fim_prefix>{COMMENTS}AB<fim_suffix>E<fim_middle>CD<|end_of_text|>",
    ),
    (
        "granite4",
        "psm",
        f"<|fim_prefix|>{COMMENTS}AB<|fim_suffix|>E<|fim_middle|>CD<|end_of_text|>",
    ),
    (
        "stable-code",
        "psm",
        f"<fim_prefix>{COMMENTS}AB<fim_suffix>E<fim_middle>CD<|endoftext|>",
    ),
    (
        "refact",
        "spm_v1",
        f"<fim_suffix>E<fim_prefix>{COMMENTS}AB<fim_middle>CD<|endoftext|>",
    ),
    (
        "seed-coder",
        "spm_v1",
        f"<[fim-suffix]>E<[fim-prefix]>{COMMENTS}AB<[fim-middle]>CD<eos>",
    ),
]


@pytest.mark.parametrize(("family", "order", "expected"), LITERAL)
def test_path_and_neighbour_in_every_order_of_every_family(
    family: str, order: Order, expected: str
) -> None:
    recipe = recipe_for(family)
    assert recipe.tokenizer.decode(one(hole(order), recipe).ids) == expected


def test_no_order_of_any_family_is_missing() -> None:
    wanted = {(name, order) for name, family in FAMILIES.items() for order in family.orders}
    assert {(family, order) for family, order, _ in LITERAL} == wanted


@pytest.mark.parametrize(("family", "order", "expected"), LITERAL)
def test_the_server_sends_what_training_taught(family: str, order: Order, expected: str) -> None:
    recipe = recipe_for(family)
    assert recipe.format is not None
    example = one(hole(order), recipe)

    def around(room: int) -> Any:
        return fitted(
            recipe.format,
            recipe.tokenizer,
            repo="shop",
            path="main.py",
            neighbours=[NEAR],
            most=100,
            room=room,
        )

    prompt = infill_prompt(
        "AB",
        "E",
        tokenizer=recipe.tokenizer,
        format=recipe.format,
        max_tokens=500,
        order=order,
        around=around,
    )
    assert example.ids[: len(prompt)] == prompt
    assert recipe.tokenizer.decode(prompt) == expected[: expected.rindex("CD")]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_nothing_of_the_context_carries_loss(family: str) -> None:
    recipe = recipe_for(family)
    for order in FAMILIES[family].orders:
        example = one(hole(order), recipe)
        learned = [token for token in example.labels if token != IGNORE_INDEX]
        assert recipe.tokenizer.decode(learned[:-1]) in ("ABECD", "EABCD")
        assert has_whole_prompt(example, recipe)


def test_left_to_right_reads_the_context_too_and_learns_all_of_the_file() -> None:
    recipe = recipe_for("starcoder2")
    example = one(left_to_right(hole("psm")), recipe)
    text = recipe.tokenizer.decode(example.ids)
    assert text == ("<repo_name>shop<file_sep>lib.py\nx = 1\ny = 2\n<file_sep>main.py\nABCDE<eos>")
    learned = [token for token in example.labels if token != IGNORE_INDEX]
    assert recipe.tokenizer.decode(learned) == "ABCDE<eos>"


def test_a_missing_token_of_the_layout_is_refused_at_load() -> None:
    tokenizer = byte_tokenizer(FAMILIES["starcoder2"], without="<repo_name>")
    config = Config(family="starcoder2", repo_context="path")
    format = find_format(tokenizer, Path("nowhere"), config)
    with pytest.raises(FamilyError, match="no token <repo_name>, which StarCoder2 puts"):
        Recipe.from_config(config, tokenizer, format)
    assert Recipe.from_config(config.replace(repo_context="none"), tokenizer, format).around is None


def laid_out(budget: int, *neighbours: Neighbour, path: str = "m.py") -> str:
    """Return what fits a budget with StarCoder's tokens, one a character but for the sentinels."""
    tokenizer = byte_tokenizer(FAMILIES["starcoder"])
    format = find_format(tokenizer, Path("nowhere"), Config(family="starcoder"))
    parts = header_parts(
        format, tokenizer, repo="", path=path, neighbours=neighbours, budget=budget
    )
    context = context_of(parts)
    assert context.size <= budget
    return tokenizer.decode([*context.before, *context.inside])


def test_neighbours_are_cut_at_line_ends() -> None:
    near = Neighbour("a.py", "one\ntwo\nthree\n")
    own = "<filename>m.py\n"  # six tokens
    assert laid_out(5, near) == ""
    assert laid_out(6, near) == own
    assert laid_out(6 + 6 + 3, near) == own
    assert laid_out(6 + 6 + 4, near) == f"<filename>a.py\none\n{own}"
    assert laid_out(6 + 6 + 13, near) == f"<filename>a.py\none\ntwo\n{own}"
    assert laid_out(6 + 6 + 14, near) == f"<filename>a.py\none\ntwo\nthree\n{own}"


def test_the_first_neighbour_has_the_first_of_the_room() -> None:
    first, second = Neighbour("a.py", "one\n"), Neighbour("b.py", "two\n")
    assert laid_out(16, first, second) == "<filename>a.py\none\n<filename>m.py\n"
    assert laid_out(26, first, second) == (
        "<filename>a.py\none\n<filename>b.py\ntwo\n<filename>m.py\n"
    )


def test_control_text_in_a_path_or_a_neighbour_stays_text() -> None:
    tokenizer = byte_tokenizer(FAMILIES["starcoder"])
    format = find_format(tokenizer, Path("nowhere"), Config(family="starcoder"))
    evil = Neighbour("<fim_prefix>.py", "<|endoftext|>\n")
    parts = header_parts(
        format, tokenizer, repo="<fim_middle>", path="<fim_suffix>", neighbours=[evil], budget=200
    )
    ids = [token for part in parts for token in part.ids]
    control = [token for token in ids if tokenizer.is_control(token)]
    marks = [tokenizer.token_id(name) for name in ("<reponame>", "<filename>", "<filename>")]
    assert control == marks
    assert [part.is_text for part in parts] == [False, True, False, True, True, False, True]


LINES = st.text(alphabet="ab \né", max_size=80)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, max_size=4), st.integers(0, 120))
def test_no_budget_is_ever_exceeded_and_each_neighbour_is_whole_lines(
    texts: list[str], budget: int
) -> None:
    near = [Neighbour(f"{index}", text) for index, text in enumerate(texts)]
    found = laid_out(budget, *near, path="m")
    for part in found.split("<filename>")[1:-1]:
        name, _, body = part.partition("\n")
        whole = texts[int(name)].rstrip("\n") + "\n"
        assert body
        assert whole.startswith(body)
        assert body.endswith("\n")


# --- in a whole set


CALLER = "from shop.price import total\n\n\ndef run():\n    return total(2)\n"
PRICE = "def total(count):\n    return 3 * count\n"


def document(path: str, text: str) -> Document:
    return Document(text=text, path=path, language="Python", group="shop")


def small_recipe(**changes: Any) -> Recipe:
    tokenizer = byte_tokenizer(FAMILIES["qwen-coder"])
    values = {
        "repo_context": "neighbours",
        "max_seq_len": 256,
        "source": "/home/me/shop",
        **changes,
    }
    config = Config(family="qwen-coder", **values)
    return Recipe.from_config(config, tokenizer, find_format(tokenizer, Path("nowhere"), config))


def read(recipe: Recipe, found: Example) -> str:
    return recipe.tokenizer.decode([*found.context.before, *found.context.inside])


def test_a_file_is_read_with_what_it_imports() -> None:
    files = [document("shop/run.py", CALLER), document("shop/price.py", PRICE)]
    recipe = of_set(small_recipe(), files)
    first = next(examples_of(files, recipe, 0))
    assert read(recipe, first) == (
        f"<|repo_name|>shop\n<|file_sep|>shop/price.py\n{PRICE}<|file_sep|>shop/run.py\n"
    )


def test_the_path_alone_brings_no_file() -> None:
    files = [document("shop/run.py", CALLER), document("shop/price.py", PRICE)]
    recipe = of_set(small_recipe(repo_context="path"), files)
    first = next(examples_of(files, recipe, 0))
    assert read(recipe, first) == "<|repo_name|>shop\n<|file_sep|>shop/run.py\n"


def test_context_takes_the_room_that_is_left_and_no_window_of_a_long_file_loses_its_prompt() -> (
    None
):
    long = "".join(f"value_{number} = {number}\n" for number in range(200))
    files = [document("shop/long.py", long), document("shop/price.py", PRICE * 9)]
    recipe = of_set(small_recipe(fim_rate=1.0), files)
    found = list(examples_of(files, recipe, 0))
    assert "".join(e.source for e in found if e.path == "shop/long.py") == long
    for example in found:
        assert len(example.ids) <= 256
        assert example.mode == "ltr" or has_whole_prompt(example, recipe)
        assert "<|file_sep|>shop/" in read(recipe, example)


def test_files_of_the_other_side_are_never_read() -> None:
    train = [document("shop/run.py", CALLER), document("shop/main.py", "import shop.run\n" * 3)]
    held_out = [document("shop/price.py", PRICE)]
    recipe = small_recipe(fim_rate=0.0)
    for one_side, other in ((train, held_out), (held_out, train)):
        text = "".join(
            recipe.tokenizer.decode([int(token) for token in row.ids])
            for row in rows(one_side, recipe, 0)
        )
        assert all(item.path not in text for item in other)
        assert all(item.text not in text for item in other)


def test_the_same_set_gives_the_same_rows() -> None:
    files = [document(f"shop/m{n}.py", CALLER + f"x = {n}\n") for n in range(12)]
    first = [row.ids.tolist() for row in rows(files, small_recipe(), 1)]
    again = [row.ids.tolist() for row in rows(files, small_recipe(), 1)]
    assert first == again
