"""Writing text with a base and its adapters, several rows at a time, each with its own adapter.

A prompt goes through the blocks at once; its keys and values stay in a cache of fixed size. From
then on one step writes one token per row. On a GPU a step is captured once as a CUDA graph, whose
replay costs one launch instead of hundreds, and each token feeds the next step without a look from
the host.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from codetune_ui.engine.fused import decode_ops
from codetune_ui.engine.fused.attention import Borders, attend
from codetune_ui.engine.fused.block import Norm
from codetune_ui.engine.fused.inference import SLOTS, Loras, Weights
from codetune_ui.engine.fused.ops import operations, product

ROWS = 2  # texts that are written at once: base and adapter side by side
CHUNK = 8  # steps that a GPU makes without a look from the host


@dataclass(frozen=True)
class Prompt:
    """What one row begins with, and the adapter it is written with."""

    row: int
    ids: Sequence[int]
    adapter: str | None


class Decoder:
    """A model that writes, and the state of its rows.

    Raises `UnfitError` for a base that the fused blocks do not cover.
    """

    def __init__(self, base: Any, vocabulary: int, longest: int) -> None:
        """Take a base over; texts have at most `longest` tokens, ids below `vocabulary`."""
        self.weights = Weights(base, longest)
        self.longest = longest
        self.chunk = CHUNK if self.weights.device.type == "cuda" else 1
        """The most steps between two looks at what was written."""
        device = self.weights.device
        self.ops: ModuleType = operations(device)
        heads = self.weights.layers[0].heads
        shape = (len(self.weights.layers), 2, ROWS, longest, heads.key_count, heads.width)
        self._cache = torch.zeros(shape, dtype=self.weights.dtype, device=device)
        # Embeddings are often padded beyond the vocabulary; those rows are no tokens.
        self._head = self.weights.head[:vocabulary]
        self.tokens = torch.zeros(ROWS, dtype=torch.int64, device=device)
        """Each row's last token: the next step's input."""
        self.logits = torch.zeros((ROWS, len(self._head)), device=device)
        """What each row's next token was chosen from, in fp32."""
        self._at = torch.zeros(ROWS, dtype=torch.int64, device=device)
        self._masks = torch.zeros((ROWS, SLOTS), dtype=self.weights.dtype, device=device)
        self._written = torch.zeros((CHUNK, ROWS), dtype=torch.int64, device=device)
        self._step_number = torch.zeros(1, dtype=torch.int64, device=device)
        self._slots: dict[int, int | None] = {}  # of each row that is being written
        self._graphs: dict[tuple[int, int], Any] = {}
        self._pool: Any = None

    def add(self, name: str, loras: Loras) -> None:
        """Keep an adapter under a name. Raises `UnfitError` when it is not one of the blocks."""
        if self.weights.add(name, loras):
            self._graphs.clear()  # they know the old buffers

    # --- rows

    def end(self, row: int) -> None:
        """Leave a row to the next text."""
        self._slots.pop(row, None)

    @torch.inference_mode()
    def begin(self, prompts: Sequence[Prompt]) -> list[int]:
        """Read prompts into their rows; return the likeliest token after each."""
        for prompt in prompts:
            self._slots[prompt.row] = self._slot(prompt)
        last = self._read(prompts)
        rows = torch.tensor([prompt.row for prompt in prompts], device=last.device)
        logits = self._score(last)
        best = logits.argmax(-1)
        self.logits.index_copy_(0, rows, logits)
        self.tokens.index_copy_(0, rows, best)
        lengths = torch.tensor([len(prompt.ids) for prompt in prompts], device=last.device)
        self._at.index_copy_(0, rows, lengths)
        return best.tolist()

    def _slot(self, prompt: Prompt) -> int | None:
        slot = None
        self._masks[prompt.row].zero_()
        if prompt.adapter is not None:
            used = [held for held in self._slots.values() if held is not None]
            slot = self.weights.slot(prompt.adapter, used)
            self._masks[prompt.row, slot] = 1.0
        return slot

    def choose(self, row: int, token: int) -> None:
        """Let a row go on from another token than the likeliest."""
        self.tokens[row] = token

    # --- a prompt, at once

    def _read(self, prompts: Sequence[Prompt]) -> Tensor:
        """Fill the cache; return the normed stream (prompts, hidden) at each prompt's end."""
        w, device = self.weights, self._cache.device
        ids = torch.tensor(list(itertools.chain(*(p.ids for p in prompts))), device=device)
        lengths = [len(p.ids) for p in prompts]
        at = torch.cat([torch.arange(length, device=device) for length in lengths])
        ends = list(itertools.accumulate(lengths, initial=0))
        sums = torch.tensor(ends, dtype=torch.int32, device=device)
        borders = Borders(tuple(lengths), sums, max(lengths))
        masks = self._prompt_masks(prompts)
        stream, delta = self._embed(ids, at), None
        angles = None if w.angles is None else (w.angles[0][at], w.angles[1][at])
        places = [(p.row, slice(a, b)) for p, a, b in zip(prompts, ends, ends[1:], strict=False)]
        for layer, (keys, values) in zip(w.layers, self._cache, strict=True):
            stream, y = self._add_norm(stream, delta, layer.attention_norm)
            heads = layer.heads
            parts = layer.qkv(y, masks).view(len(ids), -1, heads.width)
            if angles is not None:
                self.ops.rotate_(parts[:, : heads.turned], *angles, back=False)
            _, key, value = heads.split(parts)
            for row, part in places:
                count = part.stop - part.start
                keys[row, :count] = key[part]
                values[row, :count] = value[part]
            y = attend(parts.flatten(1), heads, borders, varied=True).output.flatten(1)
            stream, y = self._add_norm(stream, layer.out(y, masks), layer.mlp_norm)
            inside = decode_ops.activate(layer.up.product(y, masks), layer.activation)
            delta = layer.down(inside, masks)
        assert delta is not None
        last = torch.tensor([end - 1 for end in ends[1:]], device=device)
        return self._add_norm(stream[last], delta[last], w.final_norm)[1]

    def _prompt_masks(self, prompts: Sequence[Prompt]) -> Tensor | None:
        """Return which slots each token of the prompts uses, None for none."""
        slots = self._slots_used()
        if not any(self._slots[p.row] is not None for p in prompts):
            return None
        device = self._cache.device
        rows = torch.tensor([p.row for p in prompts], device=device)
        lengths = torch.tensor([len(p.ids) for p in prompts], device=device)
        total = sum(len(p.ids) for p in prompts)
        masks = self._masks[rows, :slots]
        return torch.repeat_interleave(masks, lengths, 0, output_size=total)

    # --- steps

    @torch.inference_mode()
    def write(self, steps: int) -> list[list[int]]:
        """Write so many likeliest tokens (at most `CHUNK`); return each row's, in their order."""
        self._step_number.zero_()
        rows, slots = self._rows_used(), self._slots_used()
        if self._cache.is_cuda:
            graph = self._graph(rows, slots)
            for _ in range(steps):
                graph.replay()
        else:
            for _ in range(steps):
                self._step(rows, slots)
        found: list[list[int]] = self._written[:steps].T.tolist()
        return found

    def _rows_used(self) -> int:
        return max(self._slots, default=0) + 1

    def _slots_used(self) -> int:
        return max((slot + 1 for slot in self._slots.values() if slot is not None), default=0)

    def _graph(self, rows: int, slots: int) -> Any:
        """Return a captured step; the first use of a shape captures it."""
        if (rows, slots) not in self._graphs:
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            state = (self.tokens, self._at, self._step_number)
            before = [held.clone() for held in state]
            stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._step(rows, slots)  # sets up libraries, which must not happen in a capture
            torch.cuda.current_stream().wait_stream(stream)
            for held, value in zip(state, before, strict=True):
                held.copy_(value)  # the step is made again; its keys and values are the same
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                self._step(rows, slots)
            self._graphs[rows, slots] = graph
        return self._graphs[rows, slots]

    def _step(self, rows: int, slots: int) -> None:
        """One token for each row: all that is read and written lies at a fixed place."""
        w = self.weights
        tokens, at = self.tokens[:rows], self._at[:rows]
        masks = self._masks[:rows, :slots] if slots else None
        stream, delta = self._embed(tokens, at), None
        for layer, (keys, values) in zip(w.layers, self._cache, strict=True):
            stream, y = self._add_norm(stream, delta, layer.attention_norm)
            qkv = decode_ops.place(
                layer.qkv.product(y, masks), keys, values, at, w.angles, layer.heads
            )
            y = decode_ops.attend_cached(qkv, keys, values, at, layer.heads)
            stream, y = self._add_norm(stream, layer.out(y, masks), layer.mlp_norm)
            inside = decode_ops.activate(layer.up.product(y, masks), layer.activation)
            delta = layer.down(inside, masks)
        _, y = self._add_norm(stream, delta, w.final_norm)
        logits = self._score(y)
        self.logits[:rows].copy_(logits)
        torch.argmax(logits, -1, out=tokens)
        self._written[:, :rows].index_copy_(0, self._step_number, tokens[None])
        self._step_number.add_(1)
        # A row that has ended is written on while others are; it must not leave the cache.
        at.add_(1).clamp_(max=self.longest - 1)

    # --- parts

    def _score(self, y: Tensor) -> Tensor:
        """Return the logits (rows, vocabulary) in fp32: in 16 bit the best ones are often equal."""
        return product(y, self._head.T) if y.is_cuda else (y @ self._head.T).float()

    def _embed(self, ids: Tensor, at: Tensor) -> Tensor:
        stream = F.embedding(ids, self.weights.tokens)
        if self.weights.positions is not None:
            stream = stream + F.embedding(at, self.weights.positions)
        return stream

    def _add_norm(self, stream: Tensor, delta: Tensor | None, norm: Norm) -> tuple[Tensor, Tensor]:
        how = (norm.weight, norm.bias, norm.eps)
        if delta is None:
            return stream, self.ops.norm(stream, *how, centred=norm.centred)
        found: tuple[Tensor, Tensor] = self.ops.add_norm(stream, delta, *how, centred=norm.centred)
        return found
