"""Quantizers in a model that already exists: its layers keep their classes, their paths and their order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn.utils import parametrize

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat

from .layer_settings import OUTPUT_BITS, RESIDUAL_BITS, Overrides, Settings, resolve
from .model_checks import check_inputs, check_model
from .placement import Plan, Read, plan
from .quantizer import ActivationQuantizer, Gain, Narrowing, WeightQuantizer
from .scale_fitting import fit_narrow, sample_values, widest_format
from .tensor_shapes import INPUT_SHAPE
from .trace import trace
from .traced_operations import LAYERS, Seen, classify, path_of

GAINED = ("add", "clamp", "norm")
"""Operations that read a stored tensor by a multiplier, with no weights to move to one of its levels."""


def prepare(
    model: nn.Module,
    sample: Tensor,
    *,
    alphabets: Any = (1, 3),
    weight_bits: int = 5,
    act_bits: int = 8,
    act_alphabets: Any = None,
    overrides: Overrides | None = None,
    edge: dict[str, Any] | None = None,
    residual_bits: int | None = None,
    input_scale: float | None = None,
) -> GraphModule:
    """A copy of ``model`` that computes on fake-quantized weights and tensors, as the integer network will.

    ``sample``: inputs of the model, on which the scales are fitted. ``overrides``: by module path what
    differs there (`SETTINGS`), None for a layer left in float. ``edge``: the same for the first and the
    last layer; by default 8-bit weights and inputs. ``residual_bits``: of a tensor that a sum or a mean
    reads (by default 8 or act_bits, whichever is more), of which layers take the top act_bits.
    ``input_scale``: what one integer step of the model's input is worth; fixed. By default the input's
    largest value fits exactly.

    A tensor is stored signed if it can be negative: after a ReLU it is not, and an input is judged by
    ``sample``. Weight scales are per output channel; a last layer whose accumulators are the logits has
    one. The copy is a graph of the same modules: float state dicts are loaded before, state dicts of
    prepared models into one that was prepared with the same settings. Raises `ParameterError` on
    settings that make no layer, on models that torch.fx cannot trace or whose numbers are not finite, and where
    model and ``sample`` are not float32.
    """
    common = {"alphabets": alphabets, "weight_bits": weight_bits, "act_bits": act_bits, "act_alphabets": act_alphabets}
    ProductFormat.of(**common)
    number = isinstance(input_scale, int | float) and not isinstance(input_scale, bool)
    if input_scale is not None and not (number and 0 < input_scale < math.inf):
        raise ParameterError(f"input_scale must be a number above 0, not {input_scale!r}")
    check_model(model)
    check_inputs("sample", sample)
    traced, seen = trace(model, sample[:2])
    paths = _layer_paths(traced)
    if not paths:
        raise ParameterError(f"model {type(model).__name__} must hold a Conv2d or a Linear to quantize")
    for path in paths:
        if parametrize.is_parametrized(traced.get_submodule(path)):
            raise ParameterError(f"module {path!r} must have a plain weight, not a parametrized one")
    residual_bits = max(RESIDUAL_BITS, act_bits) if residual_bits is None else residual_bits
    settings = resolve(paths, common, edge, overrides, residual_bits)
    _factors(traced, seen)
    layout = plan(traced, seen, settings.quantized, unsigned_input=bool(sample.min() >= 0))
    samples = sample_values(traced, sample, list(layout.reads))
    _Inserter(traced, seen, settings, layout, input_scale).run(samples)
    for path in filter(settings.quantized, paths):
        layer = traced.get_submodule(path)
        weights = WeightQuantizer(layer.weight, settings.of(path).weight, per_channel=path != layout.logits)  # type: ignore[arg-type]
        parametrize.register_parametrization(layer, "weight", weights)
    traced.recompile()
    traced.meta[INPUT_SHAPE] = tuple(sample.shape[1:])
    return traced


def _layer_paths(model: GraphModule) -> list[str]:
    """Every Conv2d and Linear that the graph calls, in order of execution."""
    targets = [str(node.target) for node in model.graph.nodes if node.op == "call_module"]
    return [path for path in dict.fromkeys(targets) if isinstance(model.get_submodule(path), LAYERS)]


def quantized_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers of a prepared ``model`` that hold a weight quantizer, by path."""
    return {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, LAYERS) and parametrize.is_parametrized(module, "weight")
    }


