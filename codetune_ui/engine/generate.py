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
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codetune_ui.core.completion import MAX_TOKENS, Ask, Chunk
from codetune_ui.core.config import Config
from codetune_ui.core.context import fitted
from codetune_ui.core.families import FimFormat, find_format
from codetune_ui.core.fim import Around, Mode, continued_prompt, infill_prompt
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.adapters import Adapters, size_gib
from codetune_ui.engine.answer import Answer, Job
from codetune_ui.engine.fused.build import UnfitError
from codetune_ui.engine.fused.decode import ROWS, Decoder, Prompt
from codetune_ui.engine.hardware import find_hardware, set_threads
from codetune_ui.engine.model import load_base

# Tokens of context around a hole; more is slower and hardly better. On a CPU the prompt is most of
# the wait, and a small model loses its way in a longer text than it was trained on.
PROMPT_TOKENS = {"cpu": 512, "cuda": 2048}
# Of several prompts read in one pass: a GPU wants many, a CPU is as fast with few; in between
# there is time to hear a cancel.
PASS_TOKENS = {"cpu": 1024, "cuda": 8192}
PREFILL_TOKENS = 512  # between two looks at whether the person still waits
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
        self._most_prompt = PROMPT_TOKENS[base.device.type]
        self._longest = min(self._context, self._most_prompt + MAX_TOKENS)
        self.adapters = Adapters(base, _decoder(base, tokenizer.vocab_size, self._longest, rows))
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
        job: Job | None = first
        left: Job | None = None
        try:
            while True:
                fresh = []
                while job is not None:
                    row = next(row for row in range(decoder.rows) if row not in answers)
                    answers[row] = self._start(job)
                    fresh.append(row)
                    if sum(len(answers[row].prompt) for row in fresh) >= self._pass_tokens:
                        break  # the others come after this pass
                    job, left = self._next(decoder, answers, left, take)
                if not answers:
                    return left
                for row, tokens in self._advance(decoder, answers, fresh).items():
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
        self, decoder: Decoder, answers: dict[int, Answer], fresh: list[int]
    ) -> dict[int, list[int]]:
        """Read the prompts of fresh rows, or else write a few tokens in every row."""
        warm = [row for row, answer in answers.items() if answer.job.ask.temperature > 0]
        if fresh:
            self._use_threads(self.threads)
            jobs = [answers[row].job for row in fresh]
            prompts = [self._laid_out(row, answers[row]) for row in fresh]
            found = {}
            for row, job, begun in zip(fresh, jobs, decoder.begin(prompts), strict=True):
                job.losses[:] = begun.losses
                found[row] = [begun.token]
        else:
            self._use_threads(self._step_threads)
            most = max(answer.left for answer in answers.values())
            written = decoder.write(1 if warm else min(decoder.chunk, most))
            found = {row: written[row] for row in answers}
        for row in found.keys() & set(warm):
            ask = answers[row].job.ask
            token = choose(decoder.logits[row], ask.temperature, ask.top_p, answers[row].rng)
            decoder.choose(row, token)
            found[row] = [token]
        return found

    def _laid_out(self, row: int, answer: Answer) -> Prompt:
        """Return what a row reads; what is known is left out where the row has no room for it."""
        job, known = answer.job, answer.job.known
        if len(answer.prompt) + len(known) > self._longest:
            known = ()
        return Prompt(row, answer.prompt, job.adapter, known)

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
        prompt, mode = self.prompt(job.ask, format, room)
        stops = _stop_ids(self.tokenizer, format)
        return Answer(job, prompt, mode, limit, self.tokenizer, stops, began)

    def prompt(self, ask: Ask, format: FimFormat | None, limit: int) -> tuple[list[int], Mode]:
        """Return the ids the model reads, and in which order they were laid out."""
        room = max(1, min(self._most_prompt, self._longest - limit))
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


def _stop_ids(tokenizer: CodeTokenizer, format: FimFormat | None) -> frozenset[int]:
    found = [tokenizer.eos_id, tokenizer.bos_id]
    if format is not None:
        found += [*format.stop_ids, *format.sentinel_ids, format.pad_id, format.bos_id]
    return frozenset(token for token in found if token is not None)


def _decoder(base: Any, vocabulary: int, longest: int, rows: int) -> Decoder | None:
    try:
        return Decoder(base, vocabulary, longest, rows)
    except UnfitError:
        return None


def _fits_whole(folder: Path) -> bool:
    """Say whether the weights fit the GPU as they lie on disk, with a fifth to spare."""
    free, _ = torch.cuda.mem_get_info()
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) * 1.2 < free
