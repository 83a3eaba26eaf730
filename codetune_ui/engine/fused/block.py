"""One decoder block, forward and backward: norm, attention, norm, MLP, each added to the stream.

Tensors are flat, (tokens, width): rows of a batch stand one after the other, and only attention
knows where examples end.

A block keeps for its backward pass what its `Keep` says; the rest is computed again:

  ALL      stream before attention and before the MLP, q k v, attention's output, the MLP's inside
  STREAM   the stream alone: all products but the last are made twice
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from types import ModuleType

from torch import Tensor

from codetune_ui.engine.fused.attention import Attended, Borders, Heads, attend, attend_grad
from codetune_ui.engine.fused.linear import Group
from codetune_ui.engine.fused.ops import operations


class Keep(IntEnum):
    """How much a block keeps from its forward pass."""

    ALL = 0
    STREAM = 1


@dataclass(frozen=True)
class Norm:
    """The frozen weights of a LayerNorm (centred) or an RMSNorm."""

    weight: Tensor
    bias: Tensor | None
    eps: float
    centred: bool


@dataclass(frozen=True)
class Pass:
    """What all blocks of one pass share: borders, and angles where positions are rotary."""

    borders: Borders
    angles: tuple[Tensor, Tensor] | None  # cos and sin, (tokens, head width)


@dataclass
class Kept:
    """What a block keeps of a forward pass; None where it will be computed again."""

    stream: Tensor  # before attention
    qkv: Tensor | None = None
    attended: Attended | None = None
    middle: Tensor | None = None  # the stream before the MLP
    inside: Tensor | None = None  # before the activation


@dataclass
class Block:
    """A block's frozen parts and its four groups of products."""

    attention_norm: Norm
    mlp_norm: Norm
    qkv: Group
    out: Group
    up: Group  # gate and up where the MLP is gated
    down: Group
    heads: Heads
    activation: str  # gelu, gelu_tanh or swiglu
    keep: Keep = Keep.ALL
    ops: ModuleType = field(init=False)

    def __post_init__(self) -> None:
        self.ops = operations(self.mlp_norm.weight.device)

    @property
    def groups(self) -> tuple[Group, Group, Group, Group]:
        """The four groups, in their order."""
        return self.qkv, self.out, self.up, self.down

    # --- forward

    def forward(
        self, stream: Tensor, delta: Tensor | None, shared: Pass
    ) -> tuple[Tensor, Tensor, Kept]:
        """Return the stream, what is still to be added to it, and what is kept.

        `delta` is what the block before has not added yet: the addition is part of the norm.
        """
        if delta is None:
            y = self._norm(stream, self.attention_norm)
        else:
            stream, y = self._add_norm(stream, delta, self.attention_norm)
        kept = Kept(stream)
        y = self._through_attention(kept, y, shared)
        inside = self.up.forward(y)
        del y
        result = self.down.forward(self._activate(inside))
        middle = kept.middle
        assert middle is not None
        kept.inside = inside
        return middle, result, kept if self.keep == Keep.ALL else Kept(stream)

    def _through_attention(self, kept: Kept, y: Tensor, shared: Pass) -> Tensor:
        """Fill in what lies between the two norms; return the MLP's input."""
        kept.qkv = self.qkv.forward(y)
        if shared.angles is not None:
            self.ops.rotate_(self._turned(kept.qkv), *shared.angles, back=False)
        kept.attended = attend(kept.qkv, self.heads, shared.borders)
        delta = self.out.forward(kept.attended.output.flatten(1))
        kept.middle, y = self._add_norm(kept.stream, delta, self.mlp_norm)
        return y

    # --- backward

    def backward(self, d_stream: Tensor, kept: Kept, shared: Pass) -> Tensor:
        """Return the gradient to the incoming stream; the adapters learn meanwhile."""
        if kept.middle is None:
            y = self._norm(kept.stream, self.attention_norm)
            kept.inside = self.up.forward(self._through_attention(kept, y, shared))
            del y
        d_middle = self._mlp_grad(d_stream, kept)
        return self._attention_grad(d_middle, kept, shared)

    def _mlp_grad(self, d_stream: Tensor, kept: Kept) -> Tensor:
        assert kept.middle is not None
        inside, kept.inside = kept.inside, None
        assert inside is not None
        d_inside, active = self._activate_grad(self.down.backward(d_stream), inside)
        self.down.learn(active, d_stream)
        del active, inside
        dy = self.up.backward(d_inside)
        d_middle, y = self._norm_grad(dy, kept.middle, self.mlp_norm, d_stream)
        self.up.learn(y, d_inside)
        return d_middle

    def _attention_grad(self, d_middle: Tensor, kept: Kept, shared: Pass) -> Tensor:
        assert kept.qkv is not None
        assert kept.attended is not None
        d_output = self.out.backward(d_middle)
        self.out.learn(kept.attended.output.flatten(1), d_middle)
        d_qkv = attend_grad(d_output, kept.qkv, kept.attended, self.heads, shared.borders)
        kept.qkv = kept.attended = None
        if shared.angles is not None:
            self.ops.rotate_(self._turned(d_qkv), *shared.angles, back=True)
        dy = self.qkv.backward(d_qkv)
        d_stream, y = self._norm_grad(dy, kept.stream, self.attention_norm, d_middle)
        self.qkv.learn(y, d_qkv)
        return d_stream

    # --- parts

    def _turned(self, qkv: Tensor) -> Tensor:
        return qkv.view(len(qkv), -1, self.heads.width)[:, : self.heads.turned]

    def _activate(self, inside: Tensor) -> Tensor:
        found: Tensor
        if self.activation == "swiglu":
            found = self.ops.swiglu(inside)
        else:
            found = self.ops.gelu(inside, exact=self.activation == "gelu")
        return found

    def _activate_grad(self, d: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor]
        if self.activation == "swiglu":
            found = self.ops.swiglu_grad(d, inside)
        else:
            found = self.ops.gelu_grad(d, inside, exact=self.activation == "gelu")
        return found

    def _norm(self, x: Tensor, norm: Norm) -> Tensor:
        y: Tensor = self.ops.norm(x, norm.weight, norm.bias, norm.eps, centred=norm.centred)
        return y

    def _add_norm(self, x: Tensor, delta: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.ops.add_norm(
            x, delta, norm.weight, norm.bias, norm.eps, centred=norm.centred
        )
        return found

    def _norm_grad(
        self, dy: Tensor, x: Tensor, norm: Norm, residual: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.ops.norm_grad(
            dy, x, norm.weight, norm.bias, norm.eps, residual, centred=norm.centred
        )
        return found
