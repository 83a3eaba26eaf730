"""llama.cpp itself, in a process of its own: `python -m tests.engine.llama_cpp MODEL [LORA]`.

Reads from stdin what is asked, as JSON: `prompts` as lists of ids, `holes` as pairs of texts,
`pieces` of text to be cut into tokens, and the `most` tokens of an answer. All answers are greedy,
and ids.
"""

from __future__ import annotations

import importlib
import json
import sys
import urllib.request
from typing import Any


def answers(model: str, lora: str | None, asked: dict[str, Any]) -> dict[str, Any]:
    """Serve a model on a free port of this machine, and ask it."""
    xllamacpp: Any = importlib.import_module("xllamacpp")  # it has no types
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx, params.n_parallel, params.port = asked.get("context", 512), 1, 0
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if lora:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(lora, 1.0)]
    server = xllamacpp.Server(params)

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(server.listening_address + path, data, headers)
        with urllib.request.urlopen(request) as reply:
            found: dict[str, Any] = json.load(reply)
            return found

    greedy: dict[str, Any] = {
        "temperature": 0,
        "top_k": 1,
        "n_predict": asked["most"],
        "cache_prompt": False,
    }
    greedy["return_tokens"] = True  # as text, half characters would be lost
    return {
        "written": [
            post("/completion", {"prompt": p, **greedy})["tokens"] for p in asked["prompts"]
        ],
        "tokens": [
            post("/tokenize", {"content": text, "parse_special": False})["tokens"]
            for text in asked["pieces"]
        ],
        "infills": [
            post("/infill", {"input_prefix": before, "input_suffix": after, **greedy})["tokens"]
            for before, after in asked["holes"]
        ],
    }


if __name__ == "__main__":
    found = answers(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None, json.load(sys.stdin))
    sys.stdout.write("\n" + json.dumps(found) + "\n")
