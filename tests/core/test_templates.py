from __future__ import annotations

import pytest

from codetune_ui.core.families import FAMILIES
from codetune_ui.core.templates import read_template


@pytest.mark.parametrize("name", FAMILIES)
def test_a_prompt_in_any_family_s_tokens_is_read_back(name: str) -> None:
    family = FAMILIES[name]
    pre, suf, mid = family.prefix, family.suffix, family.middle or ""
    prompts = {
        "psm": f"{pre}a = {suf}\nb{mid}",
        "spm_v1": f"{suf}\nb{pre}a = {mid}",
        "spm_v2": f"{pre}{suf}\nb{mid}a = ",
    }
    assert [read_template(prompts[order]) for order in family.orders] == (
        [("a = ", "\nb")] * len(family.orders)
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "<PRE> a =  <SUF>\nb <MID>",
        "[SUFFIX]\nb[PREFIX]a = ",
        "<｜fim▁begin｜>a = <｜fim▁hole｜>\nb<｜fim▁end｜>",
        "<|fim_prefix|>a = <|fim_suffix|>\nb<|fim_middle|>",
    ],
)
def test_what_zed_writes_is_read_back(prompt: str) -> None:
    assert read_template(prompt) == ("a = ", "\nb")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "x = '<fim_prefix>' + '<fim_suffix>' + '<fim_middle>'",
        "<fim_prefix>a<fim_suffix>b",
        "<fim_prefix>a<fim_middle>",
        "<fim_prefix>a<|fim_suffix|>b<fim_middle>",
    ],
)
def test_any_other_text_is_no_template(prompt: str) -> None:
    assert read_template(prompt) is None
