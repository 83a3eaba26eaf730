"""Fill a hole, token by token: the prompt in one pass, then one forward per token with a cache."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk, Finish, Timings
from codetune_ui.core.config import Config
from codetune_ui.core.context import fitted
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.core.fim import Around, Mode, continued_prompt, infill_prompt
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.adapters import Adapters
from codetune_ui.engine.hardware import find_hardware, set_threads
from codetune_ui.engine.model import load_base

# Tokens of context around a hole; more is slower and hardly better. On a CPU the prompt is most of
# the wait, and a small model loses its way in a longer text than it was trained on.
PROMPT_TOKENS = {"cpu": 512, "cuda": 2048}
PREFILL_TOKENS = 512  # between two looks at whether the person still waits
TIME_LIMIT_S = 120.0
WHOLE_CHARACTER = 4  # bytes of the longest character: no more tokens than this are held back


class Completer:
    """A base model with its tokenizer and adapters; one answer at a time."""

    def __init__(
        self, base: Any, tokenizer: CodeTokenizer, format: FimFormat | None, folder: Path
    ) -> None:
        self.folder = folder
        self.tokenizer = tokenizer
        self.format = format
        self.adapters = Adapters(base)
        self.generated = 0
        """Tokens written since the start, for those who want to see that a cancel was heard."""
        self.threads = set_threads()
        self._context = int(getattr(base.config, "max_position_embeddings", 0) or 4096)
        self._most_prompt = PROMPT_TOKENS[base.device.type]
        self._takes_keep = "logits_to_keep" in inspect.signature(base.forward).parameters

    @classmethod
    def load(cls, config: Config, folder: Path) -> Completer:
        """Load the base of a config for answering: whole, and in 4 bit only if it must be."""
        tokenizer = CodeTokenizer.from_folder(folder)
        format = find_format(tokenizer, folder, config)
        device = find_hardware().device
        quant = "none" if device == "cpu" or _fits_whole(folder) else "nf4"
        base = load_base(config.replace(quant=quant), folder, device=device, training=False)
        completer = cls(base, tokenizer, format, folder)
        for _ in completer.complete(Ask("a", "b", max_tokens=2), None, threading.Event()):
            pass  # the first pass sets up kernels and threads, which can take a second
        return completer

    def complete(
        self,
        ask: Ask,
        adapter: str | None,
        cancel: threading.Event,
        format: FimFormat | None = None,
    ) -> Generator[Chunk, None, None]:
        """Yield the text as it is written; the last chunk says why it ended and what it took.

        adapter: the name of a loaded one, None for the base. format: the adapter's own, if it has
        another than the base.
        """
        began = time.perf_counter()
        format = format or self.format
        limit = max(1, min(ask.max_tokens, MAX_TOKENS, self._context // 2))
        prompt, mode = self.prompt(ask, format, limit)
        writer = _Writer(self.tokenizer, ask.stop)
        stops = _stop_ids(self.tokenizer, format)
        rng = None if ask.seed is None else torch.Generator().manual_seed(ask.seed)
        finish: Finish = "length"
        count, first = 0, 0.0
        with self.adapters.active(adapter) as model:
            for token in self._tokens(model, prompt, ask, rng, cancel):
                first = first or time.perf_counter()
                count += 1
                self.generated += 1
                if token in stops:
                    finish = "stop"
                    break
                if text := writer.add(token):
                    yield Chunk(text, count)
                if writer.stopped:
                    finish = "stop"
                if finish == "stop" or count >= limit or _late(began):
                    break
        if cancel.is_set():
            finish = "cancelled"
        ended = time.perf_counter()
        timings = Timings(
            prompt_tokens=len(prompt),
            tokens=count,
            ms_first_token=round(((first or ended) - began) * 1000, 1),
            ms_total=round((ended - began) * 1000, 1),
        )
        yield Chunk(writer.rest(), count, finish, timings, mode)

    def prompt(self, ask: Ask, format: FimFormat | None, limit: int) -> tuple[list[int], Mode]:
        """Return the ids the model reads, and in which order they were laid out."""
        room = max(1, min(self._most_prompt, self._context - limit))
        around = self._around(ask, format) if ask.path or ask.extra else None
        if format is not None and ask.suffix is not None:
            ids = infill_prompt(
                ask.prefix,
                ask.suffix,
                tokenizer=self.tokenizer,
                format=format,
                max_tokens=room,
                around=around,
            )
            return ids, "psm" if format.family.orders[0] == "psm" else "spm"
        start = self.tokenizer.bos_id if format is None else format.bos_id
        ids = continued_prompt(ask.prefix, self.tokenizer, room - 1, around)
        # An empty prompt has no last token to go on from: a document begins after the last one.
        begin = start if start is not None or ids else (self.tokenizer.eos_id or 0)
        return ([] if begin is None else [begin]) + ids, "ltr"

    def _around(self, ask: Ask, format: FimFormat | None) -> Around:
        """Return what gives a request's repository, path and files in so many tokens."""
        return lambda room: fitted(
            format,
            self.tokenizer,
            repo=ask.repo,
            path=ask.path,
            neighbours=ask.extra,
            most=room if ask.context_tokens is None else ask.context_tokens,
            room=room,
        )

    def _tokens(
        self,
        model: Any,
        prompt: list[int],
        ask: Ask,
        rng: torch.Generator | None,
        cancel: threading.Event,
    ) -> Iterator[int]:
        """Yield one token after the other for as long as somebody wants them."""
        from codetune_ui.engine.cache import roomy_cache

        torch.set_num_threads(self.threads)  # torch keeps this number per thread
        cache = roomy_cache(model.config)
        logits: Tensor | None = None
        for start in range(0, len(prompt), PREFILL_TOKENS):
            if cancel.is_set():
                return
            logits = self._forward(model, prompt[start : start + PREFILL_TOKENS], cache)
        if self.adapters.folds:
            # One token of a small model is too little work to share: a second thread gains a
            # tenth when the other core is idle, and costs ten times as much when it is not.
            torch.set_num_threads(1)
        try:
            while logits is not None and not cancel.is_set():
                token = choose(logits, ask.temperature, ask.top_p, rng)
                yield token
                logits = self._forward(model, [token], cache)
        finally:
            torch.set_num_threads(self.threads)

    @torch.inference_mode()
    def _forward(self, model: Any, ids: list[int], cache: Any) -> Tensor:
        """Return the logits (V,) after the last id."""
        keep = {"logits_to_keep": 1} if self._takes_keep else {}
        row = torch.tensor([ids], device=model.device)
        found = model(input_ids=row, past_key_values=cache, use_cache=True, **keep)
        # Embeddings are often padded beyond the vocabulary; those rows are no tokens.
        logits: Tensor = found.logits[0, -1, : self.tokenizer.vocab_size]
        return logits


