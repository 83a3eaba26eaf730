"""Every setting of a run, once: name, default, label, help, limits and level.

The form, `config.json`, `--set name=value`, validation and the table in the README all follow
from the fields of `Config`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from codetune_ui.core.errors import ConfigError
from codetune_ui.core.setting import Setting, check_value, coerce, setting
from codetune_ui.core.spans import parse_mix

SCHEMA = 1  # raised when a stored config.json of an older app could be read wrongly

DEMO = "demo"  # the embedded model and the embedded code base answer to this name


@dataclass(frozen=True, kw_only=True)
class Config:
    """All that decides a run, with the defaults of the Recommended preset; JSON in and out."""

    # --- model
    base_model: str = setting(
        DEMO,
        "Base model",
        "The embedded demo model, a folder on this machine, or a Hub id.",
        group="model",
        level="simple",
    )
    revision: str = setting(
        "", "Revision", "Branch, tag or commit on the Hub; empty is the main branch.", group="model"
    )
    family: str = setting(
        "auto",
        "FIM family",
        "Which fill-in-the-middle format the model was pretrained with; auto asks its tokenizer.",
        group="model",
    )
    left_to_right: bool = setting(
        False,
        "Train left to right only",
        "Go on without fill in the middle when the tokenizer has no FIM tokens.",
        group="model",
    )

    # --- data
    source: str = setting(
        DEMO,
        "Source code",
        "The demo, a folder, a git URL, an archive, a table or hub:OWNER/NAME; several with ';' "
        "between, each with a weight after it if you like (/work/app; /work/old *0.5).",
        group="data",
        level="simple",
    )
    data_column: str = setting(
        "content",
        "Column",
        "The column that holds the code, in tables and Hub datasets.",
        group="data",
    )
    data_dir: str = setting(
        "",
        "Folder on the Hub",
        "A folder inside the Hub dataset; empty is the whole.",
        group="data",
    )
    data_config: str = setting(
        "",
        "Configuration on the Hub",
        "Which part of the Hub dataset; empty is its own choice.",
        group="data",
    )
    include: str = setting(
        "",
        "Only these files",
        "Patterns as in .gitignore, comma between; empty is all.",
        group="data",
    )
    exclude: str = setting(
        "", "Not these files", "Patterns as in .gitignore, comma between.", group="data"
    )
    force_in: str = setting(
        "",
        "Always these files",
        "Patterns of files that stay although a rule would drop them; comma between.",
        group="data",
    )
    languages: str = setting(
        "",
        "Only these languages",
        "Names as in the scan, comma between; empty is all.",
        group="data",
    )
    licences: str = setting(
        "",
        "Only these licences",
        "SPDX names, comma between: files that declare another are dropped; empty asks nothing.",
        group="data",
    )
    secrets: str = setting(
        "redact",
        "Secrets in code",
        "Keys and passwords: replace each by a harmless value, drop the file, or keep it.",
        group="data",
        choices=("redact", "drop", "keep"),
    )
    near_duplicates: float = setting(
        0.8,
        "Near-duplicates from",
        "Files at least this alike (Jaccard of 5-word runs) count as copies; 1 turns it off.",
        group="data",
        low=0.5,
        high=1.0,
    )
    max_documents: int = setting(
        0,
        "Most documents",
        "Stop reading after so many files; 0 reads all (a Hub dataset: what the plan needs).",
        group="data",
        low=0,
        high=100_000_000,
    )
    held_out_share: float = setting(
        0.0,
        "Held-out share",
        "Share of the code kept for measuring, never trained on; 0 sizes it to the data.",
        group="data",
        low=0.0,
        high=0.5,
    )
    held_out_after: str = setting(
        "",
        "Held out by time",
        "YYYY-MM-DD: hold out the files that git says changed on or after it; empty holds out "
        "by directory.",
        group="data",
    )

    # --- fill in the middle
    fim_rate: float = setting(
        0.5,
        "FIM rate",
        "Share of the examples with a hole; the rest stay left to right.",
        group="fim",
        level="simple",
        low=0.0,
        high=1.0,
    )
    spm_rate: float = setting(
        0.5,
        "SPM rate",
        "Among examples with a hole, share with the suffix first (where the model knows it).",
        group="fim",
        low=0.0,
        high=1.0,
    )
    span: str = setting(
        "mixed",
        "Holes",
        "Random characters (the guide's), rest of line, whole lines, a piece of syntax, or a mix.",
        group="fim",
        choices=("characters", "rest_of_line", "lines", "syntax", "mixed"),
    )
    span_mix: str = setting(
        "rest_of_line 50, lines 35, characters 15, syntax 0",
        "Mix of holes",
        "How often each kind of hole comes where the holes are mixed.",
        group="fim",
    )
    fit: str = setting(
        "window",
        "Length of prompts",
        "window: each fits its row whole. truncate_or_pad: the suffix is cut or padded until the "
        "length is that of the plain text, as in the guide; parts of prompts are lost.",
        group="fim",
        choices=("window", "truncate_or_pad"),
    )
    repo_context: str = setting(
        "none",
        "Repository context",
        "What a file is read with, as far as its row has room: nothing, its path, or also the "
        "files it imports and those beside it.",
        group="fim",
        choices=("none", "path", "neighbours"),
    )
    context_tokens: int = setting(
        512,
        "Tokens of neighbours",
        "The most that neighbouring files take of a row.",
        group="fim",
        low=0,
        high=131_072,
    )
    loss_on: str = setting(
        "all",
        "Loss on",
        "All tokens (the norm), or the middle only.",
        group="fim",
        choices=("all", "middle"),
    )

    # --- LoRA
    lora_rank: int = setting(
        16, "LoRA rank", "Width of the adapter.", group="lora", level="simple", low=1, high=512
    )
    lora_alpha: int = setting(
        32, "LoRA alpha", "The adapter is scaled by alpha / rank.", group="lora", low=1, high=2048
    )
    lora_dropout: float = setting(
        0.0, "LoRA dropout", "Dropout on the adapter's input.", group="lora", low=0.0, high=0.9
    )
    lora_targets: str = setting(
        "all-linear",
        "LoRA targets",
        "all-linear, or module names with commas (the guide: c_proj,c_attn,q_attn,c_fc).",
        group="lora",
    )

    # --- training
    max_seq_len: int = setting(
        2048,
        "Sequence length",
        "Tokens per row.",
        group="training",
        level="simple",
        low=64,
        high=131_072,
    )
    max_steps: int = setting(
        500,
        "Steps",
        "Optimizer steps in all.",
        group="training",
        level="simple",
        low=1,
        high=10_000_000,
    )
    global_batch_rows: int = setting(
        16,
        "Rows per step",
        "Rows per optimizer step (the guide's batch size).",
        group="training",
        low=1,
        high=65_536,
    )
    micro_batch_rows: int = setting(
        4,
        "Rows per pass",
        "Rows in one forward pass; fewer need less memory and train the same.",
        group="training",
        low=1,
        high=4096,
    )
    learning_rate: float = setting(
        2e-4,
        "Learning rate",
        "The highest rate, after the warm-up.",
        group="training",
        level="simple",
        low=0.0,
        high=1.0,
    )
    lr_scheduler: str = setting(
        "cosine",
        "Schedule",
        "How the learning rate falls.",
        group="training",
        choices=("cosine", "linear", "constant_with_warmup"),
    )
    warmup_steps: int = setting(
        30,
        "Warm-up steps",
        "Steps until the highest rate.",
        group="training",
        low=0,
        high=1_000_000,
    )
    weight_decay: float = setting(
        0.01,
        "Weight decay",
        "Pull of the adapter's weights to zero.",
        group="training",
        low=0.0,
        high=1.0,
    )
    max_grad_norm: float = setting(
        1.0,
        "Gradient clip",
        "Longest gradient; longer ones are scaled down.",
        group="training",
        low=0.0,
        high=1000.0,
    )
    eval_every: int = setting(
        100,
        "Evaluate every",
        "Steps between two looks at held-out code.",
        group="training",
        low=1,
        high=10_000_000,
    )
    save_every: int = setting(
        100,
        "Save every",
        "Steps between two checkpoints.",
        group="training",
        low=1,
        high=10_000_000,
    )
    log_every: int = setting(
        10,
        "Log every",
        "Steps between two points of the loss curve.",
        group="training",
        low=1,
        high=10_000_000,
    )
    keep_checkpoints: int = setting(
        2,
        "Keep checkpoints",
        "How many of the last checkpoints stay on disk.",
        group="training",
        low=1,
        high=1000,
    )
    seed: int = setting(
        0, "Seed", "The same seed gives the same run.", group="training", low=0, high=2**31 - 1
    )

    # --- precision and memory
    quant: str = setting(
        "nf4",
        "Quantisation",
        "nf4 keeps the frozen base in 4 bit (QLoRA); none keeps it in the compute type.",
        group="precision",
        choices=("nf4", "none"),
    )
    double_quant: bool = setting(
        True, "Double quantisation", "Quantise the quantisation constants too.", group="precision"
    )
    compute_dtype: str = setting(
        "bfloat16",
        "Compute type",
        "Number format of the matrix products.",
        group="precision",
        choices=("bfloat16", "float16", "float32"),
    )
    gradient_checkpointing: bool = setting(
        True,
        "Gradient checkpointing",
        "Compute activations twice instead of keeping them: less memory, about 30 % slower.",
        group="precision",
    )
    attention: str = setting(
        "auto",
        "Attention",
        "auto takes flash-attn where it is installed, else torch's own.",
        group="precision",
        choices=("auto", "sdpa", "flash_attention_2", "eager"),
    )

    def __post_init__(self) -> None:
        for about in SETTINGS.values():
            check_value(about, getattr(self, about.name))
        parse_mix(self.span_mix)
        if self.global_batch_rows % self.micro_batch_rows:
            fitting = self.global_batch_rows - self.global_batch_rows % self.micro_batch_rows
            raise ConfigError(
                f"{self.global_batch_rows} rows per step are not a multiple of "
                f"{self.micro_batch_rows} rows per pass.",
                f"Try {max(fitting, self.micro_batch_rows)} rows per step.",
                field="global_batch_rows",
            )

    @property
    def grad_accum_steps(self) -> int:
        """Forward passes per optimizer step."""
        return self.global_batch_rows // self.micro_batch_rows

    @property
    def tokens_per_step(self) -> int:
        """Tokens seen by one optimizer step."""
        return self.global_batch_rows * self.max_seq_len

    @property
    def lora_target_modules(self) -> str | list[str]:
        """What PEFT wants: the word all-linear, or a list of module names."""
        names = [name.strip() for name in self.lora_targets.split(",") if name.strip()]
        return "all-linear" if names in ([], ["all-linear"]) else sorted(set(names))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with the schema number."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Read what `to_dict` wrote; unknown names and a newer schema are refused."""
        given = dict(values)
        schema = given.pop("schema", SCHEMA)
        if not isinstance(schema, int) or schema > SCHEMA:
            raise ConfigError(
                f"This config was written by a newer CodeTune UI (schema {schema}).",
                "Update the app.",
            )
        unknown = sorted(set(given) - set(SETTINGS))
        if unknown:
            raise ConfigError(
                f"There is no setting '{unknown[0]}'.", "Remove it.", field=unknown[0]
            )
        return cls(**{name: coerce(SETTINGS[name], value) for name, value in given.items()})

    def replace(self, **changes: Any) -> Config:
        """Return a copy with some settings changed, checked again."""
        return Config.from_dict({**dataclasses.asdict(self), **changes})


SETTINGS: dict[str, Setting] = {}  # filled below, once the class exists
_KINDS = get_type_hints(Config)
for _field in dataclasses.fields(Config):
    SETTINGS[_field.name] = Setting(
        name=_field.name, kind=_KINDS[_field.name], default=_field.default, **_field.metadata
    )
