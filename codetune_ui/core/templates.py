"""A prompt that an editor has already written in some family's tokens, read back as a hole.

Some editors (Zed, Twinny) know no suffix: they write the tokens into the text, in the order they
think the model reads. Such a prompt is told by its shape alone: it begins with a family's token,
and ends as that family's prompts do. It becomes prefix and suffix again, and is then laid out as the
model was trained, from ids; so an editor set to another family's order does no harm, and no text
ever becomes a control token. A prompt of any other shape is text that is simply continued.
"""

from __future__ import annotations

from codetune_ui.core.registry import FAMILIES, Family

# As editors spell them where they differ from the tokenizer's own tokens: Zed's crates of 2026
# write Code Llama and Codestral so (zed, crates/edit_prediction/src/fim.rs).
SPELLED = (
    ("<PRE> ", " <SUF>", " <MID>"),
    ("[PREFIX]", "[SUFFIX]", ""),
)


def read_template(prompt: str) -> tuple[str, str] | None:
    """Return prefix and suffix of a prompt that is written in a family's tokens, or None.

    >>> read_template("<fim_prefix>a = <fim_suffix>; b<fim_middle>")
    ('a = ', '; b')
    >>> read_template("<fim_prefix><fim_suffix>; b<fim_middle>a = ")
    ('a = ', '; b')
    >>> read_template("x = '<fim_prefix>'") is None
    True
    """
    for prefix, suffix, middle in _spellings():
        found = _read(prompt, prefix, suffix, middle)
        if found is not None:
            return found
    return None


def _spellings() -> list[tuple[str, str, str]]:
    own = [_tokens(family) for family in FAMILIES.values()]
    return list(dict.fromkeys([*own, *SPELLED]))


def _tokens(family: Family) -> tuple[str, str, str]:
    return family.prefix, family.suffix, family.middle or ""


def _read(prompt: str, pre: str, suf: str, mid: str) -> tuple[str, str] | None:
    if prompt.startswith(pre + suf) and mid:  # spm_v2
        after, found, before = prompt.removeprefix(pre + suf).partition(mid)
        return (before, after) if found else None
    if prompt.startswith(pre) and mid and prompt.endswith(mid):  # psm
        before, found, after = prompt[len(pre) : -len(mid)].partition(suf)
        return (before, after) if found else None
    if prompt.startswith(suf) and prompt.endswith(mid):  # spm_v1
        inner = prompt[len(suf) : len(prompt) - len(mid)]
        after, found, before = inner.partition(pre)
        return (before, after) if found else None
    return None
