from __future__ import annotations

import subprocess
import sys

import torch

from codetune_ui.engine import hardware
from codetune_ui.engine.hardware import Hardware, compute_dtype

OLD_CPU = Hardware("cpu", "a CPU", 8.0, bf16=False)
NEW_CPU = Hardware("cpu", "a CPU", 8.0, bf16=True)
OLD_GPU = Hardware("cuda", "a T4", 16.0, bf16=False)


def test_a_cpu_without_bfloat16_computes_in_float32_and_says_so() -> None:
    dtype, why = compute_dtype("bfloat16", OLD_CPU)
    assert dtype == torch.float32
    assert why == "float32 instead of bfloat16: this CPU computes it far faster."


def test_a_cpu_with_bfloat16_uses_it() -> None:
    assert compute_dtype("bfloat16", NEW_CPU) == (torch.bfloat16, "")


def test_a_gpu_without_bfloat16_computes_in_float16() -> None:
    assert compute_dtype("bfloat16", OLD_GPU)[0] == torch.float16


def test_memory_and_its_peak_are_positive() -> None:
    assert 0 < hardware.memory_gib("cpu") <= hardware.peak_memory_gib("cpu") * 1.01


def test_four_bit_works_on_this_cpu() -> None:
    assert hardware.can_quantise("cpu")


def test_trying_four_bit_draws_no_random_number() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    hardware.quantise_refusal.cache_clear()
    hardware.can_quantise("cpu")
    assert torch.equal(torch.rand(1), expected)


def test_the_worker_loads_no_torch_before_its_first_word() -> None:
    code = (
        "import sys, codetune_ui.engine.worker; print({'torch', 'transformers'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_the_producer_loads_no_torch() -> None:
    code = "import sys, codetune_ui.engine.prepare; print({'torch', 'datasets'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
