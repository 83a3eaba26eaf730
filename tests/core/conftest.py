"""Real vocabularies for the tests that want them, where they are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_tokenizers() -> Path:
    """Return a folder of published tokenizers, named by CODETUNE_TOKENIZERS; skip without it."""
    folder = Path(os.environ.get("CODETUNE_TOKENIZERS") or "nowhere")
    if not folder.is_dir():
        pytest.skip("CODETUNE_TOKENIZERS names no folder of tokenizers")
    return folder
