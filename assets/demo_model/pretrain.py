"""Pretrain the demo model from scratch on one GPU.

    python pretrain.py --out OUT --minutes 9 [--stdlib DIR] [--site-packages DIR]

Reads the permissively licensed Python of this interpreter (and of the folders named), trains a
tokenizer and a small Llama, scores its infilling on files it never saw, and writes all of it,
with `metrics.json` and `MODEL_CARD.md`, to OUT.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from card import write_card
from corpus import Document, collect, tally, this_interpreter
from evaluate import Probe, choose_line_holes, score
from network import VOCABULARY, Muon, demo_config, packed_losses
from tokenizers import Tokenizer
from torch import Tensor
from transformers import LlamaForCausalLM
from windows import EOT, MAX_WINDOW_TOKENS, PAD, SPECIAL_TOKENS, Batch, Feed, train_tokenizer

TOKENS_PER_STEP = 98_304
PROBE_TOKENS = 131_072
# How much a target counts, by its kind: skipped, plain, in the middle, at the middle's start.
# The start is where the model must find the end of the prefix, across the whole suffix.
LOSS_WEIGHTS = (0.0, 1.0, 2.0, 6.0)
MUON_LR, ADAM_LR, MUON_DECAY = 0.02, 4e-3, 0.05
WARMUP_STEPS, DECAY_SHARE = 150, 0.4
PROBE_SECONDS, SAVE_SECONDS = 45, 120


def rate_now(step: int, progress: float) -> float:
    """Warm up by steps, hold, then fall in a line to zero over the last share of the time."""
    return min(1.0, (step + 1) / WARMUP_STEPS, max(0.0, (1 - progress) / DECAY_SHARE))


def to_device(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Move a batch to the GPU: tokens, positions, bounds, and the kind of each one's successor."""
    # A window's first token is skipped as a target, so no window has to guess the next one.
    arrays = (batch.tokens.astype("int64"), batch.positions(), batch.bounds, batch.kinds)
    tokens, positions, bounds, kinds = (
        torch.from_numpy(array).pin_memory().to("cuda", non_blocking=True) for array in arrays
    )
    return tokens, positions, bounds, kinds.roll(-1).int()


