"""A base divided among processes beside a whole one on each: memory, speed, losses, adapter.

python -m tests.bench.split_base --shape qwen2.5-coder-1.5b --exact

A published shape with random weights trains a few steps on random rows, by the app's own plain
engine in 4 bit: first with the base whole on each process, then split. Where there are as many
cards as processes each has one, over NCCL; on one card the processes share it, over gloo, which
goes through main memory: then the speed of the split one says nothing, and the rest does. The last
line is JSON. Status 1 where the two trained differently (with --exact: by a single bit).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import Config
from codetune_ui.core.pack import Row, to_words
from codetune_ui.engine import checkpoint, model, train
from codetune_ui.engine.hardware import GIB, find_hardware
from codetune_ui.engine.pace import choose_pace
from codetune_ui.engine.place import Place
from codetune_ui.engine.ranks import Ranks
from codetune_ui.engine.report import Mute, NoWish, Reporter
from codetune_ui.engine.rows import RowFile
from codetune_ui.engine.seat import Seat, calm
from codetune_ui.engine.shard import WHOLE, WholeBase, find_layers
from codetune_ui.engine.shard_load import load_split_base
from codetune_ui.runs.events import read_events
from codetune_ui.runs.store import Home, Run
from tests.bench.shapes import SHAPES

SIDES = ("whole", "split")
HELD_OUT = 3  # rows: not the same number for each of two processes
PATIENCE = timedelta(seconds=120)  # for one that failed
NEAR = 1e-3  # relative: what 16 bit and another order of summing make of a few steps
PROBE = 1 << 20


@dataclass(frozen=True)
class Figures:
    """What one process of a side found; bytes of the allocator are None without a card."""

    load_s: float
    load_peak_gib: float | None
    held_gib: float | None
    peak_gib: float | None
    layers_gib: float  # its part of the layers, without scales
    way: str


# --- one process


class ThroughMainMemory(Ranks):
    """For gloo that cannot reach the cards itself."""

    def gather(self, whole: Tensor, own: Tensor) -> None:
        found = torch.empty(whole.shape, dtype=whole.dtype)
        super().gather(found, own.cpu())
        whole.copy_(found)

    @torch.no_grad()
    def sum_in_place(self, tensors: Any) -> None:
        for tensor in tensors:
            found = tensor.cpu()
            dist.all_reduce(found)
            tensor.copy_(found)


def join(seat: Seat, port: int, shared_card: bool) -> Ranks:
    """Meet the others, in a way that works here."""
    cuda = torch.cuda.is_available()
    backend = "gloo" if not cuda else f"cpu:gloo,cuda:{'gloo' if shared_card else 'nccl'}"
    store = dist.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", port, seat.size, is_master=seat.rank == 0, timeout=PATIENCE
    )
    dist.init_process_group(
        backend, store=store, rank=seat.rank, world_size=seat.size, timeout=PATIENCE
    )
    ranks = Ranks(seat)
    if not cuda or _gathers(ranks):
        return ranks
    return ThroughMainMemory(seat)


def _gathers(ranks: Ranks) -> bool:
    """Try the two calls on the card that a split base needs; say what is wrong with them."""
    own = torch.full((PROBE,), ranks.seat.rank, dtype=torch.uint8, device="cuda")
    whole = torch.empty(PROBE * ranks.size, dtype=torch.uint8, device="cuda")
    summed = torch.ones(3, device="cuda")
    try:
        ranks.gather(whole, own)
        ranks.sum_in_place([summed])
        found = whole.view(ranks.size, PROBE).double().mean(1).tolist()
        why = "" if found == list(range(ranks.size)) else f"it gathered {found}"
        why = why or ("" if summed.tolist() == [ranks.size] * 3 else f"it summed {summed}")
    except Exception as error:  # noqa: BLE001 - whatever it is, there is another way
        why = (str(error).splitlines() or [repr(error)])[0]
    if why and ranks.first:
        print(f"gloo does not reach the card ({why}): by way of main memory.", flush=True)
    fine: bool = ranks.all_agree(not why)
    return fine


def work(args: argparse.Namespace) -> None:
    """Train one side in this process, and write its figures beside the run."""
    seat = Seat(args.rank, args.processes, args.rank, args.processes)
    torch.set_num_threads(max(1, torch.get_num_threads() // seat.size))
    if args.exact:
        torch.use_deterministic_algorithms(True, warn_only=True)
    ranks = join(seat, args.port, args.shared_card)
    run = Run(Path(args.run))
    config = run.config()
    machine = find_hardware()
    precision = model.choose_precision(config, machine)
    reporter = Reporter(run, "train") if ranks.first else Mute(run, "train")
    parts = seat.size if args.side == "split" else 1
    place = Place(run, reporter, NoWish(run), machine, precision, ranks, parts)
    figures = _train(place, config.share(seat.size))
    target = run.path / f"figures-{seat.rank}.json"
    target.write_text(json.dumps(asdict(figures)), encoding="utf-8")
    ranks.all_agree(True)
    ranks.leave()


def _train(place: Place, own: Config) -> Figures:
    run, cuda = place.run, place.hardware.device == "cuda"
    folder = Path(own.base_model)
    train.seed_everything(own.seed)
    split: WholeBase = WHOLE
    begun = time.perf_counter()
    if place.base_parts > 1:
        base, divided = load_split_base(own, folder, place)
        split, layers = divided, divided.own_bytes
    else:
        base = model.load_base(own, folder, device=place.hardware.device, training=True)
        found = find_layers(base)[1].parameters()
        layers = sum(weight.numel() * weight.element_size() for weight in found)
    load_s, load_peak, held = time.perf_counter() - begun, _peak(cuda), _held(cuda)
    tuned = model.attach_adapter(base, own)
    rows = _open(run, "train", own.max_steps * run.config().global_batch_rows)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    pace = choose_pace(tuned, own, place.precision, [rows[0]], place.ranks, split)
    train.train_adapter(place, tuned, rows, _open(run, "val", HELD_OUT), pace, resume_from=None)
    if place.ranks.first:
        checkpoint.publish_adapter(tuned, run)
    return Figures(load_s, load_peak, held, _peak(cuda), layers / GIB, pace.sentence)


def _open(run: Run, name: str, count: int) -> RowFile:
    def missing(wanted: int) -> None:
        raise AssertionError(f"{wanted} rows are not there")

    return RowFile(run.dataset_dir / f"{name}.rows", run.config().max_seq_len, count, wait=missing)


def _peak(cuda: bool) -> float | None:
    return torch.cuda.max_memory_allocated() / GIB if cuda else None


def _held(cuda: bool) -> float | None:
    return torch.cuda.memory_allocated() / GIB if cuda else None


# --- all of them


def main() -> int:
    args = _arguments()
    if args.side:
        work(args)
        return 0
    with tempfile.TemporaryDirectory(prefix="split-base-") as folder:
        return compare(args, Path(folder))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="qwen2.5-coder-1.5b", choices=sorted(SHAPES))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rows", type=int, default=1, help="rows a pass")
    parser.add_argument("--passes", type=int, default=2, help="passes a step, of each process")
    parser.add_argument("--length", type=int, default=1024, help="tokens a row")
    parser.add_argument("--quant", default="nf4", choices=("nf4", "none"))
    parser.add_argument("--exact", action="store_true", help="torch's deterministic algorithms")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds that a side may take")
    for name in ("side", "run"):
        parser.add_argument(f"--{name}", default="", help=argparse.SUPPRESS)
    for name in ("rank", "port"):
        parser.add_argument(f"--{name}", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--shared-card", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(args: argparse.Namespace, folder: Path) -> int:
    """Train both sides, print the table, and return the status."""
    cards = torch.cuda.device_count()
    args.shared_card = 0 < cards < args.processes
    where = "on the CPU" if not cards else f"on {torch.cuda.get_device_name()}"
    how = "gloo" if args.shared_card or not cards else "NCCL"
    print(f"{args.shape}, {args.processes} processes over {how}, {where}", flush=True)
    begun = time.perf_counter()
    command = [sys.executable, "-m", "tests.bench.shapes", args.shape, str(folder / "base")]
    subprocess.run(command, cwd=PROJECT_ROOT, check=True)
    print(f"written in {time.perf_counter() - begun:.0f} s", flush=True)
    runs = {}
    for side in SIDES:
        begun = time.perf_counter()
        runs[side] = make_run(args, folder, side)
        if not start(args, runs[side], side):
            return 1
        print(f"{side}: done in {time.perf_counter() - begun:.0f} s", flush=True)
    return tell(args, runs)


def make_run(args: argparse.Namespace, folder: Path, side: str) -> Run:
    """Make a side's run, with rows of random tokens: the same for both."""
    rows = args.processes * args.rows * args.passes
    config = Config(
        base_model=str(folder / "base"),
        max_seq_len=args.length,
        max_steps=args.steps,
        global_batch_rows=rows,
        micro_batch_rows=args.rows,
        processes=args.processes,
        split_base="yes" if side == "split" else "no",
        engine="plain",
        memory_use="as_set",
        quant=args.quant,
        warmup_steps=0,
        eval_every=args.steps,
        save_every=args.steps,
        log_every=1,
    )
    run = Home(folder / "home").create_run(config, side)
    run.dataset_dir.mkdir()
    chance = np.random.default_rng(0)
    for name, count in (("train", args.steps * rows), ("val", HELD_OUT)):
        words = [to_words(_row(chance, args.length)) for _ in range(count)]
        np.concatenate(words).tofile(run.dataset_dir / f"{name}.rows")
    return run


