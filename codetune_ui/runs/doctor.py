"""What this machine and this installation have, seen without importing torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import httpx
import psutil

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.runs.doctor_findings import HUB
from codetune_ui.runs.lease import holder
from codetune_ui.runs.private import open_to_others
from codetune_ui.runs.store import Home
from codetune_ui.runs.warm import rules_state

GIB = 2**30
PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "gradio")
OPTIONAL = ("bitsandbytes", "flash-attn", "liger-kernel")
PAGE_PORT = 7860
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
HUB_S = 5.0


def examine(home: Home, *, ask_hub: bool = False) -> dict[str, Any]:
    """Return the facts that decide whether training works here, as plain JSON values.

    Nothing is sent anywhere, but for one request to the Hub when `ask_hub` says so.
    """
    taken_by = holder(home)
    return {
        **_installed(),
        "hub": os.environ.get("HF_ENDPOINT", "") or HUB,
        "hub_answer": _hub_answer() if ask_hub else None,
        "proxies": [
            name for name in PROXIES if os.environ.get(name)
        ],  # their values hold passwords
        "home_open_to_others": next(open_to_others(home), None) is not None,
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


def _installed() -> dict[str, Any]:
    """Return what is installed beside what was tested, seen in files: nothing is imported."""
    pins = {name: (pin, _version(name)) for name, pin in _pins().items()}
    about = _package("torch", "version.py")
    built = re.search(r"^cuda.*=\s*'([\d.]+)'", about, re.MULTILINE)
    return {
        "pins": pins,
        "torch_cuda": built.group(1) if built else None,
        "driver_cuda": _driver_cuda(),
        "bitsandbytes_builds": _builds(),
    }


def _pins() -> dict[str, str]:
    """Return the versions that requirements.txt names."""
    text = (PROJECT_ROOT / "requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def _package(name: str, file: str) -> str:
    try:
        place = Path(str(importlib.metadata.distribution(name).locate_file(name))) / file
        return place.read_text(encoding="utf-8")
    except (importlib.metadata.PackageNotFoundError, OSError):
        return ""


def _builds() -> list[str]:
    """Return the names of bitsandbytes' own libraries: one for each CUDA it was built for."""
    try:
        found = importlib.metadata.distribution("bitsandbytes").locate_file("bitsandbytes")
    except importlib.metadata.PackageNotFoundError:
        return []
    return sorted(path.stem for path in Path(str(found)).glob("libbitsandbytes_*"))


def _driver_cuda() -> str | None:
    """Return the newest CUDA that the driver knows; None without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        number = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
        pynvml.nvmlShutdown()
    except (pynvml.NVMLError, AttributeError):
        return None
    return f"{number // 1000}.{number % 1000 // 10}"


def _hub_answer() -> str:
    """Return "" when the Hub answers, else why not."""
    try:
        httpx.head(os.environ.get("HF_ENDPOINT", "") or HUB, timeout=HUB_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__  # its text may hold a proxy's password
    return ""


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
        "capability": list(pynvml.nvmlDeviceGetCudaComputeCapability(device)),
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
