"""What this machine can do: device, number formats, memory, 4-bit quantisation, flash-attn."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil
import torch

GIB = 2**30
Device = Literal["cuda", "cpu"]


@dataclass(frozen=True)
class Hardware:
    """The one device that is trained on; `memory_gib` is all it has."""

    device: Device
    name: str
    memory_gib: float
    bf16: bool  # native: emulated, it is ten times slower than float32 (measured on AVX2)


@cache
def find_hardware() -> Hardware:
    """Look at this machine once."""
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Hardware("cuda", about.name, about.total_memory / GIB, native)
    return Hardware("cpu", _cpu_name(), psutil.virtual_memory().total / GIB, _cpu_has_bf16())


def wake() -> None:
    """Let the driver make the GPU ready, where there is one; its faults are told by who uses it."""
    with contextlib.suppress(RuntimeError):
        if torch.cuda.is_available():
            torch.zeros(1, device="cuda")


def memory_gib(device: Device) -> float:
    """Return what this process holds now: torch's on a GPU, resident memory on a CPU."""
    if device == "cuda":
        return torch.cuda.memory_reserved() / GIB
    return float(psutil.Process().memory_info().rss) / GIB


def peak_memory_gib(device: Device) -> float:
    """Return the most this process held: the allocator's peak, or the peak resident memory."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / GIB
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / GIB
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / GIB


def compute_dtype(wanted: str, hardware: Hardware) -> tuple[torch.dtype, str]:
    """Return the number format of the matrix products, and why when it is not the wanted one."""
    if hardware.device == "cpu":
        if wanted == "float32" or (wanted == "bfloat16" and hardware.bf16):
            return getattr(torch, wanted), ""
        return torch.float32, f"float32 instead of {wanted}: this CPU computes it far faster."
    if wanted == "bfloat16" and not hardware.bf16:
        return torch.float16, f"float16 instead of bfloat16: {hardware.name} has no bfloat16."
    return getattr(torch, wanted), ""


@cache
def quantise_refusal(device: Device) -> str:
    """Return why a model cannot be held in 4 bit here; empty when it can (one is tried)."""
    try:
        layer_error = _try_four_bit(device)
    except ImportError:
        return "bitsandbytes is not installed."
    return layer_error


def can_quantise(device: Device) -> bool:
    """Say whether bitsandbytes holds a layer in 4 bit on this device."""
    return not quantise_refusal(device)


def _try_four_bit(device: Device) -> str:
    bitsandbytes = quiet_bitsandbytes()
    try:
        with torch.random.fork_rng(devices=[]):  # a look must not change what is drawn after it
            layer = bitsandbytes.nn.Linear4bit(
                64, 64, compute_dtype=torch.float32, quant_type="nf4"
            )
        result = layer.to(device)(torch.ones(1, 64, device=device))
        fine = bool(torch.isfinite(result).all())
    except (RuntimeError, AttributeError, NotImplementedError, ValueError, OSError) as error:
        return f"bitsandbytes does not work here ({str(error).splitlines()[0][:120]})."
    return "" if fine else "bitsandbytes computes nonsense here."


def quiet_bitsandbytes() -> Any:
    """Import bitsandbytes without its advice to fetch kernels from the network."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    import bitsandbytes

    return bitsandbytes


def has_flash_attention() -> bool:
    """Say whether the flash-attn package is installed; transformers would else ask the network."""
    return importlib.util.find_spec("flash_attn") is not None


def set_threads(processes: int = 1) -> int:
    """Let torch use this process's part of the cores that it may use; return how many that is."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    there = min(cores or 1, _quota() or 1024)
    threads = max(1, min(torch.get_num_threads(), there // processes))
    torch.set_num_threads(threads)
    return threads


def _quota() -> int | None:
    # A container may see 64 cores and own two; 64 threads on two cores crawl.
    try:
        allowed, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, round(int(allowed) / int(period)))
    except (OSError, ValueError):  # not Linux, or "max": no quota
        return None


def _cpu_has_bf16() -> bool:
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    return found or platform.processor() or platform.machine()
