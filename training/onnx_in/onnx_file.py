"""An ONNX file, read and checked: what would make a library allocate, loop or crash is refused before one sees it."""

from __future__ import annotations

import math
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

from asm_hw.errors import ParameterError

from .tensor_checks import MAX_BYTES, check_tensors, nodes_within

OPSETS = (8, 25)
"""Of ONNX itself: older nodes mean other things by broadcasting, newer ones are unknown to the libraries used."""
QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
"""Where QONNX has its quantizers; brevitas and FINN wrote them under names of their own."""
MAX_NODES = 1 << 14
ONNX_SUFFIX = ".onnx"


def read_onnx(path: Path) -> ModelProto:
    """The model in the file ``path``, whole in memory; raises `ParameterError` where it is not a sound ONNX model."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ParameterError(f"model {path.name!r} must have at most {MAX_BYTES} bytes, not {size}")
        model = ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise ParameterError(f"model {str(path)!r} must be a file that can be read: {error.strerror}") from None
    except DecodeError:
        raise ParameterError(f"model {str(path)!r} must be a whole ONNX file, and is none") from None
    try:
        _check_model(model, path.parent)
        _complete(model)
        onnx.checker.check_model(model)
    except ParameterError as error:
        raise ParameterError(f"model {path.name!r}: {error}") from None
    except Exception as error:  # of any kind: the checker's, for a stranger's file
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ParameterError(f"model {path.name!r} must be sound ONNX: {reason}") from None
    return model


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators in ``model``; 0 if it names none."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def the_input(model: ModelProto) -> ValueInfoProto:
    """The one input of a checked ``model``; older files list initializers among the inputs."""
    given = {tensor.name for tensor in model.graph.initializer}
    return next(one for one in model.graph.input if one.name not in given)


def _check_model(model: ModelProto, folder: Path) -> None:
    if not model.HasField("graph") or not model.graph.node:
        raise ParameterError("a graph with nodes must be in it, and there is none")
    if not OPSETS[0] <= opset_of(model) <= OPSETS[1]:
        raise ParameterError(
            f"opset must be {OPSETS[0]} to {OPSETS[1]}, not {opset_of(model)}: export it again with opset_version=18"
        )
    _check_count(model)
    check_tensors(model, folder)
    _check_names(model.graph)
    _check_ends(model)


def _check_count(model: ModelProto) -> None:
    """Raise `ParameterError` for too many nodes, counted as they are once functions have been written out."""
    bodies = {(one.domain, one.name): nodes_within(one.node) for one in model.functions}
    calls = {key: Counter((node.domain, node.op_type) for node in body) for key, body in bodies.items()}
    try:
        order = [key for key in TopologicalSorter(calls).static_order() if key in calls]
    except CycleError:
        raise ParameterError("functions must not call themselves, directly or by others") from None
    counts: dict[tuple[str, str], int] = {}
    for key in order:
        counts[key] = sum(counts.get(call, 1) * times for call, times in calls[key].items())
        if counts[key] > MAX_NODES:
            raise ParameterError(f"function {key[1]!r} must have at most {MAX_NODES} nodes, not {counts[key]}")
    nodes = sum(counts.get((node.domain, node.op_type), 1) for node in nodes_within(model.graph.node))
    if nodes > MAX_NODES:
        raise ParameterError(f"it must have at most {MAX_NODES} nodes, not {nodes}")


def _complete(model: ModelProto) -> None:
    """Add what the checker wants and files leave out: the domain of QONNX quantizers, the shape of an output.

    Shapes are inferred later, whatever stands there.
    """
    for output in model.graph.output:
        output.type.tensor_type.shape.SetInParent()
    used = {node.domain for node in model.graph.node} & set(QONNX_DOMAINS)
    for domain in used - {entry.domain for entry in model.opset_import}:
        model.opset_import.add(domain=domain, version=1)


def _check_names(graph: GraphProto) -> None:
    """Raise `ParameterError` where a name is given twice, or read before it is computed: nodes stand in order."""
    known: set[str] = set()
    for name in [one.name for one in graph.initializer]:
        if name in known:
            raise ParameterError(f"initializer {name!r} must be there once, not twice")
        known.add(name)
    known |= {one.name for one in graph.input}
    if len({one.name for one in graph.input}) < len(graph.input):
        raise ParameterError("inputs must have names of their own, and one is there twice")
    later = {name for node in graph.node for name in node.output}
    for node in graph.node:
        for name in filter(None, node.input):
            if name not in known:
                reason = "only later, or in a circle" if name in later else "by no node"
                raise ParameterError(f"node {node.name!r} ({node.op_type}) reads {name!r}, which is computed {reason}")
        for name in filter(None, node.output):
            if name in known:
                raise ParameterError(f"node {node.name!r} ({node.op_type}) must not compute {name!r} a second time")
            known.add(name)
    for one in graph.output:
        if one.name not in known:
            raise ParameterError(f"output {one.name!r} must be computed by a node, and is not")


def _check_ends(model: ModelProto) -> None:
    """Raise `ParameterError` unless there is one input, of float32 numbers [n, ...], and one output."""
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in given]
    for what, found in (("input", inputs), ("output", model.graph.output)):
        if len(found) != 1:
            names = ", ".join(repr(one.name) for one in found) or "none"
            raise ParameterError(f"it must have one {what}, not {len(found)}: {names}")
    kind = inputs[0].type.tensor_type
    if not inputs[0].type.HasField("tensor_type") or kind.elem_type != TensorProto.FLOAT:
        raise ParameterError(f"input {inputs[0].name!r} must be a tensor of float32 numbers")
    if not kind.HasField("shape") or not 2 <= len(kind.shape.dim) <= 5:
        raise ParameterError(f"input {inputs[0].name!r} must have a shape of 2 to 5 sizes [n, ...]")
    sizes = [size.dim_value for size in kind.shape.dim if size.HasField("dim_value")]
    if any(size <= 0 for size in sizes) or math.prod(sizes) > MAX_BYTES:
        raise ParameterError(f"input {inputs[0].name!r} must have sizes of at least 1 that fit memory, not {sizes}")
