"""Time to the first token and milliseconds per token of the playground's decoder, in one table.

python -m tests.bench.decode --shape starcoderbase-1b --prompt 1024 --tokens 64 [--rank 16]

Random weights of a published shape; greedy. Checked in the same run: every operation against its
plain definition, and the likeliest tokens against transformers' own logits for the same text.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from codetune_ui.engine.adapters import PASSING, _lora
from codetune_ui.engine.fused.decode import Decoder
from codetune_ui.engine.fused.inference import Loras
from codetune_ui.engine.fused.prompts import Prompt
from tests.bench.shapes import SHAPES

ROUNDS = 20
GIB = 2**30


def load(shape: str, device: str) -> Any:
    """Return a base model of the shape with random weights, as the server would hold it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = dict(SHAPES[shape])
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config.bos_token_id = config.eos_token_id = 0
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    for name, weight in model.named_parameters():  # wide enough that the logits differ
        if weight.ndim == 2 and "embed" not in name and "wte" not in name:
            torch.nn.init.normal_(weight, std=0.03)
    return model.requires_grad_(False).eval()


def adapter(base: Any, rank: int) -> Loras:
    """Return a random adapter of all linear layers; the base is as it was."""
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer

    how = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear")
    tuned = get_peft_model(base, how, adapter_name=PASSING)
    torch.manual_seed(1)
    for name, weight in tuned.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.02)
    layers = [layer for layer in tuned.modules() if isinstance(layer, LoraLayer)]
    found = {id(layer.get_base_layer().weight): _lora(layer) for layer in layers}
    tuned.unload()
    return found


def clock(work: Callable[[], Any]) -> float:
    """Return the milliseconds that work takes, the device's included."""
    _wait()
    began = time.perf_counter()
    work()
    _wait()
    return (time.perf_counter() - began) * 1000


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def answer(decoder: Decoder, prompts: list[Prompt], tokens: int) -> tuple[float, float, list[int]]:
    """Write so many tokens in every row; return ms to the first, ms in all, and row 0's tokens."""
    began = time.perf_counter()
    written = [decoder.begin(prompts)[0].token]
    first = time.perf_counter()
    while len(written) < tokens:
        written += decoder.write(min(decoder.chunk, tokens - len(written)))[prompts[0].row]
    ended = time.perf_counter()
    for prompt in prompts:
        decoder.end(prompt.row)
    return (first - began) * 1000, (ended - began) * 1000, written


def line(name: str, firsts: list[float], totals: list[float], tokens: int) -> dict[str, Any]:
    """Print one line of the table and return it."""
    ranked = sorted(firsts)
    row = {
        "what": name,
        "ttft_p50_ms": statistics.median(firsts),
        "ttft_p95_ms": ranked[min(len(ranked) - 1, round(0.95 * len(ranked)))],
        "ms_per_token": statistics.median(
            (total - first) / (tokens - 1) for first, total in zip(firsts, totals, strict=True)
        ),
        "total_ms": statistics.median(totals),
    }
    print(
        f"{name:<34}" + "".join(f"{value:>12.2f}" for value in list(row.values())[1:]), flush=True
    )
    return row


def ours(
    decoder: Decoder, batches: dict[str, list[Prompt]], tokens: int
) -> dict[str, dict[str, Any]]:
    """Measure batches of the decoder in turn: a step takes longer once others were recorded."""
    first_use: dict[str, float] = {}
    for name, prompts in batches.items():
        first_use[name] = clock(partial(answer, decoder, prompts, tokens)) / 1000
        answer(decoder, prompts, tokens)  # made plainly before, recorded now
    found: dict[str, list[tuple[float, float, list[int]]]] = {name: [] for name in batches}
    for _ in range(ROUNDS):
        for name, prompts in batches.items():
            found[name].append(answer(decoder, prompts, tokens))
    rows = {}
    for name, answers in found.items():
        row = line(name, [f for f, _, _ in answers], [t for _, t, _ in answers], tokens)
        rows[name] = {**row, "first_use_s": first_use[name]}
    return rows


def theirs(base: Any, ids: list[int], tokens: int) -> dict[str, Any]:
    """Measure transformers' generate on the same prompt."""
    row = torch.tensor([ids], device=base.device)

    def write(count: int) -> None:
        base.generate(
            row,
            attention_mask=torch.ones_like(row),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
        )

    write(4)
    firsts = [clock(lambda: write(1)) for _ in range(5)]
    totals = [clock(lambda: write(tokens)) for _ in range(5)]
    return line("transformers generate, base", firsts, totals, tokens)


