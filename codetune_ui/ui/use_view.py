"""What the Use tab says of exports, as HTML; all texts are escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codetune_ui.core.export import FORMATS, QUANTS, Format
from codetune_ui.ui import words
from codetune_ui.ui.code_view import escape
from codetune_ui.ui.evaluate_view import TONES, percent, when

NAMES: dict[Format, str] = {
    "adapter": "Adapter",
    "merged": "Merged model",
    "gguf": "GGUF",
    "gguf-adapter": "GGUF adapter",
    "ollama": "Ollama",
}
FOR: dict[Format, str] = {  # one plain line each
    "adapter": "The adapter alone, a few MB. For PEFT and transformers, beside its base.",
    "merged": "A whole model, adapter included. For vLLM, TGI, transformers.",
    "gguf": "A whole model in one file. For llama.cpp and LM Studio.",
    "gguf-adapter": "The adapter for llama.cpp, beside a GGUF of its base.",
    "ollama": "A GGUF with its Modelfile: ollama create, and it is there.",
}
PRECISIONS = {
    "": "As the base has it",
    "q8_0": "8 bit (q8_0), the usual one",
    "q5_1": "5 bit (q5_1)",
    "q5_0": "5 bit (q5_0)",
    "q4_1": "4 bit (q4_1)",
    "q4_0": "4 bit (q4_0), the smallest",
    "bf16": "16 bit (bf16)",
    "f16": "16 bit (f16)",
    "f32": "32 bit (f32)",
}


# --- the form


def formats() -> str:
    """Return the kinds of export to choose from, one plain line each."""
    return "".join(
        f'<label class="us-format"><input type="radio" name="us-format" value="{name}"'
        f"{' checked' if name == 'adapter' else ''}><span><b>{escape(NAMES[name])}</b>"
        f"<small>{escape(FOR[name])}</small></span></label>"
        for name in FORMATS
    )


def precisions() -> dict[str, list[tuple[str, str]]]:
    """Return for each format its number formats as (value, words); the usual one first."""
    return {name: [(one, PRECISIONS[one]) for one in _offered(name)] for name in FORMATS}


def _offered(name: Format) -> tuple[str, ...]:
    return ("", *QUANTS[name]) if name == "merged" else QUANTS[name]


# --- is it good enough?


def standing(evaluation: Mapping[str, Any] | None, asked: str) -> str:
    """Return in a few words what is known of a run: its verdict, or that there is none.

    asked: what is to be asked before its export; empty for nothing.
    """
    if evaluation is None or "older than" in asked:
        text = "Not evaluated yet" if evaluation is None else "Trained on since its evaluation"
        return f'<span class="us-standing none">{text}</span>'
    verdict = str(evaluation["verdict"])
    base, adapter = (evaluation.get(side) or {} for side in ("base", "adapter"))
    figures = f"{percent(base.get('exact_match'))} → {percent(adapter.get('exact_match'))} exact"
    return (
        f'<span class="us-standing {TONES.get(verdict, "same")}"><b>{escape(_sentence(verdict))}'
        f"</b> {figures}, {evaluation.get('holes', 0)} holes</span>"
    )


def _sentence(verdict: str) -> str:
    told = {"better": "Better than its base", "worse": "Worse than its base"}
    return told.get(verdict, "No clear difference from its base")


# --- earlier exports


def earlier(known: Sequence[Mapping[str, Any]]) -> str:
    """Return what a run was exported as, the newest first."""
    return "".join(_one(one) for one in known)


def _one(one: Mapping[str, Any]) -> str:
    place = str(one.get("url") or one["to"])
    check = one.get("check") or {}
    gone = "" if one["there"] else '<span class="us-gone">moved or deleted</span>'
    facts = [when(float(one["created"])), _size(one)]
    return (
        f'<article class="us-one{"" if one["there"] else " gone"}"><header>'
        f"<b>{escape(_kind(one))}</b><span>{escape(' · '.join(facts))}</span>{gone}</header>"
        f'<p class="us-check {_tone(check)}">{escape(str(check.get("sentence", "")))}</p>'
        f'<div class="us-place"><code title="{escape(place)}">{escape(place)}</code>'
        f'<button type="button" class="mini" data-copy="{escape(place)}">Copy path</button>'
        "</div></article>"
    )


def _kind(one: Mapping[str, Any]) -> str:
    name = str(one.get("format", ""))
    label = next((NAMES[known] for known in FORMATS if known == name), name)
    return f"{label} · {one['quant']}" if one.get("quant") else label


def _size(one: Mapping[str, Any]) -> str:
    return words.size(sum(int(file.get("bytes", 0)) for file in (one.get("files") or {}).values()))


def _tone(check: Mapping[str, Any]) -> str:
    """Return how an opened export answers: same as the adapter, alike, or different."""
    answers = str(check.get("answers", ""))
    return answers if answers in ("same", "alike", "different") else ""
