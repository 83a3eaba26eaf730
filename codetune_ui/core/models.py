"""Shapes of base models, from their config.json, and the ones we suggest, known without a network.

Shapes and licences are the ones on the models' own Hub pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codetune_ui.core.errors import ModelError

PLAIN_MLP = {"gpt_bigcode", "gpt2", "starcoder2"}  # up and down; others have a gate beside
TIED = {"gpt_bigcode", "gpt2", "starcoder2", "gemma", "gemma2"}  # unless config.json says it


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """What decides a decoder's memory and speed."""

    kind: str  # transformers' model_type
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int
    tied: bool
    context: int
    head_dim: int = 0  # 0: hidden / heads

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> ModelShape:
        """Read transformers' config.json; `ModelError` when a size is missing.

        >>> ModelShape.from_hf({"model_type": "gpt_bigcode", "n_embd": 8, "n_layer": 2,
        ...     "n_head": 2, "vocab_size": 9, "n_positions": 16}).intermediate
        32
        """
        values = config.get("text_config") or config  # models that also see images nest it
        kind = str(values.get("model_type", ""))

        def figure(*names: str) -> int:
            found = (values[name] for name in names if values.get(name))
            return int(next(found))

        try:
            hidden = figure("hidden_size", "n_embd")
            heads = figure("num_attention_heads", "n_head")
            single = kind == "gpt_bigcode" and values.get("multi_query", True)
            return cls(
                kind=kind,
                hidden=hidden,
                layers=figure("num_hidden_layers", "n_layer"),
                heads=heads,
                kv_heads=1 if single else int(values.get("num_key_value_heads") or heads),
                intermediate=int(
                    values.get("intermediate_size") or values.get("n_inner") or 4 * hidden
                ),
                vocab=figure("vocab_size"),
                tied=bool(values.get("tie_word_embeddings", kind in TIED)),
                context=figure("max_position_embeddings", "n_positions"),
                head_dim=int(values.get("head_dim") or 0),
            )
        except (StopIteration, TypeError, ValueError) as error:
            raise ModelError(
                f"The model's config.json does not say its sizes (model_type '{kind}').",
                "Choose a causal language model.",
            ) from error

    @property
    def gated(self) -> bool:
        """Whether the MLP has a gate beside up and down."""
        return self.kind not in PLAIN_MLP

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of one layer's linear maps, by the names that LoRA targets use."""
        head = self.head_dim or self.hidden // self.heads
        query, key = self.heads * head, self.kv_heads * head
        if self.kind in ("gpt_bigcode", "gpt2"):
            return {
                "c_attn": (self.hidden, query + 2 * key),
                "attn.c_proj": (query, self.hidden),
                "c_fc": (self.hidden, self.intermediate),
                "mlp.c_proj": (self.intermediate, self.hidden),
            }
        attention = {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key),
            "v_proj": (self.hidden, key),
            "o_proj": (query, self.hidden),
        }
        if not self.gated:
            mlp = {"c_fc": (self.hidden, self.intermediate)}
            return attention | mlp | {"c_proj": (self.intermediate, self.hidden)}
        wide, narrow = (self.hidden, self.intermediate), (self.intermediate, self.hidden)
        return attention | {"gate_proj": wide, "up_proj": wide, "down_proj": narrow}

    @property
    def linear_parameters(self) -> int:
        """Weights in the linear maps of all layers: what is quantised."""
        return self.layers * sum(a * b for a, b in self.linears.values())

    @property
    def embedding_parameters(self) -> int:
        """Weights in the token (and learned position) embeddings and the output head."""
        positions = self.context if self.kind in ("gpt_bigcode", "gpt2") else 0
        return self.hidden * (self.vocab * (1 if self.tied else 2) + positions)

    @property
    def parameters(self) -> int:
        """All weights but norms and biases, which are a thousandth."""
        return self.linear_parameters + self.embedding_parameters


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A base model we suggest: with FIM pretraining, and a licence that a person can weigh."""

    id: str
    label: str
    parameters: str
    context: int
    licence: str
    gated: bool = False
    family: str
    shape: ModelShape | None = None

    @property
    def weights_gib(self) -> float:
        """Size of its download: all weights in 16 bit."""
        return float(self.parameters.split()[0]) * 2e9 / 2**30


def _qwen(
    hidden: int, layers: int, heads: int, kv_heads: int, intermediate: int, tied: bool = True
) -> ModelShape:
    return ModelShape(
        kind="qwen2",
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        intermediate=intermediate,
        vocab=151_936 if tied else 152_064,
        tied=tied,
        context=32_768,
    )


STARCODERBASE_1B = ModelShape(
    kind="gpt_bigcode",
    hidden=2048,
    layers=24,
    heads=16,
    kv_heads=1,
    intermediate=8192,
    vocab=49_152,
    tied=True,
    context=8192,
)


def _known(
    id: str,
    parameters: str,
    context: int,
    licence: str,
    family: str,
    shape: ModelShape | None = None,
    *,
    gated: bool = False,
) -> KnownModel:
    return KnownModel(
        id=id,
        label=f"{id.split('/')[-1]} · {parameters}",
        parameters=parameters,
        context=context,
        licence=licence,
        gated=gated,
        family=family,
        shape=shape,
    )


APACHE, OPENRAIL = "Apache-2.0", "BigCode OpenRAIL-M"
QWEN = "qwen-coder"

KNOWN_MODELS: tuple[KnownModel, ...] = (
    _known("Qwen/Qwen2.5-Coder-0.5B", "0.5 B", 32_768, APACHE, QWEN, _qwen(896, 24, 14, 2, 4864)),
    _known(
        "bigcode/starcoderbase-1b",
        "1.1 B",
        8192,
        OPENRAIL,
        "starcoder",
        STARCODERBASE_1B,
        gated=True,
    ),
    _known("deepseek-ai/deepseek-coder-1.3b-base", "1.3 B", 16_384, "DeepSeek licence", "deepseek"),
    _known("Qwen/Qwen2.5-Coder-1.5B", "1.5 B", 32_768, APACHE, QWEN, _qwen(1536, 28, 12, 2, 8960)),
    _known("google/codegemma-2b", "2.5 B", 8192, "Gemma terms", "codegemma", gated=True),
    _known("bigcode/starcoder2-3b", "3 B", 16_384, OPENRAIL, "starcoder2"),
    _known(
        "Qwen/Qwen2.5-Coder-3B",
        "3.1 B",
        32_768,
        "Qwen research, not commercial",
        QWEN,
        _qwen(2048, 36, 16, 2, 11_008),
    ),
    _known("ibm-granite/granite-3b-code-base-2k", "3.5 B", 2048, APACHE, "granite-code"),
    _known("JetBrains/Mellum-4b-base", "4 B", 8192, APACHE, "mellum"),
    _known(
        "Qwen/Qwen2.5-Coder-7B",
        "7.6 B",
        32_768,
        APACHE,
        QWEN,
        _qwen(3584, 28, 28, 4, 18_944, tied=False),
    ),
    _known("ByteDance-Seed/Seed-Coder-8B-Base", "8.3 B", 32_768, "MIT", "seed-coder"),
)


def known_model(name: str) -> KnownModel | None:
    """Return the suggestion with this Hub id, None when it is not one of them."""
    return next((model for model in KNOWN_MODELS if model.id == name), None)