class _Inserter:
    """Puts the modules of a plan into a traced model."""

    def __init__(
        self, model: GraphModule, seen: Seen, settings: Settings, layout: Plan, input_scale: float | None
    ) -> None:
        self.model, self.graph, self.seen = model, model.graph, seen
        self.settings, self.layout, self.input_scale = settings, layout, input_scale

    def run(self, samples: dict[Node, Tensor]) -> None:
        for root, reads in self.layout.reads.items():
            self._store(root, reads, samples[root])

    def _store(self, root: Node, reads: list[Read], sample: Tensor) -> None:
        """Quantize ``root``, narrow it for each layer that takes fewer bits, give each sum its factor."""
        signed = root not in self.layout.unsigned
        formats = {read: self._format(read, signed) for read in reads}
        stored, narrow = widest_format(
            list(formats.values()) or [ActivationFormat(self.settings.residual_bits, signed)]
        )
        quantizer = self._quantizer(root, sample, stored)
        shifts = fit_narrow(quantizer, sample, [f for f in narrow if any(formats[r] == f and r.layer for r in reads)])
        name = f"asm.values.{root.name.removeprefix('asm_gains_')}"
        quantized = self._insert(name, quantizer, root)
        root.replace_all_uses_with(quantized, delete_user_cb=lambda user: user is not quantized)
        self._absorb_relu(root, quantized)
        made: dict[tuple[Node, ActivationFormat], Node] = {}
        for read, wanted in formats.items():
            edge = quantized if read.edge is root else read.edge
            if read.layer is None:  # reads what is stored
                if classify(read.user, self.model, self.seen).kind in GAINED:
                    gain = f"asm.gains.{read.user.name}.in{read.user.all_input_nodes.index(edge)}"
                    read.user.replace_input_with(edge, self._insert(gain, Gain(self.seen[edge][1]), edge))
            elif wanted != stored:
                if (edge, wanted) not in made:
                    made[edge, wanted] = self._narrowing(edge, name, wanted, shifts[wanted])
                read.user.replace_input_with(edge, made[edge, wanted])

    def _insert(self, path: str, module: nn.Module, source: Node, *more: Node) -> Node:
        """A call of ``module`` on ``source``, right after it."""
        return insert(self.model, self.seen, path, module, source, *more)

    def _format(self, read: Read, signed: bool) -> ActivationFormat:
        """The format that a reader takes."""
        if read.layer is not None:
            return replace(self.settings.of(read.layer).activation, signed=signed)
        return ActivationFormat(OUTPUT_BITS if read.user.op == "output" else self.settings.residual_bits, signed)

    def _quantizer(self, root: Node, sample: Tensor, stored: ActivationFormat) -> ActivationQuantizer:
        if stored.range[1] == 0:
            raise ParameterError(
                f"act_bits must be at least 2 where values may be negative, as at module {path_of(root)!r}, "
                f"not {stored.bits}"
            )
        multipliers = self.settings.default.weight.alphabets
        if root.op != "placeholder":
            return ActivationQuantizer(sample, stored, multipliers=multipliers)
        largest = float(sample.abs().max()) / stored.range[1]
        return ActivationQuantizer(sample, stored, self.input_scale or largest or 1.0, multipliers)

    def _narrowing(self, edge: Node, name: str, stored: ActivationFormat, shift: int) -> Node:
        kind = "level" if stored.alphabets else "bits"
        path = f"asm.narrow.{edge.name.removeprefix('asm_values_')}.{kind}{stored.bits}"
        with self.graph.inserting_after(edge):
            scale = self.graph.get_attr(f"{name}.log2_scale")
        return self._insert(path, Narrowing(stored, shift), edge, scale)

    def _absorb_relu(self, root: Node, quantized: Node) -> None:
        """An unsigned quantizer clips at 0 by itself."""
        read = any(read.user is root for reads in self.layout.reads.values() for read in reads)
        if classify(root, self.model, self.seen).detail == (0.0, math.inf) and not read and len(root.users) == 1:
            quantized.args = (root.args[0],)
            self.graph.erase_node(root)


def insert(model: GraphModule, seen: Seen, path: str, module: nn.Module, source: Node, *more: Node) -> Node:
    """A call of ``module``, new at ``path``, on ``source`` and ``more``, right after the last of them."""
    model.add_submodule(path, module.to(next(model.parameters()).device).train(model.training))
    with model.graph.inserting_after(more[-1] if more else source):
        node = model.graph.call_module(path, (source, *more))
    seen[node] = seen[source]
    return node


def _factors(model: GraphModule, seen: Seen) -> None:
    """A `Gain` after each mean and concat, and after each further call of a layer: their weights cannot move for it."""
    called: set[str] = set()
    for node in list(model.graph.nodes):
        kind = classify(node, model, seen).kind
        if kind in ("mean", "concat") or (kind == "layer" and str(node.target) in called):
            gained = insert(model, seen, f"asm.gains.{node.name}", Gain(seen[node][1]), node)
            node.replace_all_uses_with(gained, delete_user_cb=lambda user, g=gained: user is not g)
        called.add(str(node.target))
