"""A whole training on private code: it reaches for no other machine, and no file has its key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from tests.tiny import write_code

# Put together here, so that no scanner takes this file for one that holds a key.
KEY = "AKIA" + "Z7Q3M2XW" + "K5T9RJ4B"
# Python loads this module by its name at every start: the app's own and each worker's.
GUARD = """
import os, sys
def look(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        where = given[1] if event != "socket.getaddrinfo" else given[0]
        where = where[0] if isinstance(where, tuple) else where
        if where not in ("127.0.0.1", "localhost", "::1", None):
            with open(os.environ["SEEN"], "a") as file:
                file.write(f"{event} {given[-4:]}\\n")
with open(os.environ["SEEN"], "a") as file:
    file.write("guarded\\n")
sys.addaudithook(look)
"""


def test_a_training_reaches_for_nobody_and_leaves_a_key_nowhere(
    home: Path, tmp_path: Path, tiny_model: Path
) -> None:
    code = write_code(tmp_path / "code")
    (code / "keys.py").write_text(f'AWS_ACCESS_KEY_ID = "{KEY}"\n\n\ndef name():\n    return 1\n')
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    seen = tmp_path / "seen"
    command = [sys.executable, "app.py", "train", "--model", str(tiny_model), "--data", str(code)]
    for setting in ("max_steps=2", "quant=none", "compute_dtype=float32", "max_seq_len=128"):
        command += ["--set", setting]
    paths = os.pathsep.join((str(tmp_path / "guard"), str(PROJECT_ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths, "SEEN": str(seen)}
    environment |= {"OMP_NUM_THREADS": "1", "HF_TOKEN": "hf_planted_token", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [*command, "--home", str(home)],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = seen.read_text().splitlines()
    assert lines.count("guarded") > 1  # the app and its worker
    assert [line for line in lines if line != "guarded"] == []
    written = [path for path in home.rglob("*") if path.is_file()]
    assert len(written) > 5
    for secret in (KEY, "hf_planted_token"):
        holders = [str(path) for path in written if secret.encode() in path.read_bytes()]
        assert holders == []
        assert secret not in done.stdout + done.stderr
