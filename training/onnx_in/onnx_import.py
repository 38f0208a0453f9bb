"""`from_onnx`: an ONNX file as a PyTorch module that `prepare` takes."""

from __future__ import annotations

import operator
import warnings
from pathlib import Path

import onnx_ir as ir
from torch import nn
from torch.fx import GraphModule, Node

from asm_hw.errors import ParameterError
from asm_hw.training.scale_starts import KnownScale

from .file_comparison import check_same, has_onnxruntime
from .file_quantizers import MARK, NARROW, FileQuantizer
from .layer_nodes import LAYER_NODES
from .module_builder import Builder, Refused, Unknown, Value, finish
from .normal_form import batches_of, fix_input, normalise
from .onnx_file import opset_of, read_onnx, the_input
from .pointwise_nodes import POINTWISE_NODES
from .quantizer_nodes import QUANTIZER_NODES
from .shape_nodes import SHAPE_NODES, merge_slices

NODES = {**LAYER_NODES, **SHAPE_NODES, **POINTWISE_NODES, **QUANTIZER_NODES}
CONTROL, INTEGERS = "what runs is decided by values, and hardware runs one graph", "QDQ and QONNX files are read"
HINTS = {
    **dict.fromkeys(("If", "Loop", "Scan"), CONTROL),
    **dict.fromkeys(
        ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"), INTEGERS
    ),
    **dict.fromkeys(
        ("BipolarQuant", "Trunc", "FloatQuant", "MultiThreshold"), "only Quant can be taken out of a tensor's way"
    ),
    **dict.fromkeys(("ConvTranspose", "DepthToSpace", "Resize", "Upsample"), "networks here end in smaller images"),
    **dict.fromkeys(
        ("LayerNormalization", "InstanceNormalization", "GroupNormalization"), "BatchNormalization has a form"
    ),
}
CHANNELS_FIRST = (0, 3, 1, 2)
CHANNELS_LAST = (0, 2, 3, 1)


def from_onnx(path: str | Path, input_shape: tuple[int, ...] | None = None, *, scales: bool = True) -> GraphModule:
    """The model in an ONNX file as a module of plain PyTorch modules, in evaluation mode, for `prepare` to take.

    Takes [n, channels, height, width], whatever the file's order, and any n. ``input_shape``: sizes of one input, for
    axes that the file leaves open. Quantizers in the file (QuantizeLinear and DequantizeLinear, QONNX) are taken out:
    weights have the values that they stand for there, and with ``scales`` `prepare` begins with the scales of tensors.
    Where onnxruntime is installed the module is compared with it on random inputs. Raises `ParameterError` for a file
    that is not sound, and one sentence for each node that cannot be taken, all in one message.
    """
    path = Path(path)
    model = read_onnx(path)
    opset = opset_of(model)
    last = _channels_last(model)
    if input_shape is not None and last:
        input_shape = (*input_shape[1:], *input_shape[:1])
    try:
        batches = batches_of(model)
        sizes = fix_input(model, input_shape)
        order = CHANNELS_LAST if last else tuple(range(len(sizes)))
        module = _module(normalise(model), sizes, order, opset, path)
        if has_onnxruntime():
            check_same(model, module, [(batch, *sizes[1:]) for batch in batches], order)
        else:
            warnings.warn(f"onnxruntime is not installed: {path.name!r} is not compared with it", stacklevel=2)
    except ParameterError as error:
        raise ParameterError(f"model {path.name!r}: {error}") from None
    _without_quantizers(module, scales)
    return module.eval()


def _channels_last(model: object) -> bool:
    """Whether all that reads the model's input puts its channels first, as what comes from TensorFlow does."""
    graph = model.graph  # type: ignore[attr-defined]
    name = the_input(model).name  # type: ignore[arg-type]
    readers = [node for node in graph.node if name in node.input]
    orders = [tuple(a.ints) for node in readers for a in node.attribute if a.name == "perm"]
    return bool(readers) and all(node.op_type == "Transpose" for node in readers) and set(orders) == {CHANNELS_FIRST}


