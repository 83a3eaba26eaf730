"""An Ollama Modelfile: the weights, a hole in the order it was trained in, and where it ends."""

from __future__ import annotations

import json

from codetune_ui.core.families import FimFormat
from codetune_ui.core.tokens import CodeTokenizer

PROMPT, SUFFIX = "{{ .Prompt }}", "{{ .Suffix }}"


def template(format: FimFormat | None) -> str:
    """Return the template; it holds `.Suffix`, by which editors see that holes can be filled."""
    if format is None:
        return PROMPT
    family = format.family
    pre, suf, mid = family.prefix, family.suffix, family.middle or ""
    orders = {
        "psm": f"{pre}{PROMPT}{suf}{SUFFIX}{mid}",
        "spm_v1": f"{suf}{SUFFIX}{pre}{PROMPT}{mid}",
        "spm_v2": f"{pre}{suf}{SUFFIX}{mid}{PROMPT}",
    }
    hole = "".join(family.opening) + orders[family.orders[0]] + "".join(family.closing)
    return f"{{{{- if .Suffix }}}}{hole}{{{{- else }}}}{PROMPT}{{{{- end }}}}"


def modelfile(gguf: str, format: FimFormat | None, tokenizer: CodeTokenizer, context: int) -> str:
    """Return the Modelfile for a GGUF file beside it. context: most tokens of prompt and answer."""
    lines = [f"FROM ./{gguf}", f'TEMPLATE """{template(format)}"""']
    lines += [
        f"PARAMETER stop {json.dumps(text, ensure_ascii=False)}"
        for text in _stops(format, tokenizer)
    ]
    lines += ["PARAMETER temperature 0", f"PARAMETER num_ctx {context}"]
    return "\n".join(lines) + "\n"


def _stops(format: FimFormat | None, tokenizer: CodeTokenizer) -> list[str]:
    ids = [tokenizer.eos_id]
    if format is not None:
        ids += [*format.stop_ids, *format.sentinel_ids]
        ids += [format.pad_id, format.file_id, format.repo_id]
    known = dict.fromkeys(token_id for token_id in ids if token_id is not None)
    return [tokenizer.token_text(token_id) for token_id in known]
