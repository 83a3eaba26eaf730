"""How long from Start to the first row? `python -m tests.bench.first_row --model FOLDER`.

The preparing process is started as a training starts it; the clock stops when a whole row stands in
train.rows. Sources: the code that `data_step` makes, as a folder, as a folder that was scanned
before, as a .zip and as a .jsonl; and the demo. Then rows a second in the epochs of one run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

from codetune_ui.core.assets import DEMO_CODE, PROJECT_ROOT
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.document import Document
from codetune_ui.core.families import find_format
from codetune_ui.core.recipe import Recipe, rows
from codetune_ui.core.secrets import find_secrets
from codetune_ui.core.token_cache import TokenCache
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.reading import read_documents
from codetune_ui.engine.report import Reporter, StopWish
from codetune_ui.engine.scan import scan
from codetune_ui.engine.token_store import MOST_CHARACTERS
from codetune_ui.runs.process import environment
from codetune_ui.runs.store import Home, Run
from tests.bench.data_step import MB, make_code

POLL_S = 0.005
ROW = 2048


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="a folder with a tokenizer.json")
    parser.add_argument("--family", default="starcoder")
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--only", default="", help="of: scanned folder zip jsonl demo speed")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="first_row_"))
    try:
        home = Home(folder / "home")
        os.environ.update(environment(home.path))
        find_secrets([""])  # fills the cache of the scanner's rules: the first start on a machine
        model = _model(folder, Path(args.model), args.family)
        wanted = args.only.split() or ["folder", "zip", "jsonl", "scanned", "demo", "speed"]
        for kind in wanted:
            if kind == "speed":
                speeds(model, folder)
                continue
            source = _source(kind, folder, args.mb)
            config = _config(model, source, args.steps)
            if kind == "scanned":
                print(f"scan {_scan(home, config):.1f} s", flush=True)
            figures = first_row(home.create_run(config, kind), model)
            print(json.dumps({"source": kind} | figures), flush=True)
    finally:
        shutil.rmtree(folder)


def _model(folder: Path, tokenizer: Path, family: str) -> Path:
    model = folder / "model"
    shutil.copytree(tokenizer, model)
    model.chmod(0o700)
    (model / "config.json").write_text("{}")
    (model / "fim.json").write_text(json.dumps({"family": family}))
    return model


def _config(model: Path, source: str, steps: int, **more: object) -> Config:
    settings = {"base_model": str(model), "source": source, "max_seq_len": ROW, "max_steps": steps}
    return Config.from_dict(settings | {"global_batch_rows": 16, "micro_batch_rows": 1} | more)


def _source(kind: str, folder: Path, mb: int) -> str:
    if kind == "demo":
        return DEMO
    code = folder / "code"
    if not code.exists():
        make_code(code, mb * MB)
    if kind in ("folder", "scanned"):
        return str(code)
    packed = folder / f"code.{kind}"
    files = [path for path in sorted(code.rglob("*")) if path.is_file()]
    if kind == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(code).as_posix())
    else:
        with packed.open("w", encoding="utf-8") as lines:
            for path in files:
                row = {"path": path.relative_to(code).as_posix(), "content": path.read_text()}
                lines.write(json.dumps(row) + "\n")
    return str(packed)


def _scan(home: Home, config: Config) -> float:
    begun = time.perf_counter()
    run = home.create_scan(config)
    reporter = Reporter(run, "scan")
    reporter.open()
    scan(run, reporter, StopWish(run))
    reporter.close()
    return time.perf_counter() - begun


def first_row(run: Run, model: Path) -> dict[str, float]:
    """Return seconds from the start of the process to its first row, to "ready", and to its end."""
    run.dataset_dir.mkdir()
    rows, seen = run.dataset_dir / "train.rows", dict[str, float]()
    begun = time.perf_counter()
    command = [sys.executable, "-m", "codetune_ui.engine.prepare", str(run.path), str(model)]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE)
    while process.poll() is None:
        now = time.perf_counter() - begun
        with contextlib.suppress(OSError, ValueError):
            if rows.stat().st_size >= run.config().max_seq_len * 4:
                seen.setdefault("first_row", round(now, 2))
            progress = json.loads((run.dataset_dir / "progress.json").read_text())
            if progress["stage"] == "ready":
                seen.setdefault("ready", round(now, 2))
        time.sleep(POLL_S)
    if process.returncode:
        raise SystemExit((run.dataset_dir / "progress.json").read_text())
    return seen | {"done": round(time.perf_counter() - begun, 2)}


def speeds(model: Path, folder: Path) -> None:
    """Rows a second of three epochs, with the tokens of documents kept and without."""
    tokenizer = CodeTokenizer.from_folder(model)
    for name, source in (("demo", str(DEMO_CODE)), ("20 MB", _part(folder))):
        config = _config(model, source, 4)
        documents = [d for d in read_documents(config) if isinstance(d, Document)]
        plain = Recipe.from_config(config, tokenizer, find_format(tokenizer, model, config))
        cache = TokenCache(tokenizer, MOST_CHARACTERS, forgets=False)
        for kept, recipe in ((False, plain), (True, replace(plain, cache=cache))):
            for epoch in range(3):
                begun = time.perf_counter()
                count = sum(1 for _ in rows(documents, recipe, epoch))
                speed = round(count / (time.perf_counter() - begun), 1)
                print(json.dumps({"code": name, "kept": kept, "epoch": epoch, "rows_s": speed}))


def _part(folder: Path) -> str:
    code = folder / "part"
    if not code.exists():
        make_code(code, 20 * MB)
    return str(code)


if __name__ == "__main__":
    main()