def _module(graph: ir.Model, sizes: tuple[int, ...], order: tuple[int, ...], opset: int, path: Path) -> GraphModule:
    """The module of ``graph``, which holds a `FileQuantizer` where the file quantizes a tensor."""
    builder, refused = Builder(), []
    shape = tuple(sizes[order.index(place)] for place in range(len(sizes)))
    source = builder.graph.placeholder("x")
    builder.values[str(graph.graph.inputs[0].name)] = Value(source, shape, order)
    for node in graph.graph:
        reason = _take(builder, node)
        if reason is not None:
            kind = "Quant" if MARK in node.meta else node.op_type
            refused.append(f"node {node.name!r} ({kind}, opset {opset}) cannot be taken: {reason}")
            builder.values.update({str(one.name): None for one in node.outputs})
    if refused:
        raise ParameterError("\n".join(refused))
    output = builder.values.get(str(graph.graph.outputs[0].name))
    if output is None or output.quantized is not None:
        raise ParameterError("its output must be float32 numbers that follow from its input")
    try:
        return finish(builder, output, _class_name(path))
    except Refused as error:
        raise ParameterError(f"output {graph.graph.outputs[0].name!r} cannot be given: {error}") from None


def _take(builder: Builder, node: ir.Node) -> str | None:
    """Add ``node`` to the module; why it cannot be taken, "" for what only follows from another such node."""
    own = node.domain in ("", "ai.onnx")
    if node.op_type not in NODES or not own:
        domain = "" if own else f", and it is of domain {node.domain!r}"
        return f"{HINTS.get(node.op_type, 'no integer network here computes it')}{domain}"
    try:
        made = NODES[node.op_type](builder, node)
        if made is not None:
            builder.put(node, made)
    except Unknown:
        builder.values.update({str(one.name): None for one in node.outputs})
    except Refused as error:
        return str(error)
    except Exception as error:  # of any kind: sizes and attributes are a stranger's
        lines = (line.strip() for line in str(error).splitlines())
        return f"its attributes and sizes must fit: {next(filter(None, lines), type(error).__name__)}"
    return None


def _class_name(path: Path) -> str:
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in path.stem)
    return name if name.isidentifier() else f"Onnx_{name}"


def _clipped_next(module: GraphModule, node: Node) -> bool:
    """Whether an activation function that clips at 0 is all that reads ``node``, which does no more by itself."""
    readers = [module.get_submodule(str(user.target)) for user in node.users if user.op == "call_module"]
    clipping = [
        one for one in readers if isinstance(one, nn.ReLU) or (isinstance(one, nn.Hardtanh) and one.min_val == 0)
    ]
    return len(clipping) == len(node.users) > 0


def _without_quantizers(module: GraphModule, scales: bool) -> None:
    """Take out what rounds; what clips like an activation function stays, and what says a tensor's scale."""
    for node in list(module.graph.nodes):
        held = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not isinstance(held, FileQuantizer):
            continue
        source = node.args[0]
        low, high = held.quantized.bounds
        with module.graph.inserting_before(node):
            if held.clips and (held.quantized.bits < NARROW or not _clipped_next(module, node)):
                module.add_submodule(f"{node.target}_clip", nn.Hardtanh(low, high))
                source = module.graph.call_module(f"{node.target}_clip", (source,))
            # A slice is of a tensor that has a scale of its own.
            moved = isinstance(source, Node) and source.target is operator.getitem
            if scales and held.quantized.scale.size == 1 and not moved:
                module.add_submodule(f"{node.target}_scale", KnownScale(low, high))
                source = module.graph.call_module(f"{node.target}_scale", (source,))
        node.replace_all_uses_with(source)
        module.graph.erase_node(node)
    merge_slices(module.graph)
    module.delete_all_unused_submodules()
    module.recompile()
