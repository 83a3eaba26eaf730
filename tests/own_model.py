"""A tiny model that transformers does not know: its Python lies beside its weights."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tiny import build_model

SETTINGS = """from transformers import LlamaConfig


class OwnConfig(LlamaConfig):
    model_type = "codetune_own"
"""
MODEL = """import os

from transformers import LlamaForCausalLM

from .configuration_own import OwnConfig

os.environ["OWN_CODE_RAN"] = "yes"


class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


def build_own_model(folder: Path, kind: str = "codetune_own") -> Path:
    """Write the model; `kind` is its model_type."""
    build_model(folder)
    (folder / "configuration_own.py").write_text(SETTINGS, encoding="utf-8")
    (folder / "modeling_own.py").write_text(MODEL, encoding="utf-8")
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values |= {
        "model_type": kind,
        "auto_map": {
            "AutoConfig": "configuration_own.OwnConfig",
            "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
        },
    }
    path.write_text(json.dumps(values), encoding="utf-8")
    return folder
