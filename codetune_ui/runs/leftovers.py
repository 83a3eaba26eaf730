"""What the attempts at a run have written, and how one of them is discarded without its elders."""

from __future__ import annotations

import contextlib
import shutil

from codetune_ui.runs.store import Run

# A file's time is that of the kernel's last tick: up to 10 ms before the clock that is asked.
FILE_CLOCK_LAG_S = 0.1


def discard_attempt(run: Run) -> None:
    """Remove the adapters and checkpoints written since the last start; older ones stay.

    What was there is known by name, not by time: a clock that is set must not cost a checkpoint.
    """
    status = run.status()
    for path, inode in written_by_now(run).items():
        if status.earlier is None:  # of a worker of an older version
            earlier = (run.path / path).stat().st_mtime < status.started - FILE_CLOCK_LAG_S
        else:
            # An adapter has one name for ever; a checkpoint's name is its step's.
            known = status.earlier.get(path)
            earlier = known is not None and (path != "adapter" or known == inode)
        if not earlier:
            shutil.rmtree(run.path / path, ignore_errors=True)


def written_by_now(run: Run) -> dict[str, int]:
    """Return the adapters and checkpoints of a run: paths in its folder, and their inodes."""
    found: dict[str, int] = {}
    for path in (run.adapter_dir, *run.checkpoints_dir.glob("*"), *run.best_dir.glob("*")):
        with contextlib.suppress(FileNotFoundError):
            found[path.relative_to(run.path).as_posix()] = path.stat().st_ino
    return found
