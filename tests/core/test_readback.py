from __future__ import annotations

from collections.abc import Iterator

import pytest

from codetune_ui.core.example import Cut
from codetune_ui.core.families import FAMILIES
from codetune_ui.core.fim import compose
from codetune_ui.core.readback import in_document_order
from tests.core.byte_level import byte_recipe


def families_and_orders() -> Iterator[tuple[str, str | None]]:
    for name, family in FAMILIES.items():
        yield name, None
        yield from ((name, order) for order in family.orders)


@pytest.mark.parametrize(("family", "order"), list(families_and_orders()))
def test_an_example_s_code_is_read_back_as_it_stood_in_the_file(
    family: str, order: str | None
) -> None:
    recipe = byte_recipe(family)
    start, end = (9, 9) if order is None else (2, 5)
    (example,) = compose([Cut("AB CD EFG", "a.py", True, order, start, end)], recipe)  # type: ignore[arg-type]
    assert example is not None
    found = in_document_order(example.ids, recipe.tokenizer, recipe.format)
    assert found == "AB CD EFG"


def test_without_a_format_the_tokens_are_the_code() -> None:
    tokenizer = byte_recipe("starcoder").tokenizer
    assert in_document_order(tokenizer.encode("a = 1\n"), tokenizer, None) == "a = 1\n"
