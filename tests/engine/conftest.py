"""Quick torch for tiny models, set before torch is imported by anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.served import Served

# Two OpenMP pools (torch's and bitsandbytes') that spin while they wait starve each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def float32_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same figures on every machine: a processor with bfloat16 of its own would train in it."""
    from codetune_ui.engine import hardware

    monkeypatch.setattr(hardware, "_cpu_has_bf16", lambda: False)
    hardware.find_hardware.cache_clear()
    yield
    hardware.find_hardware.cache_clear()


@pytest.fixture(scope="module")
def served(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two adapters, for the tests of one file."""
    import httpx

    from codetune_ui.core.config import Config
    from codetune_ui.runs.client import ensure_server, stop_server
    from codetune_ui.runs.store import Home
    from tests.engine.served import Served
    from tests.runs.serving import add_trained_run, make_talkative

    root = tmp_path_factory.mktemp("wires")
    model = make_talkative(tiny_model, root / "model")
    home = Home(root / "home")
    add_trained_run(home, model, "amber-otter")
    add_trained_run(home, model, "brisk-finch", seed=7)
    state = ensure_server(home, Config(base_model=str(model)), wait_s=300).state
    head = {"Authorization": f"Bearer {state.token}"}
    url = f"http://127.0.0.1:{state.port}"
    with httpx.Client(base_url=url, headers=head, timeout=60, trust_env=False) as http:
        yield Served(state, http)
    stop_server(home)
