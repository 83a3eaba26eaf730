"""The settings of how it is trained: the adapter, the training itself, precision and memory."""

from __future__ import annotations

from dataclasses import dataclass

from codetune_ui.core.setting import setting


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """One half of `Config`: LoRA, training, precision and memory; defaults of Recommended."""

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
    processes: int = setting(
        1,
        "Processes",
        "Processes that train together, each on a GPU of its own; they divide the rows of a step.",
        group="training",
        low=1,
        high=64,
    )
    cards: str = setting(
        "",
        "Cards",
        "Which GPUs of this machine train, one process each, by their numbers in nvidia-smi with "
        "commas between (0,1); empty takes the first ones.",
        group="training",
    )
    split_base: str = setting(
        "auto",
        "Split base",
        "Several processes divide the base's layers among their cards, for a base that does not "
        "fit one: the same steps, slower. auto does so where it does not fit whole.",
        group="training",
        choices=("auto", "yes", "no"),
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
    scorecard_holes: int = setting(
        48,
        "Scorecard holes",
        "Holes in held-out code, measured at each evaluation; 0 for none. Small runs measure fewer "
        "and shorter ones: it takes about a twentieth of the training time at most.",
        group="training",
        low=0,
        high=1000,
    )
    keep_best: str = setting(
        "best",
        "Adapter kept",
        "best is the adapter of the evaluation that found held-out code likeliest, last the one "
        "after the last step.",
        group="training",
        choices=("best", "last"),
    )
    early_stop: int = setting(
        0,
        "Early stop",
        "Evaluations in a row without a gain on held-out code after which it ends; 0 for never "
        "(Recommended takes 5).",
        group="training",
        low=0,
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
    memory_use: str = setting(
        "fastest",
        "Memory",
        "On a GPU: fastest keeps as much as fits, least trains in as little as possible, "
        "as_set takes rows per pass and checkpointing as they stand here.",
        group="precision",
        level="simple",
        choices=("fastest", "least", "as_set"),
    )
    memory_limit_gib: float = setting(
        0.0,
        "Memory limit",
        "GiB of the GPU that the training may take; 0 for all that is free.",
        group="precision",
        low=0.0,
        high=10_000.0,
    )
    engine: str = setting(
        "auto",
        "Engine",
        "fused trains with the app's own forward and backward pass, plain with PEFT and autograd; "
        "auto takes fused where the model's shape is one it knows.",
        group="precision",
        choices=("auto", "fused", "plain"),
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
        "auto leaves it to the engine: fused takes cuDNN's where its front end is installed, else "
        "torch's; plain takes flash-attn where it is installed. The last two are plain's alone.",
        group="precision",
        choices=("auto", "sdpa", "flash_attention_2", "eager"),
    )
