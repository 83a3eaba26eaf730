"""GGUF files, written weight by weight with the `gguf` package, and read back again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from numpy.typing import NDArray

from codetune_ui.core.errors import ModelError
from codetune_ui.core.gguf_shapes import GgufShape, Value
from codetune_ui.core.gguf_tokens import GgufTokens
from codetune_ui.engine.export_merge import Delta

Floats = NDArray[np.float32]
Weights = Iterable[tuple[str, Floats]]

FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q5_1": gguf.LlamaFileType.MOSTLY_Q5_1,
    "q5_0": gguf.LlamaFileType.MOSTLY_Q5_0,
    "q4_1": gguf.LlamaFileType.MOSTLY_Q4_1,
    "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
}


class Names:
    """transformers' names of weights and GGUF's, by the package's own map."""

    def __init__(self, shape: GgufShape) -> None:
        arch = next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == shape.architecture.name)
        self._map = gguf.get_tensor_name_map(arch, shape.shape.layers)

    def __call__(self, name: str) -> str:
        """Return GGUF's name; `ModelError` when it has none for it."""
        found = self._map.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ModelError(
                f"GGUF has no place for the weight {name} of this model.",
                "Export it with --format merged.",
            )
        return found


def kind_of(name: str, shape: Sequence[int], quant: str) -> Kind:
    """Return the number format of a tensor, by GGUF's name: norms and positions stay exact."""
    if len(shape) == 1 or name == "position_embd.weight":
        return Kind.F32
    wanted = Kind[quant.upper()]
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    return Kind.F16 if shape[-1] % block else wanted


def write_model(
    path: Path,
    shape: GgufShape,
    tokens: GgufTokens,
    about: Mapping[str, Value],
    shapes: Mapping[str, Sequence[int]],
    weights: Weights,
    quant: str,
    tell: Callable[[int, int], None],
) -> None:
    """Write a model: what it says of itself, its tokenizer, then one weight after the other.

    shapes: of all weights by transformers' names, in the order in which `weights` gives them.
    """
    names = Names(shape)
    writer = gguf.GGUFWriter(path, shape.architecture.name)
    _add(writer, {"general.type": "model", **about, **shape.keys()})
    writer.add_file_type(FILE_TYPES[quant])
    if quant.startswith("q"):
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_tokens(writer, tokens)
    for name, size in shapes.items():
        kind = kind_of(names(name), size, quant)
        count = int(np.prod(gguf.quant_shape_to_byte_shape(size, kind)))
        writer.add_tensor_info(names(name), size, np.dtype(np.float32), count, raw_dtype=kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for done, (name, weight) in enumerate(weights, 1):
            laid = shape.laid_out(name, weight)
            writer.write_tensor_data(_numbers(name, laid, kind_of(names(name), laid.shape, quant)))
            tell(done, len(shapes))
    finally:
        writer.close()


def _numbers(name: str, weight: NDArray[np.float32], kind: Kind) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        found: NDArray[Any] = gguf.quantize(np.ascontiguousarray(weight, np.float32), kind)
    if kind == Kind.F16 and not np.isfinite(found).all():
        raise ModelError(f"The weight {name} is too large for f16.", "Choose --quant bf16.")
    return found


def _add(writer: gguf.GGUFWriter, keys: Mapping[str, Value]) -> None:
    for key, value in keys.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_float32(key, value)


def _add_tokens(writer: gguf.GGUFWriter, tokens: GgufTokens) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokens.cut)
    writer.add_token_list(list(tokens.tokens))
    writer.add_token_types(list(tokens.types))
    writer.add_token_merges(list(tokens.merges))
    for name, token_id in tokens.ids.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", token_id)
    writer.add_add_bos_token(tokens.add_bos)


# --- an adapter


def write_adapter(
    path: Path,
    shape: GgufShape,
    about: Mapping[str, Value],
    deltas: Mapping[str, Delta],
    quant: str,
) -> None:
    """Write a LoRA beside a base of the same shape: alpha, and A and B of each weight."""
    names = Names(shape)
    first = next(iter(deltas.values()))
    alpha = first.scale * len(first.a)  # llama.cpp divides it by the rank, whatever that is
    writer = gguf.GGUFWriter(path, shape.architecture.name)
    _add(writer, {"general.type": "adapter", "adapter.type": "lora", **about})
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_file_type(FILE_TYPES[quant])
    for name, delta in deltas.items():
        own = delta.scale * len(delta.a) / alpha
        parts = {"a": delta.a.float().numpy(), "b": delta.b.float().numpy() * own}
        parts["b"] = shape.laid_out(name, parts["b"])
        for part, values in parts.items():
            kind = Kind[quant.upper()]
            writer.add_tensor(
                f"{names(name)}.lora_{part}", _numbers(name, values, kind), raw_dtype=kind
            )
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


# --- read back


def read_keys(path: Path) -> dict[str, Any]:
    """Return every key of a GGUF file with its value."""
    fields = gguf.GGUFReader(path).fields
    return {k: field.contents() for k, field in fields.items() if not k.startswith("GGUF.")}


def read_weights(path: Path, shape: GgufShape, wanted: Iterable[str]) -> Weights:
    """Yield weights by transformers' names, as float32 and laid out as transformers has them."""
    names = Names(shape)
    found = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for name in wanted:
        tensor = found[names(name)]
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        size = tuple(int(length) for length in reversed(tensor.shape))
        yield name, shape.laid_back(name, values.reshape(size).astype(np.float32))


def read_deltas_back(
    path: Path, shape: GgufShape, wanted: Iterable[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield what an adapter in GGUF adds to each weight, as llama.cpp computes it."""
    names, reader = Names(shape), gguf.GGUFReader(path)
    found = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    alpha = float(reader.fields["adapter.lora.alpha"].contents())
    for name in wanted:
        a, b = (found[f"{names(name)}.lora_{part}"].astype(np.float32) for part in "ab")
        yield name, shape.laid_back(name, (b @ a) * np.float32(alpha / len(a)))