def _row(chance: np.random.Generator, length: int) -> Row:
    """Return a row of four examples, with loss on all of their tokens but the first."""
    ids = chance.integers(5, 8000, length).astype(np.int32)
    sizes = tuple(len(piece) for piece in np.array_split(ids, 4))
    labels = ids.copy()
    labels[np.cumsum((0, *sizes[:-1]))] = -100
    return Row(ids, labels, sizes)


def start(args: argparse.Namespace, run: Run, side: str) -> bool:
    """Start a side's processes and wait for them; on a failure show what they said."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    logs = [run.path / f"process-{rank}.log" for rank in range(args.processes)]
    command = [sys.executable, "-m", "tests.bench.split_base", *sys.argv[1:]]
    command += ["--side", side, "--run", str(run.path), "--port", str(port)]
    command += ["--shared-card"] if args.shared_card else []
    began = []
    for rank, log in enumerate(logs):
        with log.open("wb") as file:
            own = [*command, "--rank", str(rank)]
            environment = _environment(args, rank)
            began.append(
                subprocess.Popen(
                    own, cwd=PROJECT_ROOT, stdout=file, stderr=subprocess.STDOUT, env=environment
                )
            )
    codes = _wait(began, args.limit)
    if any(codes):
        for rank, log in enumerate(logs):
            tail = log.read_text("utf-8", "replace").splitlines()[-25:]
            print(f"--- {side}, process {rank}: status {codes[rank]}", *tail, sep="\n", flush=True)
        return False
    for line in logs[0].read_text("utf-8", "replace").splitlines():
        if "main memory" in line:
            print(line, flush=True)
    return True


def _environment(args: argparse.Namespace, rank: int) -> dict[str, str]:
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    calm(environment)
    environment.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    environment.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for --exact
    if torch.cuda.is_available() and not args.shared_card:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        environment["CUDA_VISIBLE_DEVICES"] = seen[rank] if seen != [""] else str(rank)
    return environment


def _wait(began: list[subprocess.Popen[bytes]], limit: float) -> list[int]:
    """Return how each ended; one that fails, or is too slow, takes the others with it."""
    deadline = time.monotonic() + limit
    while any(one.poll() is None for one in began):
        if time.monotonic() > deadline or any(one.poll() for one in began):
            time.sleep(5.0)  # for the others to say why
            for one in began:
                one.kill()
        time.sleep(0.2)
    return [one.wait() for one in began]


# --- what came out


def tell(args: argparse.Namespace, runs: dict[str, Run]) -> int:
    """Print the table and the JSON line; return 1 where the sides trained differently."""
    found = {side: _found(run, args.processes) for side, run in runs.items()}
    print(f"\n{'':8}{'load s':>8}{'load peak':>11}{'held':>8}{'peak':>8}{'layers':>8}{'tok/s':>9}")
    for side, one in found.items():
        first = one["processes"][0]
        names = ("load_s", "load_peak_gib", "held_gib", "peak_gib", "layers_gib")
        cells = [max(_number(each[name]) for each in one["processes"]) for name in names]
        widths = (8, 11, 8, 8, 8)
        line = "".join(f"{cell:{width}.2f}" for cell, width in zip(cells, widths, strict=True))
        print(f"{side:8}{line}{one['tokens_per_s']:9.0f}   {first['way']}")
    for side, one in found.items():
        losses = " ".join(f"{loss:.6f}" for loss in one["losses"])
        print(f"{side:8}loss {losses}   held-out {' '.join(f'{v:.6f}' for v in one['val'])}")
    largest, bits = _difference(runs)
    spread = max(
        abs(ours - theirs) / abs(theirs)
        for name in ("losses", "val")
        for ours, theirs in zip(found["split"][name], found["whole"][name], strict=True)
    )
    print(f"losses differ by {spread:.1e} at most (relative)")
    words = "to the bit the same" if bits == 0 else f"{bits} weights differ, by {largest:.1e} rms"
    print(f"adapters: {words}")
    answer = {"shape": args.shape, "found": found, "spread": spread, "adapter": largest}
    print(json.dumps(answer))
    return int(bits > 0 or spread > 0) if args.exact else int(spread > NEAR)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _found(run: Run, processes: int) -> dict[str, Any]:
    events, _ = read_events(run.events_path)
    steps = [event for event in events if event["kind"] == "train"]
    speeds = [event["tokens_per_s"] for event in steps[1:]] or [steps[0]["tokens_per_s"]]
    paths = [run.path / f"figures-{rank}.json" for rank in range(processes)]
    return {
        "processes": [json.loads(path.read_text(encoding="utf-8")) for path in paths],
        "losses": [event["loss"] for event in steps],
        "grad_norms": [event["grad_norm"] for event in steps],
        "val": [event["val_loss"] for event in events if event["kind"] == "eval"],
        "tokens_per_s": statistics.median(speeds),
    }


def _difference(runs: dict[str, Run]) -> tuple[float, int]:
    """Return how far the two adapters are from each other, relative, and in how many weights."""
    from safetensors.torch import load_file

    whole, split = (load_file(runs[side].adapter_dir / checkpoint.WEIGHTS) for side in SIDES)
    assert whole.keys() == split.keys()
    off = sum(float((whole[name] - split[name]).double().square().sum()) for name in whole)
    size = sum(float(weight.double().square().sum()) for weight in whole.values())
    bits = sum(int((whole[name] != split[name]).sum()) for name in whole)
    return (off / size) ** 0.5, bits


if __name__ == "__main__":
    sys.exit(main())
