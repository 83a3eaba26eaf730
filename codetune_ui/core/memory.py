"""How much memory a training needs, before anything is downloaded or loaded.

Bytes, with T = tokens of one pass (rows x sequence length), h = hidden size, V = vocabulary:

  weights       NF4: 0.5159 a weight (4 bits, and the scale of each 64, quantised again; 0.5625 when
                not again), else 2 (4 in float32); embeddings and head: 2 (4). NF4 unpacks the
                largest weight for a product: twice its size, while it lasts.
                Split over n cards: an n-th of the layers' weights, and two layers whole.
  adapter       16 a weight: itself, its gradient and two moments of Adam, in fp32.
  activations   A layer keeps 7.5 vectors of h a token, and 2 of the MLP's width (3 with a gate), in
                16 bit; autocast keeps fp32 copies beside them, 1.45 times as much in all. With
                checkpointing: one vector of h a layer, and one layer at a time as above.
  logits        12 T V with checkpointing (16-bit logits, fp32 copy, softmax, gradients), 8 T V
                without: there the two peaks fall at different moments.

The constants are fitted to peaks of torch's allocator on one H200 (the guide's recipe: NF4, bf16,
LoRA r 8 on all linears, Trainer): StarCoderBase-1B 25.9 GiB, 82.8 without checkpointing,
Qwen2.5-Coder-1.5B 63.2 (16 x 2048 tokens a pass), 7B 25.6 (4 x 2048). A CUDA context adds about
0.6 GiB; on a CPU the same tensors lie in main memory, beside Python and torch.

That is the plain engine. Of the fused one every tensor is known, and nothing is fitted: see
`_fused` for what lies there at the moments when most does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codetune_ui.core.config import Config
from codetune_ui.core.models import ModelShape
from codetune_ui.core.ways import Way, as_set

GIB = 2**30
NF4_BYTES, NF4_SINGLE_BYTES = 0.5159, 0.5625
ADAPTER_BYTES = 16
LAYER_UNITS, PLAIN_UNITS, GATED_UNITS = 7.5, 2.0, 3.0
DROPOUT_UNITS = 6.0  # the masked copy and mask of each distinct input of an adapted layer
AUTOCAST = 1.45
LOGIT_BYTES, LOGIT_BYTES_WITHOUT_CHECKPOINTING = 12, 8
ATTENTION_BYTES = 13  # of an element of the query: its gradient and the keys' per head, in fp32
FIXED_GIB = 0.11  # workspaces of the matrix products, norms, a recording's places
PIECE_BYTES = 512 * 2**20  # of logits that the fused engine makes at a time
SCORE_BYTES = 6  # eager attention keeps every score, in 16 bit and in fp32


@dataclass(frozen=True)
class MemoryEstimate:
    """The parts of the peak, in GiB: of the GPU's memory, or of main memory on a CPU."""

    weights_gib: float
    adapter_gib: float
    activations_gib: float
    logits_gib: float

    @property
    def total_gib(self) -> float:
        """The sum: parts peak at about the same moment, at the start of the backward pass."""
        return self.weights_gib + self.adapter_gib + self.activations_gib + self.logits_gib


def estimate_memory(shape: ModelShape, config: Config, way: Way | None = None) -> MemoryEstimate:
    """Return the estimate for one pass of a way, else of the plain one that the settings name."""
    way = way or as_set(config, fused=False)
    if way.engine == "fused":
        return _fused(shape, config, way)
    config = config.replace(
        micro_batch_rows=way.rows, gradient_checkpointing=way.again > 0, engine="plain"
    )
    return _plain(shape, config, way.parts)