def train(
    model: LlamaForCausalLM,
    feed: Feed,
    probe: Probe,
    seconds: float,
    save: Callable[[list[dict[str, float]]], None],
) -> list[dict[str, float]]:
    """Train for a given time; return the curve, one row a probe."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim < 2 or "embed" in n]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, MUON_LR, MUON_DECAY),
        torch.optim.AdamW(others, ADAM_LR, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    base_rates = [[group["lr"] for group in o.param_groups] for o in optimizers]
    weights = torch.tensor(LOSS_WEIGHTS, device="cuda")
    compiled = torch.compile(packed_losses, dynamic=False)

    def losses(batch: Batch) -> tuple[Tensor, Tensor]:
        tokens, positions, bounds, kinds = to_device(batch)
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
            # Not the compiled one: without gradients it would be compiled a second time.
            return packed_losses(model, tokens, positions, bounds), kinds

    curve: list[dict[str, float]] = []
    running: list[Tensor] = []
    step = tokens_seen = 0
    started, probed, saved = time.monotonic(), 0.0, 0.0
    while (elapsed := time.monotonic() - started) < seconds or not curve:
        rate = rate_now(step, elapsed / seconds)
        for optimizer, rates in zip(optimizers, base_rates, strict=True):
            for group, base in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = base * rate
        batch = feed.next()
        tokens, positions, bounds, kinds = to_device(batch)
        with torch.autocast("cuda", torch.bfloat16):
            nats = compiled(model, tokens, positions, bounds)
        weight = weights[kinds]
        ((nats * weight).sum() / weight.sum()).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        # Sums, not a boolean index: that would make the CPU wait for the GPU at every step.
        running.append((nats.detach() * (kinds > 0)).sum() / (kinds > 0).sum())
        step += 1
        tokens_seen += len(batch.tokens)
        if step % 20 == 0:
            torch.cuda.synchronize()  # else the clock above runs ahead of the GPU
        now = time.monotonic() - started
        if now - probed > PROBE_SECONDS or now > seconds:
            loss = torch.stack(running).mean().item()
            row = {"seconds": round(now), "step": step, "tokens": tokens_seen}
            curve.append(row | {"loss": round(loss, 4), "rate": round(rate, 3)})
            curve[-1] |= probe.measure(losses)
            print(json.dumps(curve[-1]), flush=True)
            running, probed = [], time.monotonic() - started
        if now - saved > SAVE_SECONDS:
            save(curve)
            saved = time.monotonic() - started
    return curve


def save_model(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write weights in bf16, configuration and tokenizer, as transformers reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = LlamaForCausalLM(model.config)
    halves.load_state_dict(model.state_dict())
    halves.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {
        "tokenizer_config.json": {
            "tokenizer_class": "TokenizersBackend",
            "bos_token": SPECIAL_TOKENS[EOT],
            "eos_token": SPECIAL_TOKENS[EOT],
            "unk_token": SPECIAL_TOKENS[EOT],
            "pad_token": SPECIAL_TOKENS[PAD],
            "extra_special_tokens": SPECIAL_TOKENS[1:],
            "clean_up_tokenization_spaces": False,
            "model_max_length": MAX_WINDOW_TOKENS,
        },
        "fim.json": {"family": "starcoder"},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_documents(arguments: argparse.Namespace) -> list[Document]:
    """Collect the corpus of this interpreter and of the folders named."""
    stdlib, site_packages = this_interpreter()
    return collect([*arguments.stdlib, stdlib], [*site_packages, *arguments.site_packages])


def count_tokens(texts: list[str], tokenizer: Tokenizer) -> int:
    """Estimate the corpus in tokens from one file in fifty."""
    encoded = tokenizer.encode_batch_fast(texts[::50], add_special_tokens=False)
    share = sum(map(len, texts[::50])) / sum(map(len, texts))
    return round(sum(len(e.ids) for e in encoded) / share)


def main() -> None:
    """Collect, train, score, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0, help="of training alone")
    parser.add_argument("--stdlib", type=Path, nargs="*", default=[])
    parser.add_argument("--site-packages", type=Path, nargs="*", default=[])
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json to keep")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()

    # --- data
    documents = load_documents(arguments)
    texts = [document.text for document in documents if not document.held_out]
    held_out = [document.text for document in documents if document.held_out]
    print(f"{len(texts)} files, {sum(map(len, texts)) / 1e6:.1f} MB, {len(held_out)} held out")
    if arguments.tokenizer:
        tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    else:
        tokenizer = train_tokenizer(texts[::3], VOCABULARY)
    feed = Feed(texts, tokenizer, TOKENS_PER_STEP, arguments.seed)  # before CUDA: it forks
    probe = Probe(held_out, tokenizer, PROBE_TOKENS, arguments.seed)
    print(f"data ready after {time.monotonic() - started:.0f} s", flush=True)

    # --- model
    torch.manual_seed(arguments.seed)
    torch.set_float32_matmul_precision("high")
    model = LlamaForCausalLM(demo_config()).to("cuda", torch.float32)
    metrics: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "minutes": arguments.minutes,
        "corpus": tally(d for d in documents if not d.held_out),
        "corpus_tokens": count_tokens(texts, tokenizer),
        "held_out": {"files": len(held_out), "bytes": sum(len(t.encode()) for t in held_out)},
        "gpu": torch.cuda.get_device_name(),
    }

    def save(curve: list[dict[str, float]]) -> None:
        save_model(model, tokenizer, arguments.out)
        text = json.dumps(metrics | {"curve": curve}, indent=1)
        (arguments.out / "metrics.json").write_text(text + "\n", encoding="utf-8")

    # --- training
    curve = train(model, feed, probe, 60 * arguments.minutes, save)
    feed.close()

    # --- scores, of the weights as they are saved
    save(curve)
    shipped = LlamaForCausalLM.from_pretrained(arguments.out, dtype=torch.bfloat16).to("cuda")
    holes = choose_line_holes(documents, 400, arguments.seed)
    metrics["scores"] = score(shipped.eval(), tokenizer, holes)
    print(json.dumps(metrics["scores"]["exact_match_percent"], indent=1), flush=True)
    save(curve)
    write_card(arguments.out)


if __name__ == "__main__":
    main()
