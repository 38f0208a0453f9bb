"""The normal form of an ONNX model: one graph of a fixed size at a version of its operators, constants folded.

Functions are written out, versions converted, constants folded and shapes inferred by onnx, onnx-ir and onnxscript.
What is done here: the sizes of the input, and quantizers of constants.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import onnx_ir as ir
from onnx import ModelProto
from onnx_ir.passes import common
from onnxscript import optimizer

from asm_hw.errors import ParameterError

from .file_quantizers import fold_quantized_constants, standard_quantizers
from .onnx_file import opset_of, the_input

OPSET = 18
"""Older models are converted to it: from here on axes, pads and limits are inputs; newer ones differ in other nodes."""
BATCH = 2
"""Inputs of a model whose file leaves the number open."""
MAX_VALUES = 1 << 26
"""Of a constant that folding may make."""
MAX_MADE, FACTOR = 1 << 24, 4
"""Values that folding may make in all: so many, and so many for each that the file holds."""
MAX_WORK = 1 << 31
"""Products in one node of constants that folding may compute."""
PRODUCTS = ("MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "MatMulInteger", "ConvInteger", "QLinearMatMul")
GRAPHS = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
ROUNDS = 8
"""Of inferring shapes and folding: each makes constants of what depends on the shapes of the one before."""
GROWING = (
    "ConstantOfShape",
    "Expand",
    "Tile",
    "Range",
    "Resize",
    "OneHot",
    "EyeLike",
    "Upsample",
    "Loop",
    "If",
    "Scan",
)
"""Nodes whose result can be large where all that they read is small."""


def batches_of(model: ModelProto) -> tuple[int, int]:
    """The numbers of inputs that ``model`` is compared with: two that differ where its file leaves the number open."""
    first = the_input(model).type.tensor_type.shape.dim[0]
    return (first.dim_value, first.dim_value) if first.HasField("dim_value") else (BATCH, BATCH + 1)


def fix_input(model: ModelProto, input_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Give the input of ``model`` fixed sizes [n, ...], and return them; in place.

    ``input_shape``: sizes of one input in the file's order, for those that the file leaves open. Raises
    `ParameterError` where one stays open, or the file has another.
    """
    one = the_input(model)
    dims = one.type.tensor_type.shape.dim
    own = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    given = input_shape if input_shape is not None else tuple(own[1:])
    if len(given) != len(own) - 1 or any(o is not None and o != g for o, g in zip(own[1:], given, strict=True)):
        raise ParameterError(f"input_shape must fit input {one.name!r} {_shown(own)} of the model, not {list(given)}")
    if None in given:
        raise ParameterError(
            f"input {one.name!r} must have fixed sizes but for the first, not {_shown(own)}: give input_shape, "
            f"such as (3, 224, 224), or export it again with that axis fixed"
        )
    sizes = (own[0] or BATCH, *(int(size) for size in given if size is not None))
    for dim, size in zip(dims, sizes, strict=True):
        dim.dim_value = size
    if math.prod(sizes) > MAX_VALUES:
        raise ParameterError(f"input {one.name!r} must have at most {MAX_VALUES} values, not sizes {list(sizes)}")
    del model.graph.value_info[:]  # of other sizes, or wrong
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return sizes


def _shown(sizes: list[int | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in sizes) + "]"


def normalise(model: ModelProto) -> ir.Model:
    """``model``, whose input has fixed sizes, in its normal form; raises `ParameterError` where a library fails."""
    try:
        with _quiet():
            return _normalise(model)
    except ParameterError:
        raise
    except Exception as error:  # of any kind: a library's, for a stranger's model
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ParameterError(f"model must be one that can be normalised: {reason}") from None


def _normalise(model: ModelProto) -> ir.Model:
    if opset_of(model) < OPSET:
        model = onnx.version_converter.convert_version(model, OPSET)
    graph = ir.serde.deserialize_model(model)
    common.InlinePass()(graph)
    common.RemoveInitializersFromInputsPass()(graph)
    common.TopologicalSortPass()(graph)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(graph)
    _fold(graph)
    fold_quantized_constants(graph)
    standard_quantizers(graph)
    _fold(graph)
    common.IdentityEliminationPass()(graph)
    common.RemoveUnusedNodesPass()(graph)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(graph)
    common.NameFixPass()(graph)
    return graph


def _fold(graph: ir.Model) -> None:
    constants = (one.const_value for one in graph.graph.initializers.values())
    held = sum(value.size for value in constants if value is not None)
    judge = _Folding(MAX_MADE + FACTOR * held)
    for _ in range(ROUNDS):
        common.ShapeInferencePass()(graph)
        before = sum(1 for _ in graph.graph)
        optimizer.fold_constants_ir(graph, input_size_limit=MAX_VALUES, output_size_limit=MAX_VALUES, should_fold=judge)
        common.RemoveUnusedNodesPass()(graph)
        if sum(1 for _ in graph.graph) == before:
            break


class _Folding:
    """Which nodes of constants are computed; ``left``: how many values they may still make, all together."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, node: ir.Node) -> bool | None:
        """False for a node that is not; None leaves it to the library."""
        if any(value is not None and value.const_value is None for value in node.inputs):
            return None
        sizes = [_size(value) for value in node.outputs]
        if any(attribute.type in GRAPHS for attribute in node.attributes.values()):
            return False if node.op_type != "If" else None
        if None not in sizes:
            made = sum(size or 0 for size in sizes)
            if made > self.left or _work(node, made) > MAX_WORK:
                return False
            self.left -= made
        return _stays_small(node, sizes)


def _size(value: ir.Value | None) -> int | None:
    """How many numbers a tensor has; None where that is not known."""
    shape = None if value is None else value.shape
    return math.prod(shape.numpy()) if shape is not None and shape.is_static() else None


def _work(node: ir.Node, made: int) -> float:
    """About how many products a node of constants computes, as the sizes of a matrix product give them exactly."""
    operands = [size for size in map(_size, node.inputs[:2]) if size]
    return math.sqrt(math.prod([*operands, made])) if node.op_type in PRODUCTS and len(operands) == 2 else 0


def _stays_small(node: ir.Node, sizes: list[int | None]) -> bool | None:
    """False for a node of constants whose result may be too large to be made; None leaves it to the library.

    ``sizes``: of its outputs, None where one is not known.
    """
    if None not in sizes:
        small = max((size or 0 for size in sizes), default=0) <= MAX_VALUES
        return (True if node.op_type == "ConstantOfShape" else None) if small else False
    if node.op_type not in GROWING:
        return None
    numbers = [value.const_value.numpy().ravel() for value in node.inputs if value is not None and value.const_value]
    largest = math.prod(max(1, abs(int(n))) for part in numbers if part.dtype.kind in "iu" for n in part[:16])
    return largest <= MAX_VALUES and node.op_type in ("ConstantOfShape", "Expand", "Tile")


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries log what they leave as it is; every node is judged here afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