def _fused(shape: ModelShape, config: Config, way: Way) -> MemoryEstimate:
    """Add up the fused engine's tensors.

    Kept of a layer, a token: the stream twice, query key value, attention's output and its sums,
    the inside of the MLP; of a layer that is computed again: the stream. The peak is at the loss
    (a piece of logits, three widths of the stream) or in a layer on the way back, in its MLP or in
    its attention.
    """
    tokens = way.rows * config.max_seq_len
    wide = 4 if config.compute_dtype == "float32" else 2
    groups = _groups(shape)
    query, qkv, inside = groups[1][0], groups[0][1], groups[2][1]
    kept = wide * (2 * shape.hidden + qkv + query + inside) + 4 * shape.heads
    stream = wide * shape.hidden
    whole = round(shape.layers * (1 - way.again))
    layers = whole * kept + (shape.layers - whole) * stream
    piece = min(tokens, max(256, PIECE_BYTES // (wide * shape.vocab)))
    logits = piece * wide * (shape.vocab + 2 * shape.hidden)
    at_loss = tokens * (layers + 3 * stream) + logits
    unpacked = wide * max(inputs * outputs for inputs, outputs in groups)
    in_mlp = tokens * (stream + wide * shape.intermediate + (0 if whole else kept)) + unpacked
    at_block = tokens * layers + in_mlp
    # on the way back through attention the inside of the MLP is gone
    around = 2 * stream + wide * (query + qkv) + ATTENTION_BYTES * query
    rest = -wide * inside if whole else kept - wide * inside
    at_attention = tokens * (layers + rest + around)
    adapter = 12 * adapter_parameters(shape, config) + 6 * _buffers(shape, config)
    return MemoryEstimate(
        weights_gib=_weights(shape, config, wide, unpacked=0) / GIB + FIXED_GIB,
        adapter_gib=adapter / GIB,
        activations_gib=tokens * layers / GIB,
        logits_gib=(max(at_loss, at_block, at_attention) - tokens * layers) / GIB,
    )


def _groups(shape: ModelShape) -> list[tuple[int, int]]:
    """Return inputs and outputs of the four products of a layer: what shares an input is one."""
    sizes = list(shape.linears.values())
    if len(sizes) == 4:
        return sizes
    attention, output, mlp = sizes[:3], sizes[3], sizes[4:]
    joined = (attention[0][0], sum(outputs for _, outputs in attention))
    up = (mlp[0][0], sum(outputs for _, outputs in mlp[:-1]))
    return [joined, output, up, mlp[-1]]


def _buffers(shape: ModelShape, config: Config) -> int:
    """Return the elements of the adapter as the groups hold it: weights and sums of gradients."""
    counts = (1, 1, 1, 1) if len(shape.linears) == 4 else (3, 1, len(shape.linears) - 5, 1)
    return shape.layers * sum(
        -(-count * config.lora_rank // 8) * 8 * (inputs + outputs)
        for count, (inputs, outputs) in zip(counts, _groups(shape), strict=True)
    )


def _plain(shape: ModelShape, config: Config, parts: int) -> MemoryEstimate:
    tokens = config.micro_batch_rows * config.max_seq_len
    wide = 4 if config.compute_dtype == "float32" else 2
    logit = LOGIT_BYTES if config.gradient_checkpointing else LOGIT_BYTES_WITHOUT_CHECKPOINTING
    unpacked = 2 * wide * max(inputs * outputs for inputs, outputs in shape.linears.values())
    return MemoryEstimate(
        weights_gib=_weights(shape, config, wide, unpacked, parts) / GIB,
        adapter_gib=adapter_parameters(shape, config) * ADAPTER_BYTES / GIB,
        activations_gib=_activations(shape, config, tokens) / GIB,
        logits_gib=logit * tokens * shape.vocab / GIB,
    )


def _weights(shape: ModelShape, config: Config, wide: int, unpacked: int, parts: int = 1) -> float:
    packed = NF4_BYTES if config.double_quant else NF4_SINGLE_BYTES
    scales = 0.0 if config.quant == "none" else shape.linear_parameters * (packed - 0.5)
    layers = shape.linear_parameters * (wide if config.quant == "none" else 0.5)
    if parts > 1:  # its own part, the layer at work and as much to walk along with the others
        layers = layers / parts + 2 * layers / shape.layers
    unpacked = 0 if config.quant == "none" else unpacked
    return layers + scales + shape.embedding_parameters * wide + unpacked


def _activations(shape: ModelShape, config: Config, tokens: int) -> float:
    units = LAYER_UNITS + (DROPOUT_UNITS if config.lora_dropout else 0.0)
    units += (GATED_UNITS if shape.gated else PLAIN_UNITS) * shape.intermediate / shape.hidden
    unit = 2 * shape.hidden * tokens
    # in float32 there is no autocast, but everything is twice as wide
    layer = units * unit * (2.0 if config.compute_dtype == "float32" else AUTOCAST)
    if config.attention == "eager":
        layer += SCORE_BYTES * tokens * config.max_seq_len * shape.heads
    return shape.layers * unit + layer if config.gradient_checkpointing else shape.layers * layer


def adapter_parameters(shape: ModelShape, config: Config) -> int:
    """Return the number of trained weights.

    >>> from codetune_ui.core.models import STARCODERBASE_1B
    >>> adapter_parameters(STARCODERBASE_1B, Config(lora_rank=8))
    5554176
    """
    targets = config.lora_target_modules
    sizes = [
        inputs + outputs
        for name, (inputs, outputs) in shape.linears.items()
        if isinstance(targets, str) or _is_target(name, targets)
    ]
    return config.lora_rank * shape.layers * sum(sizes)


def _is_target(name: str, targets: Sequence[str]) -> bool:
    """Compare as PEFT does: a target is a module's name, or the last parts of it."""
    return any(f".{name}".endswith(f".{target}") for target in targets)
