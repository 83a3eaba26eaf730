"""Every fused operation against its plain definition: on a GPU, or in Triton's interpreter."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from codetune_ui.engine.fused import torch_ops


def differences(ops: ModuleType, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Return each operation's largest relative difference (by norm) from the plain one's.

    The plain one computes on the same inputs in fp32.
    """
    torch.manual_seed(0)
    found: dict[str, float] = {}
    for name, arguments, options in _cases(device, dtype):
        ours = getattr(ops, name)(*_copies(arguments), **options)
        wide = [_widened(argument) for argument in _copies(arguments)]
        plain = getattr(torch_ops, name)(*wide, **options)
        found[f"{name} {_words(options)}".strip()] = _worst(ours, plain)
    found |= _rotation(ops, device, dtype) | _loss(ops, device, dtype)
    return found


def _cases(device: str, dtype: torch.dtype) -> list[tuple[str, list[Any], dict[str, Any]]]:
    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device).to(dtype)

    x, delta, dy = some(37, 320), some(37, 320), some(37, 320)
    weight, bias = some(320), some(320)
    cases: list[tuple[str, list[Any], dict[str, Any]]] = []
    for centred in (True, False):
        shift = bias if centred else None
        how = {"centred": centred}
        cases += [
            ("norm", [x, weight, shift, 1e-5], how),
            ("add_norm", [x, delta, weight, shift, 1e-5], how),
            ("norm_grad", [dy, x, weight, shift, 1e-5, delta], how),
            ("norm_grad", [dy, x, weight, shift, 1e-5, None], how),
        ]
    for exact in (True, False):
        cases += [("gelu", [x], {"exact": exact}), ("gelu_grad", [dy, x], {"exact": exact})]
    both = some(37, 640)
    return [*cases, ("swiglu", [both], {}), ("swiglu_grad", [dy, both], {})]


def _rotation(ops: ModuleType, device: str, dtype: torch.dtype) -> dict[str, float]:
    found = {}
    for back in (False, True):
        row = torch.randn(29, 8 * 32, device=device).to(dtype)
        angle = torch.randn(29, 16, device=device)
        angle = torch.cat([angle, angle], -1)
        cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
        plain = row.float().view(29, 8, 32)
        torch_ops.rotate_(plain[:, :6], cos.float(), sin.float(), back=back)
        ops.rotate_(row.view(29, 8, 32)[:, :6], cos, sin, back=back)
        found[f"rotate_ back={back}"] = _worst(row.view(29, 8, 32), plain)
    return found


def _loss(ops: ModuleType, device: str, dtype: torch.dtype) -> dict[str, float]:
    logits = (torch.randn(19, 5003, device=device) * 3).to(dtype)
    targets = torch.randint(0, 5003, (19,), device=device)
    wide = logits.float().clone()
    expected = torch_ops.cross_entropy_(wide, targets)
    nll = ops.cross_entropy_(logits, targets)
    return {"cross_entropy_": _worst((nll, logits), (expected, wide))}


def _copies(arguments: list[Any]) -> list[Any]:
    return [a.clone() if isinstance(a, Tensor) else a for a in arguments]


def _widened(argument: Any) -> Any:
    return argument.float() if isinstance(argument, Tensor) else argument


def _worst(ours: Any, plain: Any) -> float:
    pairs = zip(ours, plain, strict=True) if isinstance(ours, tuple) else [(ours, plain)]
    return max(float((a.float() - b).norm() / b.norm()) for a, b in pairs)


def _words(options: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())
