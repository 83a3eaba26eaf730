"""The operations of a decoding step as Triton programs against their plain definitions.

Runs on a GPU, or on a CPU in Triton's interpreter.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from codetune_ui.engine.fused import decode_ops, torch_ops
from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.block import Norm
from codetune_ui.engine.fused.decode_ops import Product, Uses

LONGEST = 200
AT = [5, 170, 0, 63, 199]  # where each row stands, and which slots it uses
MASKS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
HEADS = (  # multi-query, grouped, a group that is no power of two, and a head for each
    Heads(16, 1, 128, 128**-0.5),
    Heads(8, 4, 64, 0.125),
    Heads(12, 2, 128, 128**-0.5),
    Heads(4, 4, 16, 0.25),
)


def differences(ops: ModuleType, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Return each operation's largest difference from the plain one's, in fp32 on the CPU."""
    torch.manual_seed(0)
    found: dict[str, float] = {}
    for heads in HEADS:
        for turns in (False, True):
            for slots in (0, 1, 2):
                found |= _attention(ops, device, dtype, heads, turns=turns, slots=slots)
    for slots in (1, 2):
        mine, plain = _products(device, dtype, 200, slots)
        found[f"settle, {slots} slots"] = _worst(ops.settle(mine), plain.settled())
        for kind in ("gelu", "gelu_tanh", "swiglu"):
            right = decode_ops.activate(plain, kind)
            found[f"{kind}, {slots} slots"] = _worst(ops.activate(mine, kind), right)
        for centred in (False, True):
            name = f"add and norm, {slots} slots, centred {centred}"
            found[name] = _add_norm(ops, mine, plain, dtype, centred=centred)
    return found


def _add_norm(
    ops: ModuleType, mine: Product, plain: Product, dtype: torch.dtype, *, centred: bool
) -> float:
    outputs, device = plain.outputs, mine.y.device
    stream, bias = torch.randn(len(AT), outputs).to(dtype), torch.randn(outputs).to(dtype)
    weight = (1 + torch.randn(outputs) / 5).to(dtype)
    moved = bias.to(device) if centred else None
    ours = ops.add_norm(stream.to(device), mine, weight.to(device), moved, 1e-5, centred=centred)
    norm = Norm(weight.float(), bias.float() if centred else None, 1e-5, centred)
    right = decode_ops.add_norm(stream.float(), plain, norm, torch_ops)
    return max(_worst(*pair) for pair in zip(ours, right, strict=True))


def _products(device: str, dtype: torch.dtype, outputs: int, slots: int) -> tuple[Product, Product]:
    """Return the same product of five rows on the device, and in fp32 on the CPU."""
    y = torch.randn(len(AT), outputs + slots * 24).to(dtype)
    if not slots:
        return Product(y.to(device, copy=True), outputs), Product(y.float(), outputs)
    b = (torch.randn(2 * 24, outputs) / 5).to(dtype).T  # buffers are wider than what is used
    masks = torch.tensor(MASKS).to(dtype)
    ours = [t.to(device, copy=True) for t in (y, b, masks)]
    wide = [t.float().clone() for t in (y, b, masks)]
    mine, plain = (
        Product(one, outputs, two[:, : slots * 24], Uses(three[:, -slots:]))
        for one, two, three in (ours, wide)
    )
    return mine, plain


def _attention(
    ops: ModuleType, device: str, dtype: torch.dtype, heads: Heads, *, turns: bool, slots: int
) -> dict[str, float]:
    name = f"{heads.count}/{heads.key_count} heads of {heads.width}, {turns}, {slots} slots"
    whole = (heads.count + 2 * heads.key_count) * heads.width
    mine, plain = _products(device, dtype, whole, slots)
    cache = torch.randn(2, len(AT), LONGEST, heads.key_count, heads.width).to(dtype)
    ours, wide = cache.to(device, copy=True), cache.float().clone()
    at = torch.tensor(AT)
    angle = torch.randn(LONGEST, heads.width // 2)
    angles = (torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1))
    on = (angles[0].to(device), angles[1].to(device))
    here = at.to(device)
    qkv = ops.place(mine, ours[0], ours[1], here, on if turns else None, heads)
    right = decode_ops.place(plain, wide[0], wide[1], at, angles if turns else None, heads)
    queries = heads.count * heads.width
    worst = max(_worst(qkv[:, :queries], right[:, :queries]), _worst(ours, wide))
    found = {f"place, {name}": worst}
    for rows in (1, 2, len(AT)):
        seen = ops.attend_cached(qkv[:rows], ours[0], ours[1], here[:rows], heads)
        should = decode_ops.attend_cached(right[:rows], wide[0], wide[1], at[:rows], heads)
        found[f"attend, {name}, {rows} rows"] = _worst(seen, should)
    return found


def _worst(ours: Tensor, plain: Tensor) -> float:
    return float((ours.float().cpu() - plain).norm() / plain.norm())
