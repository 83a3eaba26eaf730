"""What llama.cpp makes of our GGUF files: the same text as the adapter in memory."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.completion import Ask
from codetune_ui.core.config import Config
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.generate import Completer
from tests.engine.exporting import KINDS, build_base, export_here, exportable

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
)

MOST = 16
LAST_SENTINEL = 4  # of the tiny tokenizer; we end an answer there, llama.cpp at some of them
HOLES = [
    ("def add(left: int, right: int) -> int:\n    return ", "\n\nprint(add(1, 22))\n"),
    ("class Ledger:\n\tdef __init__(self, ", "):\n        self.name = name\n"),
    ("for index in range(", "):\n    print(index)  # größer, 值\n"),
    ("", "import json\n"),
]
PIECES = [
    "def f(x1, y23):\r\n\treturn  'é 值 🙂'\n\n\n    pass   \n",
    "a = '<fim_prefix>' + \"<|endoftext|>\"  # it's 3.14, don't",
    "\u00a0\u2003x\u0300 ½ ² ﬁ\x0b\x0c",
]


@pytest.fixture(scope="module", params=KINDS)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp(request.param), request.param)


def ask(model: Path, lora: Path | None, asked: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.engine.llama_cpp", str(model)]
    done = subprocess.run(
        [*command, *([str(lora)] if lora else [])],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def in_memory(base: Path, adapter: Path | None) -> tuple[list[list[int]], list[str]]:
    """The prompts of the holes as ids, and what the adapter beside the whole base writes."""
    completer = Completer.load(Config(base_model=str(base), quant="none"), base)
    if adapter:
        completer.adapters.load("tuned", adapter)
    prompts, texts = [], []
    for before, after in HOLES:
        one = Ask(before, after, max_tokens=MOST)
        prompts.append(completer.prompt(one, completer.format, MOST)[0])
        chunks = completer.complete(one, "tuned" if adapter else None, threading.Event())
        texts.append("".join(chunk.text for chunk in chunks))
    return prompts, [whole(text) for text in texts]


def whole(text: str) -> str:
    """Without what may be the first half of a character, which we never show."""
    return text.rstrip("\ufffd")


def test_llama_cpp_writes_what_the_adapter_writes(base: Path, home: Path, tmp_path: Path) -> None:
    run = exportable(home, base, quant="none")
    export_here(run, "gguf", tmp_path / "out", quant="f32")
    prompts, texts = in_memory(base, run.adapter_dir)
    asked = {"most": MOST, "prompts": prompts, "pieces": PIECES, "holes": HOLES}
    found = ask(tmp_path / "out" / "tuned-f32.gguf", None, asked)
    assert len(set(texts)) == len(HOLES)
    tokenizer = CodeTokenizer.from_folder(base)
    assert spelled(found["written"], tokenizer) == texts
    # laid out by llama.cpp itself, from the FIM keys
    assert spelled(found["infills"], tokenizer) == texts
    assert found["tokens"] == tokenizer.encode_batch(PIECES)


def test_llama_cpp_adds_the_adapter_to_the_base(base: Path, home: Path, tmp_path: Path) -> None:
    run = exportable(home, base, quant="none")
    nothing = exportable(home, base, "nothing", quant="none")
    empty_adapter(nothing.adapter_dir)
    export_here(nothing, "gguf", tmp_path / "base", quant="f32")
    export_here(run, "gguf-adapter", tmp_path / "lora", quant="f32")
    prompts, texts = in_memory(base, run.adapter_dir)
    asked = {"most": MOST, "prompts": prompts, "pieces": [], "holes": []}
    model, lora = tmp_path / "base" / "nothing-f32.gguf", tmp_path / "lora" / "tuned-lora-f32.gguf"
    tokenizer = CodeTokenizer.from_folder(base)
    assert spelled(ask(model, lora, asked)["written"], tokenizer) == texts
    bare = spelled(ask(model, None, asked)["written"], tokenizer)
    assert bare == in_memory(base, None)[1] != texts


def spelled(written: list[list[int]], tokenizer: CodeTokenizer) -> list[str]:
    answers = [takewhile(lambda token: token > LAST_SENTINEL, ids) for ids in written]
    return [whole(tokenizer.decode(list(ids), skip_control=True)) for ids in answers]


def empty_adapter(folder: Path) -> None:
    """Make an adapter add nothing."""
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    save_file({name: value * 0 for name, value in load_file(path).items()}, path)