@torch.no_grad()
def agreement(base: Any, decoder: Decoder, ids: list[int], tokens: int) -> str:
    """Say how far our tokens are the best ones by the logits of transformers for the same text."""
    written = answer(decoder, [Prompt(0, ids, None)], tokens)[2]
    whole = torch.tensor([ids + written], device=base.device)
    logits = base(input_ids=whole, use_cache=False).logits[0, len(ids) - 1 : -1].float()
    best = logits.max(-1).values
    chosen = logits.gather(1, torch.tensor(written, device=base.device)[:, None])[:, 0]
    same = int((logits.argmax(-1).cpu() == torch.tensor(written)).sum())
    worst = float((best - chosen).max())
    spread = float(logits.std())
    return (
        f"{same} of {tokens} tokens are transformers' best; at most {worst:.4f} below it"
        f" (logits' deviation {spread:.3f})"
    )


def kernels() -> str:
    """Say how far the Triton programs are from their plain definitions on this GPU."""
    from codetune_ui.engine.fused import triton_decode
    from tests.decode_ops import differences

    worst = []
    for dtype in (torch.float32, torch.bfloat16):
        name, value = max(differences(triton_decode, "cuda", dtype).items(), key=lambda i: i[1])
        worst.append(f"{dtype} {value:.1e} ({name})")
    return "worst relative difference of an operation: " + "; ".join(worst)


def profile(decoder: Decoder, prompts: list[Prompt]) -> str:
    """Return where the time of a prompt goes, and that of eight steps, program by program."""
    decoder.begin(prompts)
    decoder.write(8)
    found = [_programs(lambda: decoder.begin(prompts)), _programs(lambda: decoder.write(8))]
    for prompt in prompts:
        decoder.end(prompt.row)
    return "\n".join(found)


def _programs(work: Callable[[], Any]) -> str:
    from torch.profiler import ProfilerActivity

    with torch.profiler.profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
    lines = [f"{'us in all':>10} {'each':>8} {'calls':>6}  program"]
    programs = sorted(seen.key_averages(), key=lambda one: -one.self_device_time_total)
    lines += [
        f"{one.self_device_time_total:>10.0f} {one.self_device_time_total / one.count:>8.2f}"
        f" {one.count:>6}  {one.key[:70]}"
        for one in programs[:14]
    ]
    return "\n".join([*lines, f"{sum(one.self_device_time_total for one in programs):>10.0f}"])


def main() -> None:
    """Check, measure, print the table, and the same as JSON in the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="starcoderbase-1b")
    parser.add_argument("--prompt", type=int, default=1024)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        print(kernels())
    base = load(asked.shape, device)
    torch.manual_seed(2)
    ids = torch.randint(5, 40000, (asked.prompt,)).tolist()
    print(f"{'':<34}{'TTFT p50':>12}{'p95':>12}{'ms/token':>12}{'total ms':>12}")
    rows = [theirs(base, ids, asked.tokens)]
    began = time.perf_counter()
    decoder = Decoder(base, base.config.vocab_size, max(2560, asked.prompt + asked.tokens))
    built_s = time.perf_counter() - began
    decoder.add("x", adapter(base, asked.rank))
    before, after = Prompt(0, ids, None), Prompt(1, ids, "x")
    batches = {
        "base": [before],
        "adapter": [Prompt(0, ids, "x")],
        "base and base in one batch": [before, Prompt(1, ids, None)],
        "base and adapter in one batch": [before, after],
    }
    found = ours(decoder, batches, asked.tokens)
    alone, tuned, _, both = found.values()
    print(agreement(base, decoder, ids, asked.tokens))
    print(
        f"both against base alone: {both['ms_per_token'] / alone['ms_per_token']:.2f} per token,"
        f" {both['total_ms'] / alone['total_ms']:.2f} in all;"
        f" against adapter alone: {both['ms_per_token'] / tuned['ms_per_token']:.2f},"
        f" {both['total_ms'] / tuned['total_ms']:.2f}"
    )
    print(
        f"decoder built in {built_s:.2f} s, first answers (with compilation and capture):"
        f" {', '.join('{:.2f} s'.format(row['first_use_s']) for row in found.values())}"
    )
    memory = 0.0
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated() / GIB
        print(f"{torch.cuda.get_device_name()}, peak {memory:.2f} GiB allocated")
        if asked.profile:
            for batch in batches.values():
                print(profile(decoder, batch))
    print(
        json.dumps(
            {
                "shape": asked.shape,
                "torch": torch.__version__,
                "gib": memory,
                "rows": [*rows, *found.values()],
            }
        )
    )


if __name__ == "__main__":
    main()