def choose(logits: Tensor, temperature: float, top_p: float, rng: torch.Generator | None) -> int:
    """Pick the next token from logits (V,): the best one, or by chance when it is warm."""
    if temperature <= 0:
        return int(logits.argmax())
    # On the CPU, so that a seed gives the same text with any device.
    chances = torch.softmax(logits.float().cpu() / temperature, dim=-1)
    if top_p < 1:
        ranked, order = chances.sort(descending=True)
        beyond = ranked.cumsum(0) - ranked >= max(top_p, 1e-6)
        chances[order[beyond]] = 0
    return int(torch.multinomial(chances, 1, generator=rng))


class _Writer:
    """Turns ids into text as they come: whole characters only, and nothing past a stop string."""

    def __init__(self, tokenizer: CodeTokenizer, stop: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(text for text in stop if text)
        self._ids: list[int] = []  # not yet text: they may be half a character
        self._held = ""  # text that may be the beginning of a stop string
        self.stopped = False

    def add(self, token: int) -> str:
        """Return the text that is now certain."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids, skip_control=True, continues=True)
        if text.endswith("\ufffd") and len(self._ids) < WHOLE_CHARACTER:
            return ""
        self._ids.clear()
        return self._release(self._held + text)

    def rest(self) -> str:
        """Return what was held back, at the end of the answer."""
        if self.stopped:
            return ""
        tail = self._tokenizer.decode(self._ids, skip_control=True, continues=True)
        text = self._release(self._held + tail.rstrip("\ufffd"))
        return text if self.stopped else text + self._held

    def _release(self, text: str) -> str:
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        hold = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]


def _overlap(text: str, stop: str) -> int:
    """Return how many last characters of the text could begin the stop string."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


def _stop_ids(tokenizer: CodeTokenizer, format: FimFormat | None) -> frozenset[int]:
    found = [tokenizer.eos_id, tokenizer.bos_id]
    if format is not None:
        found += [*format.stop_ids, *format.sentinel_ids, format.pad_id, format.bos_id]
    return frozenset(token for token in found if token is not None)


def _late(began: float) -> bool:
    return time.perf_counter() - began > TIME_LIMIT_S


def _fits_whole(folder: Path) -> bool:
    """Say whether the weights fit the GPU as they lie on disk, with a fifth to spare."""
    free, _ = torch.cuda.mem_get_info()
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) * 1.2 < free
