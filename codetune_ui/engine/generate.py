"""Fill holes, token by token: a prompt in one pass, then a step per token with a cache.

The common code models are written with by `fused.decode`, several answers side by side; the others
as transformers has them, one after the other.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk
from codetune_ui.core.config import Config
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.core.fim import Mode
from codetune_ui.core.prompt import prompt_ids, stop_ids
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.adapters import Adapters, size_gib
from codetune_ui.engine.answer import Answer, Job
from codetune_ui.engine.fused.build import UnfitError
from codetune_ui.engine.fused.decode import ROWS, Decoder
from codetune_ui.engine.fused.prompts import Prompt
from codetune_ui.engine.hardware import find_hardware, set_threads
from codetune_ui.engine.model import load_base

# Tokens of context around a hole; more is slower and hardly better. On a CPU the prompt is most of
# the wait, and a small model loses its way in a longer text than it was trained on.
PROMPT_TOKENS = {"cpu": 512, "cuda": 2048}
# Of several prompts read in one pass: a GPU wants many, a CPU is as fast with few; in between
# there is time to hear a cancel.
PASS_TOKENS = {"cpu": 1024, "cuda": 8192}
PREFILL_TOKENS = 512  # between two looks at whether the person still waits
# The same for one who types, and at most so many tokens of others are written meanwhile.
PIECE_TOKENS = {"cpu": 128, "cuda": 1024}
STEADY_TOKENS = 32  # a long text around a typed hole loses tokens in multiples of this
SMALL_GIB = 1.0  # a base up to this size writes its tokens with one thread of a CPU

Take = Callable[[], Job | None]


class Completer:
    """A base model with its tokenizer and adapters."""

    def __init__(
        self,
        base: Any,
        tokenizer: CodeTokenizer,
        format: FimFormat | None,
        folder: Path,
        rows: int = ROWS,
    ) -> None:
        """Take a loaded base over; `rows` answers are written side by side where it can."""
        self.folder = folder
        self.tokenizer = tokenizer
        self.format = format
        self.generated = 0
        """Tokens written since the start, for those who want to see that a cancel was heard."""
        self.threads = set_threads()
        self._context = int(getattr(base.config, "max_position_embeddings", 0) or 4096)
        self._pass_tokens = PASS_TOKENS[base.device.type]
        self._piece_tokens = PIECE_TOKENS[base.device.type]
        self._most_prompt = PROMPT_TOKENS[base.device.type]
        self.longest = min(self._context, self._most_prompt + MAX_TOKENS)
        """Tokens that a prompt and its answer may have together."""
        self.device = str(base.device.type)
        self.adapters = Adapters(base, _decoder(base, tokenizer.vocab_size, self.longest, rows))
        # One token of a small model is too little work to share: a second thread gains a tenth
        # when the other core is idle, and costs ten times as much when it is not.
        self._step_threads = 1 if size_gib(base) <= SMALL_GIB else self.threads
        self._takes_keep = "logits_to_keep" in inspect.signature(base.forward).parameters

    @classmethod
    def load(cls, config: Config, folder: Path, rows: int = ROWS) -> Completer:
        """Load the base of a config for answering: whole, and in 4 bit only if it must be."""
        tokenizer = CodeTokenizer.from_folder(folder)
        format = find_format(tokenizer, folder, config)
        device = find_hardware().device
        quant = "none" if device == "cpu" or _fits_whole(folder) else "nf4"
        base = load_base(config.replace(quant=quant), folder, device=device, training=False)
        completer = cls(base, tokenizer, format, folder, rows)
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
        jobs = iter([Job(ask, adapter, cancel, format)])
        with closing(self.together(lambda: next(jobs, None))) as written:
            for _, chunk in written:
                yield chunk

    def together(self, take: Take) -> Generator[tuple[Job, Chunk], None, None]:
        """Write what `take` gives until it gives nothing; yield each job's chunks as they come.

        Where the model can, answers are written side by side: `take` is asked for another one
        whenever there is room.
        """
        while (job := take()) is not None:
            if self.adapters.decoder is not None:
                job = yield from self._side_by_side(self.adapters.decoder, job, take)
            if job is not None:
                yield from self._alone(job)

    # --- side by side, in the decoder's rows

    def _side_by_side(
        self, decoder: Decoder, first: Job, take: Take
    ) -> Generator[tuple[Job, Chunk], None, Job | None]:
        """Write jobs as long as there are any; return one that this decoder cannot write."""
        answers: dict[int, Answer] = {}
        unread: list[int] = []  # rows whose prompt is not read to its end
        job: Job | None = first
        left: Job | None = None
        try:
            while True:
                while job is not None:
                    row = next(row for row in range(decoder.rows) if row not in answers)
                    answers[row] = self._start(job)
                    unread.append(row)
                    if sum(len(answers[row].prompt) for row in unread) >= self._pass_tokens:
                        break  # the others come after this pass
                    job, left = self._next(decoder, answers, left, take)
                if not answers:
                    return left
                for row, tokens in self._advance(decoder, answers, unread).items():
                    if (yield from self._taken(answers[row], tokens)):
                        decoder.end(row)
                        del answers[row]
                job, left = self._next(decoder, answers, left, take)
        finally:
            torch.set_num_threads(self.threads)
            for row in answers:
                decoder.end(row)

    def _next(
        self, decoder: Decoder, answers: dict[int, Answer], left: Job | None, take: Take
    ) -> tuple[Job | None, Job | None]:
        """Return another job for these rows if there is room, or else the one to be left over."""
        if left is not None or len(answers) == decoder.rows:
            return None, left
        job = take()
        # To take a job can show that an adapter needs the plain way: then no row is filled again.
        return (job, None) if self.adapters.decoder is decoder else (None, job)

    def _advance(
        self, decoder: Decoder, answers: dict[int, Answer], unread: list[int]
    ) -> dict[int, list[int]]:
        """Write a few tokens in every row that is read, and read on in the others."""
        left = [row for row in unread if answers[row].ended and not answers[row].job.only_read]
        found: dict[int, list[int]] = {row: [] for row in left}
        ready = [row for row in answers if row not in unread]
        if ready and (not unread or any(answers[row].job.typed for row in unread)):
            found |= self._write(decoder, answers, ready)
        if fresh := [row for row in unread if row not in found]:
            found |= self._read(decoder, answers, fresh)
        unread[:] = [row for row in unread if row not in found]
        return found

    def _write(
        self, decoder: Decoder, answers: dict[int, Answer], ready: list[int]
    ) -> dict[int, list[int]]:
        """Write a token in every row; a few where nobody has to choose them."""
        self._use_threads(self._step_threads)
        most = max(answers[row].left for row in ready)
        warm = any(answers[row].job.ask.temperature > 0 for row in ready)
        written = decoder.write(1 if warm else min(decoder.chunk, most))
        return {row: self._chosen(decoder, answers[row], row, written[row]) for row in ready}

    def _read(
        self, decoder: Decoder, answers: dict[int, Answer], fresh: list[int]
    ) -> dict[int, list[int]]:
        """Read prompts: all of them in one pass, or a piece of the first one that is typed."""
        self._use_threads(self.threads)
        typed = next((row for row in fresh if answers[row].job.typed), None)
        rows = fresh if typed is None else [typed]
        prompts = [self._laid_out(row, answers[row]) for row in rows]
        if typed is not None:
            whole, answer = prompts[0], answers[typed]
            known = decoder.known(whole)
            answer.kept = known if answer.kept is None else answer.kept
            if len(whole.ids) - known > self._piece_tokens:
                decoder.begin([replace(whole, ids=whole.ids[: known + self._piece_tokens])])
                return {}
        found = {}
        for row, begun in zip(rows, decoder.begin(prompts), strict=True):
            answers[row].job.losses[:] = begun.losses
            found[row] = self._chosen(decoder, answers[row], row, [begun.token])
        return found

    def _chosen(
        self, decoder: Decoder, answer: Answer, row: int, likeliest: list[int]
    ) -> list[int]:
        """Return a row's next tokens: the likeliest, or one by chance when it is warm."""
        ask = answer.job.ask
        if ask.temperature <= 0:
            return likeliest
        token = choose(decoder.logits[row], ask.temperature, ask.top_p, answer.rng)
        decoder.choose(row, token)
        return [token]

    def _laid_out(self, row: int, answer: Answer) -> Prompt:
        """Return what a row reads; what is known is left out where the row has no room for it."""
        job, known = answer.job, answer.job.known
        if len(answer.prompt) + len(known) > self.longest:
            known = ()
        return Prompt(row, answer.prompt, job.adapter, known, reuse=job.typed)

    def _taken(
        self, answer: Answer, tokens: Iterable[int]
    ) -> Generator[tuple[Job, Chunk], None, bool]:
        """Yield what tokens add to an answer; return whether it has ended, and what is last."""
        for token in tokens:
            if answer.ended:
                break  # what was written beyond a stop is cut off
            self.generated += 1
            if text := answer.add(token):
                yield answer.job, answer.chunk(text)
        if ended := answer.ended:
            yield answer.job, answer.last()
        return ended

    # --- alone, through the model as it is

    def _alone(self, job: Job) -> Iterator[tuple[Job, Chunk]]:
        answer = self._start(job)
        with self.adapters.active(job.adapter) as model:
            for token in self._tokens(model, answer):
                if (yield from self._taken(answer, [token])):
                    return
        yield job, answer.last()

    def _tokens(self, model: Any, answer: Answer) -> Iterator[int]:
        """Yield one token after the other for as long as somebody wants them."""
        from transformers import DynamicCache

        ask, prompt, cancel = answer.job.ask, answer.prompt, answer.job.cancel
        self._use_threads(self.threads)
        cache = DynamicCache(config=model.config)
        logits: Tensor | None = None
        for start in range(0, len(prompt), PREFILL_TOKENS):
            if cancel.is_set():
                return
            logits = self._forward(model, prompt[start : start + PREFILL_TOKENS], cache)
        while logits is not None and not cancel.is_set():
            token = choose(logits, ask.temperature, ask.top_p, answer.rng)
            yield token
            logits = self._forward(model, [token], cache)

    @torch.inference_mode()
    def _forward(self, model: Any, ids: list[int], cache: Any) -> Tensor:
        """Return the logits (V,) after the last id."""
        keep = {"logits_to_keep": 1} if self._takes_keep else {}
        row = torch.tensor([ids], device=model.device)
        found = model(input_ids=row, past_key_values=cache, use_cache=True, **keep)
        # Embeddings are often padded beyond the vocabulary; those rows are no tokens.
        logits: Tensor = found.logits[0, -1, : self.tokenizer.vocab_size]
        return logits

    def _use_threads(self, count: int) -> None:
        torch.set_num_threads(count)  # torch keeps this number per thread

    # --- what the model reads

    def _start(self, job: Job) -> Answer:
        """Begin an answer: lay out its prompt, and the rules by which it ends."""
        format = job.format or self.format
        limit = max(1, min(job.ask.max_tokens, MAX_TOKENS, self._context // 2))
        began = time.perf_counter()
        room = max(limit, len(job.known)) if job.only_read else limit
        prompt, mode = self.prompt(job.ask, format, room, STEADY_TOKENS if job.typed else 1)
        stops = stop_ids(self.tokenizer, format)
        return Answer(job, prompt, mode, limit, self.tokenizer, stops, began)

    def prompt(
        self, ask: Ask, format: FimFormat | None, limit: int, steady: int = 1
    ) -> tuple[list[int], Mode]:
        """Return the ids the model reads, and in which order they were laid out.

        steady: a text that is too long is cut at a multiple of so many tokens.
        """
        room = max(1, min(self._most_prompt, self.longest - limit))
        return prompt_ids(ask, self.tokenizer, format, room, steady)

    @property
    def rows(self) -> int:
        """Answers that are written side by side."""
        return 1 if self.adapters.decoder is None else self.adapters.decoder.rows


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


def _decoder(base: Any, vocabulary: int, longest: int, rows: int) -> Decoder | None:
    try:
        return Decoder(base, vocabulary, longest, rows)
    except UnfitError:
        return None


def _fits_whole(folder: Path) -> bool:
    """Say whether the weights fit the GPU as they lie on disk, with a fifth to spare."""
    free, _ = torch.cuda.mem_get_info()
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) * 1.2 < free
