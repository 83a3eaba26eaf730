"""The settings of what is read: the base model, the code, and how holes are cut into it."""

from __future__ import annotations

from dataclasses import dataclass

from codetune_ui.core.setting import setting

DEMO = "demo"  # the embedded model and the embedded code base answer to this name


@dataclass(frozen=True, kw_only=True)
class CodeSettings:
    """One half of `Config`: model, data, fill in the middle; defaults of Recommended."""

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
    allow_code: str = setting(
        "",
        "Allow the model's own code",
        "The fingerprint of the Python that the model brings, once you have read it; empty runs "
        "none. Most models bring none.",
        group="model",
    )

    # --- data
    source: str = setting(
        DEMO,
        "Source code",
        "The demo, a folder, a git URL, an archive, a table or hub:OWNER/NAME; several with ';' "
        "between, each with a weight after it if you like (/home/me/app; /home/me/old *0.5).",
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
