"""What a training imports: many seconds of it, in a thread, while the code is read."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path

from codetune_ui.core.own_code import own_code
from codetune_ui.engine.report import StopWish

LOOK_S = 0.05
# Where they are installed, transformers loads them beside itself: 4 of 16 s, for pictures, sound
# and statistics that no code model asks for.
UNUSED = ("scipy", "sklearn", "torchaudio", "torchvision")


def hide_unused() -> None:
    """Let this process find no library that is not there for it, before torch is imported."""
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # as Python documents it


class Libraries:
    """Torch and its friends, on their way into this process from the moment this is made.

    What goes wrong is not told here: who imports the same afterwards meets the same error. folder:
    the base model's.
    """

    def __init__(self, folder: Path) -> None:
        if not own_code(folder):  # that might ask for anything
            hide_unused()
        # No daemon: an interpreter must not end in the middle of an import.
        self._thread = threading.Thread(target=_load)
        self._thread.start()

    def wait(self, stop: StopWish) -> None:
        """Return when all is there; raise `StopRequested` when somebody does not want it now."""
        while self._thread.is_alive():
            stop.check()
            self._thread.join(LOOK_S)


def _load() -> None:
    with contextlib.suppress(Exception):
        from codetune_ui.engine.hardware import wake

        waking = threading.Thread(target=wake)
        waking.start()  # a second or two, of which Python sees nothing
        from codetune_ui.engine import attempts, checkpoint, resume  # noqa: F401 - all the rest

        waking.join()
