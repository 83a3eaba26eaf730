"""Attention by cuDNN, where its Python front end is installed: on Hopper 1.5 to 1.7 times as fast.

A graph is built once for each size and replayed with other addresses: examples lie one after the
other in one tensor, each found by its offset, and its length masks what is beyond it.

The library: https://docs.nvidia.com/deeplearning/cudnn/frontend/latest/operations/Attention.html
"""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

OLDEST = (9, 0)  # compute capability: on older cards torch's own is as fast


@cache
def has_cudnn_frontend() -> bool:
    """Say whether cuDNN's attention can be used here, and is worth it."""
    if not torch.cuda.is_available() or torch.cuda.get_device_capability() < OLDEST:
        return False
    return importlib.util.find_spec("cudnn") is not None


@dataclass(frozen=True)
class Form:
    """What a graph is built for. Tensors are (tokens, heads, width), apart by their row strides."""

    examples: int
    longest: int
    tokens: int
    heads: int
    key_heads: int
    width: int
    qkv_stride: int
    dtype: torch.dtype
    scale: float


@dataclass(frozen=True)
class Graph:
    """A built graph, the names of its tensors, and its scratch memory's size in bytes."""

    graph: Any
    tensors: dict[str, Any]
    scratch: int

    def run(self, **given: Tensor) -> None:
        """Compute; the results go where the given tensors lie."""
        import cudnn

        handle = _handle()
        cudnn.set_stream(handle=handle, stream=torch.cuda.current_stream().cuda_stream)
        device = next(iter(given.values())).device
        scratch = torch.empty(max(1, self.scratch), dtype=torch.uint8, device=device)
        places = {self.tensors[name]: tensor.data_ptr() for name, tensor in given.items()}
        self.graph.execute(places, scratch.data_ptr(), handle=handle)


@cache
def _handle() -> Any:
    import cudnn

    return cudnn.create_handle()


@cache
def serves(form: Form) -> bool:
    """Say whether cuDNN computes this form, there and back; each version refuses others."""
    try:
        forward_graph(form)
        backward_graph(form)
    except Exception as error:  # noqa: BLE001 - its errors are of many kinds; torch's way is there
        logging.getLogger(__name__).warning("cuDNN's attention is not used: %s", error)
        return False
    return True


@cache
def forward_graph(form: Form) -> Graph:
    """Build: q, k, v and where examples begin → out and stats."""
    graph, tensors = _begin(form)
    out, stats = graph.sdpa(
        name="attend",
        q=tensors["q"],
        k=tensors["k"],
        v=tensors["v"],
        generate_stats=True,
        attn_scale=form.scale,
        use_causal_mask=True,
        use_padding_mask=True,
        seq_len_q=tensors["lengths"],
        seq_len_kv=tensors["lengths"],
    )
    _lay_out(out, form, form.heads, form.heads * form.width, tensors["out_at"])
    _lay_stats(stats, form, tensors["stats_at"])
    return _built(graph, tensors | {"out": out, "stats": stats})


@cache
def backward_graph(form: Form) -> Graph:
    """Build: the same with out, stats and d_out → dq, laid out as q is, and dk and dv, dense."""
    graph, tensors = _begin(form)
    tensors["keys_at"] = _offsets(graph, "keys_at", form)
    for name in ("out", "d_out"):
        tensors[name] = _tensor(
            graph, name, form, form.heads, form.heads * form.width, tensors["out_at"]
        )
    stats = graph.tensor(
        name="stats", dim=_stats_dim(form), stride=_stats_stride(form), data_type=torch.float32
    )
    stats.set_ragged_offset(tensors["stats_at"])
    dq, dk, dv = graph.sdpa_backward(
        name="attend_grad",
        q=tensors["q"],
        k=tensors["k"],
        v=tensors["v"],
        o=tensors["out"],
        dO=tensors["d_out"],
        stats=stats,
        attn_scale=form.scale,
        use_causal_mask=True,
        use_padding_mask=True,
        seq_len_q=tensors["lengths"],
        seq_len_kv=tensors["lengths"],
        max_total_seq_len_q=form.tokens,
        max_total_seq_len_kv=form.tokens,
    )
    _lay_out(dq, form, form.heads, form.qkv_stride, tensors["qkv_at"])
    # Apart from the query's, and so without gaps: its scratch memory is as large as the row stride
    # of keys, for every query head (cuDNN 9.19: 9 GiB for 32k tokens of a multi-query model).
    for tensor in (dk, dv):
        _lay_out(tensor, form, form.key_heads, form.key_heads * form.width, tensors["keys_at"])
    return _built(graph, tensors | {"stats": stats, "dq": dq, "dk": dk, "dv": dv})


def _begin(form: Form) -> tuple[Any, dict[str, Any]]:
    import cudnn

    kind = cudnn.data_type.BFLOAT16 if form.dtype == torch.bfloat16 else cudnn.data_type.HALF
    graph = cudnn.pygraph(
        io_data_type=kind,
        intermediate_data_type=cudnn.data_type.FLOAT,
        compute_data_type=cudnn.data_type.FLOAT,
        handle=_handle(),
    )
    tensors: dict[str, Any] = {}
    for name in ("qkv_at", "out_at", "stats_at"):
        tensors[name] = _offsets(graph, name, form)
    tensors["lengths"] = graph.tensor(
        name="lengths", dim=(form.examples, 1, 1, 1), stride=(1, 1, 1, 1), data_type=torch.int32
    )
    for name, heads in (("q", form.heads), ("k", form.key_heads), ("v", form.key_heads)):
        tensors[name] = _tensor(graph, name, form, heads, form.qkv_stride, tensors["qkv_at"])
    return graph, tensors


def _offsets(graph: Any, name: str, form: Form) -> Any:
    dim = (form.examples + 1, 1, 1, 1)
    return graph.tensor(name=name, dim=dim, stride=(1, 1, 1, 1), data_type=torch.int32)


def _tensor(graph: Any, name: str, form: Form, heads: int, stride: int, offsets: Any) -> Any:
    tensor = graph.tensor(
        name=name,
        dim=(form.examples, heads, form.longest, form.width),
        stride=(form.longest * stride, form.width, stride, 1),
        data_type=form.dtype,
    )
    tensor.set_ragged_offset(offsets)
    return tensor


def _lay_out(tensor: Any, form: Form, heads: int, stride: int, offsets: Any) -> None:
    tensor.set_output(True)
    tensor.set_dim((form.examples, heads, form.longest, form.width))
    tensor.set_stride((form.longest * stride, form.width, stride, 1))
    tensor.set_ragged_offset(offsets)


def _lay_stats(stats: Any, form: Form, offsets: Any) -> None:
    stats.set_output(True).set_data_type(torch.float32)
    stats.set_dim(_stats_dim(form)).set_stride(_stats_stride(form))
    stats.set_ragged_offset(offsets)


def _stats_dim(form: Form) -> tuple[int, int, int, int]:
    return (form.examples, form.heads, form.longest, 1)


def _stats_stride(form: Form) -> tuple[int, int, int, int]:
    return (form.longest * form.heads, 1, form.heads, 1)


def _built(graph: Any, tensors: dict[str, Any]) -> Graph:
    import cudnn

    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    graph.check_support()
    graph.build_plans()
    return Graph(graph, tensors, graph.get_workspace_size())
