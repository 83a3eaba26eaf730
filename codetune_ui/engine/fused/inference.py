"""A model's weights laid out for writing text: one matrix per product, adapters' halves beside it.

With W (out, in) the frozen weight, and A (rank, in) and B (out, rank) of each adapter in a slot:

  y = x W^T + (x A^T, where the row's mask says so) B^T

The A of all slots lie below W, so that one product reads the input once for base and adapters,
and a row without an adapter is in the same batch as a row with one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.block import Block, Norm
from codetune_ui.engine.fused.build import Parts, UnfitError, take_apart
from codetune_ui.engine.fused.decode_ops import FEW, Product, Uses
from codetune_ui.engine.fused.linear import ALIGNED, Group
from codetune_ui.engine.fused.ops import product

SLOTS = 2  # adapters that one batch can use
FREE_SHARE = 0.9  # of the free memory that unpacked weights may take
ROPE_GROWS = ("dynamic", "longrope")  # angles that depend on how long the text has become


@dataclass(frozen=True)
class Lora:
    """One projection's adapter: a (rank, in), and b (out, rank) with its scale."""

    a: Tensor
    b: Tensor


Loras = Mapping[int, Lora]  # by the id of the adapted layer's weight


class Line:
    """The product of one group of projections, with room for the adapters of all slots."""

    def __init__(self, group: Group) -> None:
        """Take a group's weights over."""
        self.outputs = group.outputs
        self.rank = 0  # of one projection in one slot
        self._places = [
            (place.projection.weight, place.outputs) for place in group.places()
        ]  # what PEFT adapts, and where it lies in the product
        self._bias = group.bias
        self._lay(group.weight())
        self.reserve(0)

    @property
    def weights(self) -> set[int]:
        """The ids of the weights in this group."""
        return {id(weight) for weight, _ in self._places}

    def _lay(self, whole: Tensor) -> None:
        """Take a matrix over, and let the model's own layers use this copy, not a second one."""
        if not whole.is_cuda:  # one token is matrix times vector: a tenth faster over columns
            whole = whole.t().contiguous().t()
        self.whole = whole.detach()
        for weight, outputs in self._places:
            if getattr(weight, "quant_state", None) is None:
                weight.data = self.whole[outputs]

    def reserve(self, rank: int) -> None:
        """Make room for adapters up to this rank; what lay in the slots is lost."""
        self.rank = -(-rank // ALIGNED) * ALIGNED
        ranks = self.rank * len(self._places)
        old = self.whole[: self.outputs]
        if ranks:
            whole = old.new_zeros(self.outputs + SLOTS * ranks, old.shape[1])
            whole[: self.outputs] = old
            self._lay(whole)
        # The outputs of one rank lie side by side: a program adds them up rank by rank.
        self.b = old.new_zeros(SLOTS * ranks, self.outputs).T
        bias = self._bias
        if bias is not None:
            bias = F.pad(bias, (0, SLOTS * ranks))
        self._views: list[tuple[Tensor, Tensor | None, Tensor]] = []
        for slots in range(SLOTS + 1 if ranks else 1):
            end = self.outputs + slots * ranks
            part = None if bias is None else bias[:end]
            self._views.append((self.whole[:end], part, self.b[:, : slots * ranks]))

    def put(self, slot: int, loras: Loras) -> None:
        """Lay an adapter into a slot, in place of what was there."""
        ranks = self.rank * len(self._places)
        if not ranks:
            return
        below = self.outputs + slot * ranks
        self.whole[below : below + ranks].zero_()
        self.b[:, slot * ranks : (slot + 1) * ranks].zero_()
        for index, (weight, outputs) in enumerate(self._places):
            if (lora := loras.get(id(weight))) is not None:
                rank = len(lora.a)
                start = index * self.rank
                self.whole[below + start : below + start + rank] = lora.a
                start += slot * ranks
                self.b[outputs, start : start + rank] = lora.b

    def product(self, x: Tensor, uses: Uses | None) -> Product:
        """Return the product; uses is None where no slot is used."""
        if uses is None or not self.rank:
            weight, bias, _ = self._views[0]
            return Product(F.linear(x, weight, bias), self.outputs)
        weight, bias, b = self._views[uses.masks.shape[1]]
        if x.is_cuda and len(x) > FEW:
            # A prompt: what an adapter adds is added in place, where one product of both would have
            # to be copied first.
            y = F.linear(x, *self._views[0][:2])
            inner = F.linear(x, weight[self.outputs :]) * uses.wide(b.shape[1])
            return Product(y.addmm_(inner, b.T), self.outputs)
        return Product(F.linear(x, weight, bias), self.outputs, b, uses)

    def __call__(self, x: Tensor, uses: Uses | None) -> Tensor:
        """Return the product as a tensor (tokens, out)."""
        return self.product(x, uses).settled()


@dataclass(frozen=True)
class Layer:
    """One decoder block's parts for writing text."""

    attention_norm: Norm
    mlp_norm: Norm
    qkv: Line
    out: Line
    up: Line
    down: Line
    heads: Heads
    activation: str

    @classmethod
    def of(cls, block: Block) -> Layer:
        """Take a block's weights over."""
        qkv, out, up, down = block.groups
        return cls(
            block.attention_norm,
            block.mlp_norm,
            Line(qkv),
            Line(out),
            Line(up),
            Line(down),
            block.heads,
            block.activation,
        )

    @property
    def lines(self) -> tuple[Line, Line, Line, Line]:
        """The four products, in their order."""
        return self.qkv, self.out, self.up, self.down


class Weights:
    """A base model's weights, and the adapters that can be used with them."""

    @torch.no_grad()
    def __init__(self, base: Any, vocabulary: int, longest: int) -> None:
        """Take a loaded base over, for texts of so many tokens; `UnfitError` where it cannot be.

        vocabulary: embeddings are often padded beyond it; those rows are no tokens.
        """
        dtype = base.get_input_embeddings().weight.dtype
        parts = take_apart(_Bare(base), dtype, longest)
        _check_room(parts)
        self.dtype, self.device = dtype, parts.head.device
        self.tokens, self.positions = parts.tokens, parts.positions
        self.head = parts.head[:vocabulary]
        self.final_norm = parts.final_norm
        self.angles = _angles(parts, longest)
        self.layers = [Layer.of(block) for block in parts.blocks]
        self.rank = 0
        self._known = {key for line in self._lines() for key in line.weights}
        self._adapters: dict[str, Loras] = {}
        self._slots: list[str | None] = [None] * SLOTS

    def embed(self, ids: Tensor, at: Tensor) -> Tensor:
        """Return the stream (tokens, hidden) of tokens at their places."""
        stream = F.embedding(ids, self.tokens)
        return stream if self.positions is None else stream + F.embedding(at, self.positions)

    def score(self, y: Tensor) -> Tensor:
        """Return the logits (rows, vocabulary) in fp32: in 16 bit the best ones are often equal."""
        return product(y, self.head.T) if y.is_cuda else (y @ self.head.T).float()

    def _lines(self) -> list[Line]:
        return [line for layer in self.layers for line in layer.lines]

    @torch.no_grad()
    def add(self, name: str, loras: Loras) -> bool:
        """Keep an adapter under a name; True when the buffers had to be laid out anew."""
        if not loras.keys() <= self._known:
            raise UnfitError("it adapts layers outside the blocks")
        self._adapters[name] = {
            key: Lora(one.a.to(self.dtype), one.b.to(self.dtype)) for key, one in loras.items()
        }
        rank = max((len(one.a) for one in loras.values()), default=0)
        if rank <= self.rank:
            # Who is being written with the adapter's earlier weights keeps them to the end.
            self._slots = [None if held == name else held for held in self._slots]
            return False
        self.rank = -(-rank // ALIGNED) * ALIGNED
        for line in self._lines():
            line.reserve(self.rank)
            for slot, held in enumerate(self._slots):
                line.put(slot, self._adapters[held] if held else {})
        return True

    @torch.no_grad()
    def slot(self, name: str, used: Sequence[int]) -> int:
        """Return the slot an adapter lies in, and lay it there first where it must be.

        used: the slots whose adapters other rows are being written with.
        """
        if name in self._slots:
            return self._slots.index(name)
        free = next(slot for slot in range(SLOTS) if slot not in used)
        for line in self._lines():
            line.put(free, self._adapters[name])
        self._slots[free] = name
        return free


class _Bare:
    """A base model that looks like one with an adapter, to those who take it apart."""

    def __init__(self, base: Any) -> None:
        self._base = base

    def get_base_model(self) -> Any:
        return self._base

    def named_parameters(self) -> tuple[()]:
        return ()  # nothing is trained


def _check_room(parts: Parts) -> None:
    """A base is packed because it would not fit; unpacked beside itself it must."""
    packed = [
        projection
        for block in parts.blocks
        for group in block.groups
        for projection in group.projections
        if projection.four_bit
    ]
    needed = sum(p.outputs * p.inputs for p in packed) * parts.head.element_size()
    if needed and parts.head.is_cuda:
        free, _ = torch.cuda.mem_get_info(parts.head.device)
        if needed > free * FREE_SHARE:
            raise UnfitError("its unpacked weights do not fit beside the packed ones")


@torch.no_grad()
def _angles(parts: Parts, longest: int) -> tuple[Tensor, Tensor] | None:
    """Return cos and sin (longest, head width) of every position."""
    if parts.rotary is None:
        return None
    if getattr(parts.rotary, "rope_type", "default") in ROPE_GROWS:
        raise UnfitError("its positions depend on how long the text is")
    every = torch.arange(longest, device=parts.head.device)
    like = torch.empty(0, device=every.device, dtype=parts.tokens.dtype)
    cos, sin = parts.rotary(like, every[None])
    return cos[0].contiguous(), sin[0].contiguous()
