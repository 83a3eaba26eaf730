"""The operations of a decoding step as Triton programs against their plain definitions.

Runs on a GPU, or on a CPU in Triton's interpreter.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from codetune_ui.engine.fused import decode_ops
from codetune_ui.engine.fused.block import Heads

LONGEST = 200
HEADS = (  # multi-query, grouped, a group that is no power of two, and a head for each
    Heads(16, 1, 128, 128**-0.5),
    Heads(8, 4, 64, 0.125),
    Heads(12, 2, 128, 128**-0.5),
    Heads(4, 4, 16, 0.25),
)


def differences(ops: ModuleType, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Return each operation's largest difference from the plain one's, in fp32 on the CPU."""
    torch.manual_seed(0)
    found = {}
    for heads in HEADS:
        name = f"{heads.count}/{heads.key_count} heads of {heads.width}"
        for turns in (False, True):
            found |= _attention(ops, device, dtype, heads, turns=turns, name=name)
    for slots in (1, 2):
        y = torch.randn(2, 200 + slots * 24).to(dtype)
        b = torch.randn(200, 2 * 24).to(dtype)
        masks = torch.tensor([[0.0, 0.0], [0.0, 1.0]]).to(dtype)[:, -slots:]
        plain = decode_ops.settle(y.float(), b.float()[:, : slots * 24], masks.float(), 200)
        on = [t.to(device) for t in (y, b, masks)]
        ours = ops.settle(on[0], on[1][:, : slots * 24], on[2], 200)
        found[f"settle, {slots} slots"] = _worst(ours, plain)
    return found


def _attention(
    ops: ModuleType, device: str, dtype: torch.dtype, heads: Heads, *, turns: bool, name: str
) -> dict[str, float]:
    whole = (heads.count + 2 * heads.key_count) * heads.width
    cache = torch.randn(2, 2, LONGEST, heads.key_count, heads.width).to(dtype)
    qkv = torch.randn(2, whole).to(dtype)
    at = torch.tensor([5, 170])
    angle = torch.randn(LONGEST, heads.width // 2)
    wide: tuple[Tensor, Tensor] | None = None
    if turns:
        wide = (torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1))
    angles = None if wide is None else (wide[0].to(device), wide[1].to(device))
    ours = [t.to(device, copy=True) for t in (qkv, cache, at)]
    plain = [t.float().clone() for t in (qkv, cache)]
    ops.place_(ours[0], ours[1][0], ours[1][1], ours[2], angles, heads)
    decode_ops.place_(plain[0], plain[1][0], plain[1][1], at, wide, heads)
    queries = heads.count * heads.width
    found = {
        f"place, {name}, {turns}": max(
            _worst(ours[0][:, :queries], plain[0][:, :queries]), _worst(ours[1], plain[1])
        )
    }
    for rows in (1, 2):
        mine = ops.attend_cached(ours[0][:rows], ours[1][0], ours[1][1], ours[2][:rows], heads)
        right = decode_ops.attend_cached(
            plain[0][:rows], plain[1][0], plain[1][1], at[:rows], heads
        )
        found[f"attend, {name}, {turns}, {rows} rows"] = _worst(mine, right)
    return found


def _worst(ours: Tensor, plain: Tensor) -> float:
    return float((ours.float().cpu() - plain).norm() / plain.norm())
