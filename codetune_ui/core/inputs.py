"""What a person named, model and code, looked at before a worker is started for them."""

from __future__ import annotations

import re
from pathlib import Path

from codetune_ui.core.assets import DEMO_CODE, DEMO_MODEL
from codetune_ui.core.config import DEMO, Config
from codetune_ui.core.errors import ModelError
from codetune_ui.core.families import find_format
from codetune_ui.core.pipeline import collect
from codetune_ui.core.source import Document, open_sources, read_source
from codetune_ui.core.split import split_documents
from codetune_ui.core.tokens import CodeTokenizer

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?")


def local_model(config: Config) -> Path | None:
    """Return the base model's folder on this machine; None when its name is a Hub id.

    Raises `ModelError` when it can be neither.
    """
    if config.base_model == DEMO:
        return DEMO_MODEL
    folder = Path(config.base_model).expanduser()
    if config.base_model and folder.is_dir():
        return folder
    if not HUB_ID.fullmatch(config.base_model):
        raise ModelError(
            f"There is no model folder '{config.base_model}'.",
            "Check the path, or give a Hub id OWNER/NAME.",
        )
    return None


def check_inputs(config: Config) -> None:
    """Raise what is wrong with model and source, as far as it is seen without the network."""
    folder = local_model(config)
    if folder is not None:
        find_format(CodeTokenizer.from_folder(folder), folder, config)
    check_source(config)


def check_source(config: Config) -> None:
    """Raise what is wrong with the sources, as far as it is seen without the network."""
    open_sources(config, demo_code=DEMO_CODE)


def local_documents(config: Config) -> list[Document]:
    """Return the documents to train on, from a source on this machine."""
    found = collect(read_source(config, demo_code=DEMO_CODE), config)
    kept = [item for item in found if isinstance(item, Document)]
    return split_documents(kept, config)[0]
