"""What this machine and this installation have, seen without importing torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
from typing import Any

import psutil

from codetune_ui.runs.lease import holder
from codetune_ui.runs.store import Home
from codetune_ui.runs.warm import rules_state

GIB = 2**30
PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "gradio")
OPTIONAL = ("bitsandbytes", "flash-attn", "liger-kernel")
PAGE_PORT = 7860


def examine(home: Home) -> dict[str, Any]:
    """Return the facts that decide whether training works here, as plain JSON values."""
    taken_by = holder(home)
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "optional": {name: _version(name) for name in OPTIONAL},
        "gpus": gpus(),
        "gpu_holder": taken_by.name if taken_by else None,
        "cores": len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        "memory_free_gib": round(psutil.virtual_memory().available / GIB, 1),
        "home": str(home.path),
        "secret_rules": rules_state(home),
        "disk_free_gib": round(disk_free_bytes(home) / GIB, 1),
        "port": PAGE_PORT,
        "port_free": port_is_free(PAGE_PORT),
    }


def gpus() -> list[dict[str, Any]]:
    """Return name, driver and memory (GiB) of each NVIDIA GPU; empty without one or its driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return [_gpu(pynvml, index, driver) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _gpu(pynvml: Any, index: int, driver: str) -> dict[str, Any]:
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    return {
        "name": _text(pynvml.nvmlDeviceGetName(device)),
        "driver": driver,
        "memory_gib": round(memory.total / GIB, 1),
        "memory_free_gib": round(memory.free / GIB, 1),
    }


def disk_free_bytes(home: Home) -> int:
    """Return what is free on the disk of a home, which need not exist yet."""
    folder = home.path
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether nobody listens on a port of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) != 0


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
