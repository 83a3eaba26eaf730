"""Named sets of settings (Demo, Guide, Recommended), and settings typed on a command line."""

from __future__ import annotations

from typing import Any

from codetune_ui.core.cards import parse_cards
from codetune_ui.core.config import DEMO, SETTINGS, Config
from codetune_ui.core.errors import ConfigError
from codetune_ui.core.setting import coerce

PRESETS: dict[str, dict[str, Any]] = {
    # Minutes on a laptop's CPU: short rows, few steps, the embedded model and code.
    "demo": {
        "base_model": DEMO,
        "source": DEMO,
        "fim_rate": 0.9,
        "spm_rate": 0.8,  # the demo model answers in SPM, see its fim.json
        "max_seq_len": 512,
        "max_steps": 160,
        "global_batch_rows": 1,
        "micro_batch_rows": 1,
        "learning_rate": 4e-3,
        "lr_scheduler": "linear",
        "warmup_steps": 10,
        "lora_rank": 32,
        "lora_alpha": 64,
        "eval_every": 40,
        "save_every": 40,
        "log_every": 2,
        "gradient_checkpointing": False,
    },
    # The guide's own settings, names translated; its FIM is cut in characters, as BigCode did.
    "guide": {
        "base_model": "bigcode/starcoderbase-1b",
        "source": "hub:smangrul/hf-stack-v1",
        "data_column": "content",
        "data_dir": "data",
        "fim_rate": 0.5,
        "spm_rate": 0.5,
        "span": "characters",
        "loss_on": "all",
        "lora_rank": 8,
        "lora_alpha": 32,
        "lora_dropout": 0.0,
        "lora_targets": "c_proj,c_attn,q_attn,c_fc",
        "max_seq_len": 2048,
        "max_steps": 2000,
        "global_batch_rows": 16,
        "micro_batch_rows": 16,
        "learning_rate": 5e-4,
        "lr_scheduler": "cosine",
        "warmup_steps": 30,
        "weight_decay": 0.01,
        "eval_every": 100,
        "save_every": 100,
        "log_every": 25,
        "keep_best": "last",  # and to the last step: as the guide has it
        "early_stop": 0,
        "seed": 0,
        "quant": "nf4",
        "double_quant": True,
        "compute_dtype": "bfloat16",
        "gradient_checkpointing": True,
    },
    # facts of the field: alpha = 2 rank on all linears, a lower rate, more and line-shaped holes.
    "recommended": {
        "base_model": "Qwen/Qwen2.5-Coder-1.5B",
        "fim_rate": 0.7,
        # The best adapter is kept anyway: this only saves time. A short run, with five looks or
        # fewer, never ends early by it, so that a falling rate has its say; a long one does.
        "early_stop": 5,
    },
}


def preset(name: str, **changes: Any) -> Config:
    """Return a named preset, with some settings changed.

    >>> preset("guide").tokens_per_step
    32768
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no preset '{name}'.", f"Choose one of: {', '.join(PRESETS)}.")
    return Config.from_dict({**PRESETS[name], **changes})


def parse_assignments(pairs: list[str]) -> dict[str, Any]:
    """Read `name=value` pairs of the command line; cards alone also say how many processes.

    >>> parse_assignments(["max_steps=20", "cards=0,1"])
    {'max_steps': 20, 'cards': '0,1', 'processes': 2}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{pair}' is not a setting.", "Write --set name=value.")
        if name not in SETTINGS:
            raise ConfigError(f"There is no setting '{name}'.", f"Known: {', '.join(SETTINGS)}.")
        values[name] = coerce(SETTINGS[name], value)
    if values.get("cards") and "processes" not in values:
        values["processes"] = len(parse_cards(values["cards"]))
    return values
