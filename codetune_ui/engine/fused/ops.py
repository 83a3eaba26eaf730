"""Which operations a device uses: Triton's on a GPU that has it, the plain ones elsewhere."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import torch

from codetune_ui.engine.fused import torch_ops


def operations(device: torch.device) -> ModuleType:
    """Return the module whose functions compute on this device."""
    if device.type == "cuda" and has_triton():
        from codetune_ui.engine.fused import triton_ops

        return triton_ops
    return torch_ops


def has_triton() -> bool:
    """Say whether Triton is installed; torch brings it on Linux, not on Windows."""
    return importlib.util.find_spec("triton") is not None


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return left @ right in fp32, whatever the inputs are: gradients that are summed up."""
    if left.dtype == torch.float32:
        return left @ right
    if left.is_cuda:
        return torch.mm(left, right, out_dtype=torch.float32)
    return left.float() @ right.float()
