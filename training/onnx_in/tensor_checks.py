"""Tensors in an ONNX file: what they claim is checked against what is there before anything is allocated for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from asm_hw.errors import ParameterError

BITS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.DOUBLE: 64,
    TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16,
    TensorProto.BOOL: 8,
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4), 4),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8), 8),
    **dict.fromkeys((TensorProto.INT16, TensorProto.UINT16), 16),
    **dict.fromkeys((TensorProto.INT32, TensorProto.UINT32), 32),
    **dict.fromkeys((TensorProto.INT64, TensorProto.UINT64), 64),
}
"""Bits of a value by type; other types are refused."""
FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
MAX_RANK = 8
MAX_BYTES = 1 << 30
"""Of a model's file, and of the data beside it."""


def graphs_within(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    """Every graph within ``nodes``, however deep."""
    waiting = list(nodes)
    while waiting:
        for attribute in waiting.pop().attribute:
            for graph in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
                yield graph
                waiting += graph.node


def nodes_within(nodes: Iterable[NodeProto]) -> list[NodeProto]:
    """``nodes`` and those of every graph within them."""
    own = list(nodes)
    return own + [node for graph in graphs_within(own) for node in graph.node]


def check_tensors(model: ModelProto, folder: Path) -> None:
    """Raise `ParameterError` for a tensor of ``model`` that is not whole, finite and within ``folder``; load its data.

    A tensor whose data lie in a file of their own has them in the model afterwards.
    """
    own = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    graphs = [model.graph, *graphs_within(own)]
    _check_external_size([tensor for graph in graphs for tensor in graph.initializer])
    for graph in graphs:
        if graph.sparse_initializer:
            raise ParameterError(f"initializer {graph.sparse_initializer[0].values.name!r} must be dense, not sparse")
        for tensor in graph.initializer:
            _check(f"initializer {tensor.name!r}", tensor, folder)
    for node in nodes_within(own):
        for attribute in node.attribute:
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise ParameterError(f"attribute {attribute.name!r} of node {node.name!r} must be dense, not sparse")
            for tensor in ([attribute.t] if attribute.HasField("t") else []) + list(attribute.tensors):
                _check(f"attribute {attribute.name!r} of node {node.name!r}", tensor, folder)


def _check_external_size(tensors: list[TensorProto]) -> None:
    """Raise `ParameterError` for data beside the file that are too much in all."""
    size = sum(
        math.prod(t.dims) * BITS.get(t.data_type, 8) // 8 for t in tensors if t.data_location == TensorProto.EXTERNAL
    )
    if size > MAX_BYTES:
        raise ParameterError(
            f"the data of its initializers in other files must have at most {MAX_BYTES} bytes in all, not {size}"
        )


def _check(what: str, tensor: TensorProto, folder: Path) -> None:
    if tensor.data_type not in BITS:
        known = tensor.data_type in TensorProto.DataType.values()
        name = TensorProto.DataType.Name(tensor.data_type).lower() if known else f"type {tensor.data_type}"
        raise ParameterError(f"{what} must hold numbers of 4 to 64 bits, not {name}")
    if len(tensor.dims) > MAX_RANK or any(size < 0 for size in tensor.dims):
        raise ParameterError(f"{what} must have at most {MAX_RANK} sizes of at least 0, not {list(tensor.dims)}")
    count = math.prod(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL:
        _load_external(what, tensor, folder, -(-count * BITS[tensor.data_type] // 8))
    _check_amount(what, tensor, count)
    values = onnx.numpy_helper.to_array(tensor)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ParameterError(f"{what} must hold finite numbers, and not nan or infinities")


def _check_amount(what: str, tensor: TensorProto, count: int) -> None:
    """Raise `ParameterError` where data are more or fewer than the sizes say."""
    if tensor.HasField("raw_data"):
        held, wanted, unit = len(tensor.raw_data), -(-count * BITS[tensor.data_type] // 8), "bytes"
    else:
        held, unit = sum(len(getattr(tensor, field)) for field in FIELDS), "values"
        wanted = -(-count // 2) if BITS[tensor.data_type] == 4 else count
    if held != wanted:
        raise ParameterError(f"{what} of sizes {list(tensor.dims)} must hold {wanted} {unit}, not {held}")


def _load_external(what: str, tensor: TensorProto, folder: Path, size: int) -> None:
    """Read the data of ``tensor`` from the file that it names, which must lie in ``folder``."""
    given = {entry.key: entry.value for entry in tensor.external_data}
    location = given.get("location", "")
    path = folder / location
    inside = location and not Path(location).is_absolute() and path.resolve().is_relative_to(folder.resolve())
    if not inside:
        raise ParameterError(f"{what} must have its data in the folder of the model, not in {location!r}")
    if not path.is_file():
        raise ParameterError(f"{what} must have its data in {location!r} beside the model, and there is no such file")
    try:
        offset, length = int(given.get("offset", 0)), int(given.get("length", size))
    except ValueError:
        raise ParameterError(f"{what} must have a number as offset and length in {location!r}") from None
    if offset < 0 or length != size or offset + size > path.stat().st_size:
        raise ParameterError(f"{what} must have its {size} bytes at offset {offset} of {location!r}, and has not")
    with path.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(size)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
