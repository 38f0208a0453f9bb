"""Quantizers in a model that already exists: its layers keep their classes, their paths and their order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from torch.nn.utils import parametrize

from asm_hw.errors import ParameterError
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig

from .layer_settings import OUTPUT_BITS, RESIDUAL_BITS, Overrides, Settings, resolve
from .levels import scale_of
from .model_checks import check_inputs, check_model
from .placement import Plan, Read, plan
from .quantizer import ActivationQuantizer, Gain, Narrowing, WeightQuantizer
from .trace import trace
from .traced_operations import INPUT_SHAPE, LAYERS, Seen, classify, evaluating, path_of

FIT_VALUES = 1 << 19
"""Values of a tensor that its scale is fitted on: whole images, evenly chosen."""

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
    MultiplierConfig(**common)
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
    samples = _samples(traced, sample, list(layout.reads))
    _Inserter(traced, seen, settings, layout, input_scale).run(samples)
    for path in filter(settings.quantized, paths):
        layer = traced.get_submodule(path)
        weights = WeightQuantizer(layer.weight, settings.of(path), per_channel=path != layout.logits)  # type: ignore[arg-type]
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
        stored, narrow = _widest(list(formats.values()) or [self._plain(self.settings.residual_bits, signed)])
        quantizer = self._quantizer(root, sample, stored)
        shifts = fit_narrow(quantizer, sample, [f for f in narrow if any(formats[r] == f and r.layer for r in reads)])
        name = f"asm.values.{root.name.removeprefix('asm_gains_')}"
        quantized = self._insert(name, quantizer, root)
        root.replace_all_uses_with(quantized, delete_user_cb=lambda user: user is not quantized)
        self._absorb_relu(root, quantized)
        made: dict[tuple[Node, MultiplierConfig], Node] = {}
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

    def _format(self, read: Read, signed: bool) -> MultiplierConfig:
        """The format that a reader takes; its alphabets are those of a multiplier where no layer reads."""
        if read.layer is not None:
            config = self.settings.of(read.layer)
            return self._plain(config.act_bits, signed, config.act_alphabets)
        return self._plain(OUTPUT_BITS if read.user.op == "output" else self.settings.residual_bits, signed)

    def _plain(self, bits: int, signed: bool, encode: Any = None) -> MultiplierConfig:
        return replace(self.settings.default, act_bits=bits, act_signed=signed, act_alphabets=encode)

    def _quantizer(self, root: Node, sample: Tensor, stored: MultiplierConfig) -> ActivationQuantizer:
        if stored.x_range[1] == 0:
            raise ParameterError(
                f"act_bits must be at least 2 where values may be negative, as at module {path_of(root)!r}, "
                f"not {stored.act_bits}"
            )
        if root.op != "placeholder":
            return ActivationQuantizer(sample, stored)
        largest = float(sample.abs().max()) / stored.x_range[1]
        return ActivationQuantizer(sample, stored, self.input_scale or largest or 1.0)

    def _narrowing(self, edge: Node, name: str, config: MultiplierConfig, shift: int) -> Node:
        kind = "level" if config.act_alphabets else "bits"
        path = f"asm.narrow.{edge.name.removeprefix('asm_values_')}.{kind}{config.act_bits}"
        with self.graph.inserting_after(edge):
            scale = self.graph.get_attr(f"{name}.log2_scale")
        return self._insert(path, Narrowing(config, shift), edge, scale)

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


def _widest(formats: list[MultiplierConfig]) -> tuple[MultiplierConfig, list[MultiplierConfig]]:
    """What is stored, and the formats that readers narrow it to: none if all agree."""
    distinct = list(dict.fromkeys(formats))
    if len(distinct) == 1:
        return distinct[0], []
    bits = max(f.act_bits for f in distinct)
    stored = replace(distinct[0], act_bits=bits, act_alphabets=None)
    return stored, [f for f in distinct if f != stored]


@torch.no_grad()
def fit_narrow(
    quantizer: ActivationQuantizer, sample: Tensor, formats: list[MultiplierConfig]
) -> dict[MultiplierConfig, int]:
    """Shifts of narrower ``formats``; unless fixed, the scale moves to where the narrowest fits best.

    The narrowest has the largest error, so its own best scale is taken, divided by the power of two with
    the least error of the wide format.
    """
    if not formats:
        return {}
    values = sample.detach().reshape(1, -1)
    ordered = sorted(formats, key=lambda f: (f.act_bits, f.act_alphabets is None))
    if quantizer.log2_scale.requires_grad:
        best = ActivationQuantizer(sample, ordered[0]).log2_scale.detach()
        candidates = [best - k for k in range(quantizer.config.act_bits + 1)]
        errors = [_error(quantizer, values, c) for c in candidates]
        quantizer.log2_scale.copy_(candidates[errors.index(min(errors))])
    shifts = {}
    for config in ordered:
        reader = ActivationQuantizer(sample, config, 1.0)
        errors = [_error(reader, values, quantizer.log2_scale + k) for k in range(quantizer.config.act_bits + 1)]
        shifts[config] = errors.index(min(errors))
    return shifts


def _error(quantizer: ActivationQuantizer, values: Tensor, log2_scale: Tensor) -> float:
    """The squared error of ``values`` at a scale."""
    scale = scale_of(log2_scale)
    if not quantizer.config.act_signed:
        values = values.clamp(min=0)
    return (quantizer.round(values / scale) * scale - values).square().sum().item()


def thin(values: Tensor) -> Tensor:
    """Some images of ``values`` [n, ...], evenly chosen, of about `FIT_VALUES` values in all."""
    images = max(1, FIT_VALUES // max(1, values[0].numel()))
    return values[:: max(1, len(values) // images)].contiguous()


class _Sampler(Interpreter):
    """Keeps some values of chosen nodes while a model runs."""

    def __init__(self, model: GraphModule, wanted: list[Node]) -> None:
        super().__init__(model)
        self.wanted, self.kept = set(wanted), {}  # type: ignore[var-annotated]

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if n in self.wanted:
            self.kept[n] = thin(result).clone()
        return result


@torch.no_grad()
def _samples(model: GraphModule, sample: Tensor, wanted: list[Node]) -> dict[Node, Tensor]:
    """Values of the ``wanted`` tensors when ``model`` evaluates ``sample``."""
    sampler = _Sampler(model, wanted)
    with evaluating(model):
        sampler.run(sample)
    return sampler.kept
