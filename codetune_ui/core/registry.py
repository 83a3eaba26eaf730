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
    opening: tuple[str, ...] = ()
    """What stands before the whole prompt, as in a chat turn: control tokens, and text between."""
    closing: tuple[str, ...] = ()
    """What stands between the middle sentinel and the middle."""
    model_types: tuple[str, ...] = ()
    """What tells this family from others with its tokens: `model_type`, or `model_type/layers`."""
    names: str = ""
    """Pattern of its repositories' names, in lower case; it counts where tokens are shared."""

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
        **{"eot": "<|endoftext|>", "stops": ("<|endoftext|>",), **rest},
    )


def _barred(name: str, label: str, **rest: Any) -> Family:
    """Build a family with the strings `<|fim_prefix|>` and so on; PSM is all they know."""
    return Family(
        name=name,
        label=label,
        prefix="<|fim_prefix|>",
        suffix="<|fim_suffix|>",
        middle="<|fim_middle|>",
        orders=("psm",),
        **rest,
    )


_QWEN_STOPS = ("<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_end|>")

_ROWS = (
    _underscored(
        "starcoder",
        "StarCoder",
        orders=("psm", "spm_v2"),
        repo="<reponame>",
        file="<filename>",
        model_types=("gpt_bigcode",),
        names=r"starcoder(?!2)",
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
        names=r"santacoder",
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
        names=r"starcoder2",
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
        names=r"code-?llama",
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
        names=r"deepseek-coder",
    ),
    _barred(
        "codegemma",
        "CodeGemma",
        eot="<|file_separator|>",
        bos="<bos>",
        file="<|file_separator|>",
        stops=("<|file_separator|>", "<eos>"),
        model_types=("gemma", "gemma2"),
        names=r"codegemma",
    ),
    _barred(
        "qwen-coder",
        "Qwen2.5-Coder",
        pad="<|fim_pad|>",
        eot="<|endoftext|>",
        repo="<|repo_name|>",
        file="<|file_sep|>",
        stops=_QWEN_STOPS,
        model_types=("qwen2", "qwen2_moe"),
        names=r"qwen2\.5-coder",
    ),
    _barred(  # it was taught in chat turns only: the hole is asked for, and filled, inside one
        "qwen3-coder",
        "Qwen3-Coder",
        pad="<|fim_pad|>",
        eot="<|im_end|>",
        repo="<|repo_name|>",
        file="<|file_sep|>",
        opening=(
            "<|im_start|>",
            "system\nYou are a code completion assistant.",
            "<|im_end|>",
            "\n",
            "<|im_start|>",
            "user\n",
        ),
        closing=("<|im_end|>", "\n", "<|im_start|>", "assistant\n"),
        stops=("<|im_end|>", "<|endoftext|>"),
        model_types=("qwen3_moe", "qwen3_next"),
        names=r"qwen3-coder",
    ),
    _underscored(
        "codeqwen",
        "CodeQwen1.5",
        orders=("psm",),
        repo="<repo_name>",
        file="<file_sep>",
        model_types=("qwen2",),
        names=r"codeqwen",
    ),
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
        names=r"codestral",
    ),
    _underscored(  # 3B and 8B are Llamas, 20B and 34B GPTBigCodes deeper than any StarCoder
        "granite-code",
        "Granite Code",
        orders=("psm",),
        repo="<reponame>",
        file="<filename>",
        model_types=("llama", "gpt_bigcode/52", "gpt_bigcode/88"),
        names=r"granite-\d+b-code",
    ),
    _underscored(
        "granite3",
        "Granite 3",
        orders=("psm",),
        eot="<|end_of_text|>",
        stops=("<|end_of_text|>",),
        model_types=("granite", "granitemoe", "granitemoeshared"),
        names=r"granite-3",
    ),
    _barred(
        "granite4",
        "Granite 4",
        pad="<|fim_pad|>",
        eot="<|end_of_text|>",
        stops=("<|end_of_text|>",),
        model_types=("granitemoehybrid", "granite", "granitemoe"),
        names=r"granite-4",
    ),
    _underscored(
        "stable-code",
        "Stable Code",
        orders=("psm",),
        model_types=("stablelm", "stablelm_epoch"),
        names=r"stable-?code",
    ),
    _underscored(
        "refact", "Refact", orders=("spm_v1",), model_types=("gpt_refact",), names=r"refact"
    ),
    _underscored(
        "mellum",
        "Mellum",
        orders=("spm_v1",),
        repo="<reponame>",
        file="<filename>",
        model_types=("llama",),
        names=r"mellum",
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
        names=r"seed-coder",
    ),
    Family(
        name="aixcoder",
        label="aiXcoder",
        prefix="▁<AIX-SPAN-PRE>",
        suffix="▁<AIX-SPAN-POST>",
        middle="▁<AIX-SPAN-MIDDLE>",
        eot="</s>",
        bos="<s>",
        orders=("spm_v2", "psm"),
        stops=("</s>",),
        names=r"aixcoder",
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ROWS}
"""Every family the app knows, by name."""
