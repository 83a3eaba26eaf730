"""The registry of FIM formats: which tokens, in which order, a family was pretrained to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Order = Literal["psm", "spm_v1", "spm_v2"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What one family of models was pretrained to read around a hole.

    psm      PRE prefix SUF suffix MID middle EOT
    spm_v1   SUF suffix PRE prefix MID middle EOT
    spm_v2   PRE SUF suffix MID prefix middle EOT

    `orders[0]` is the one that is served. An end of "eos" and a start of "auto" ask the tokenizer.
    """

    name: str
    label: str
    prefix: str
    suffix: str
    middle: str | None
    eot: str
    orders: tuple[Order, ...]
    pad: str | None = None
    bos: str | None = None
    repo: str | None = None
    file: str | None = None
    stops: tuple[str, ...] = ()
    path_inside_prefix: bool = False
    """The path of a file stands after the prefix sentinel, not before it."""
    joint_prefix_middle: bool = False
    """In spm_v2, prefix and middle were encoded as one text; elsewhere apart, and joined."""
    model_types: tuple[str, ...] = ()
    """`model_type` values that tell this family from others with the same tokens."""

    @property
    def sentinels(self) -> tuple[str, ...]:
        """Texts of the tokens that open a part: prefix, suffix and, where there is one, middle."""
        return tuple(token for token in (self.prefix, self.suffix, self.middle) if token)


def _underscored(name: str, label: str, **rest: Any) -> Family:
    """Build a family with StarCoder's strings, which many share."""
    return Family(
        name=name,
        label=label,
        prefix="<fim_prefix>",
        suffix="<fim_suffix>",
        middle="<fim_middle>",
        pad="<fim_pad>",
        eot="<|endoftext|>",
        **{"stops": ("<|endoftext|>",), **rest},
    )


def _barred(name: str, label: str, **rest: Any) -> Family:
    """Build a family with the strings `<|fim_prefix|>` and so on, PSM only."""
    return Family(
        name=name,
        label=label,
        prefix="<|fim_prefix|>",
        suffix="<|fim_suffix|>",
        middle="<|fim_middle|>",
        orders=("psm",),
        **rest,
    )


_ROWS = (
    _underscored(
        "starcoder",
        "StarCoder",
        orders=("psm", "spm_v2"),
        repo="<reponame>",
        file="<filename>",
        model_types=("gpt_bigcode",),
    ),
    Family(
        name="santacoder",
        label="SantaCoder",
        prefix="<fim-prefix>",
        suffix="<fim-suffix>",
        middle="<fim-middle>",
        pad="<fim-pad>",
        eot="<|endoftext|>",
        orders=("psm", "spm_v2"),
        stops=("<|endoftext|>",),
    ),
    _underscored(
        "starcoder2",
        "StarCoder2",
        orders=("psm", "spm_v2"),
        repo="<repo_name>",
        file="<file_sep>",
        path_inside_prefix=True,
        stops=("<|endoftext|>", "<file_sep>"),
        model_types=("starcoder2",),
    ),
    Family(
        name="codellama",
        label="Code Llama",
        prefix="▁<PRE>",
        suffix="▁<SUF>",
        middle="▁<MID>",
        eot="▁<EOT>",
        bos="<s>",
        orders=("psm", "spm_v2"),
        stops=("▁<EOT>",),
        joint_prefix_middle=True,
    ),
    Family(
        name="deepseek",
        label="DeepSeek-Coder",
        prefix="<｜fim▁begin｜>",
        suffix="<｜fim▁hole｜>",
        middle="<｜fim▁end｜>",
        eot="<｜end▁of▁sentence｜>",
        bos="<｜begin▁of▁sentence｜>",
        orders=("psm",),
        stops=("<｜end▁of▁sentence｜>",),
    ),
    _barred(
        "codegemma",
        "CodeGemma",
        eot="<|file_separator|>",
        bos="<bos>",
        file="<|file_separator|>",
        stops=("<|file_separator|>", "<eos>"),
        model_types=("gemma", "gemma2"),
    ),
    _barred(
        "qwen-coder",
        "Qwen-Coder",
        pad="<|fim_pad|>",
        eot="<|endoftext|>",
        repo="<|repo_name|>",
        file="<|file_sep|>",
        stops=("<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_end|>"),
        model_types=("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next"),
    ),
    _barred(
        "granite4",
        "Granite 4",
        pad="<|fim_pad|>",
        eot="<|end_of_text|>",
        stops=("<|end_of_text|>",),
        model_types=("granitemoehybrid", "granite", "granitemoe"),
    ),
    _underscored(
        "granite-code",
        "Granite Code",
        orders=("psm",),
        repo="<reponame>",
        file="<filename>",
        model_types=("llama",),
    ),
    Family(
        name="seed-coder",
        label="Seed-Coder",
        prefix="<[fim-prefix]>",
        suffix="<[fim-suffix]>",
        middle="<[fim-middle]>",
        eot="eos",
        bos="auto",
        orders=("spm_v1",),
        stops=("eos",),
    ),
    _underscored(
        "mellum",
        "Mellum",
        orders=("spm_v1",),
        repo="<reponame>",
        file="<filename>",
        model_types=("llama",),
    ),
    _underscored("refact", "Refact", orders=("spm_v1",), model_types=("gpt_refact",)),
    Family(
        name="codestral",
        label="Codestral",
        prefix="[PREFIX]",
        suffix="[SUFFIX]",
        middle=None,
        eot="</s>",
        bos="<s>",
        orders=("spm_v1",),
        stops=("</s>",),
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ROWS}
"""Every family the app knows, by name."""
