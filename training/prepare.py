"""Quantizers in a model that already exists: its layers keep their classes, their paths and their order."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.utils import parametrize

from asm_hw.errors import ParameterError
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_network import check_scale

from .fold import refusals
from .layer_formats import RESIDUAL_BITS, Overrides, resolve_formats
from .model_checks import check_inputs, check_model
from .placement import place_quantizers
from .prepared_layers import Layer, called_layers
from .quantizer import ActivationQuantizer, WeightQuantizer
from .quantizer_insertion import QuantizerInsertion, insert_gains
from .same_function import check_same_function
from .scale_fitting import sample_values
from .tensor_shapes import INPUT_SHAPE, watch_prepared
from .trace import trace


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
    strict: bool = True,
) -> GraphModule:
    """A copy of ``model`` that computes on fake-quantized weights and tensors, as the integer network will.

    ``sample``: inputs of the model, on which the scales are fitted. ``overrides``: by module path what
    differs there (`SETTINGS`), None for a layer left in float. ``edge``: the same for the first and the
    last layer; by default 8-bit weights and inputs. ``residual_bits``: of a tensor that a sum or a mean
    reads (by default 8 or act_bits, whichever is more), of which layers take the top act_bits.
    ``input_scale``: what one integer step of the model's input is worth; fixed. By default the input's
    values just fit. ``strict``: refuse a model of which something has no integer form, all of it in one
    message; otherwise that is trained in float, and `convert` refuses it.

    A tensor is stored signed if it can be negative: after a ReLU it is not, and an input is judged by
    ``sample``. Weight scales are per output channel; a last layer whose accumulators are the logits has
    one. The copy is a graph of the same modules, without their hooks, weight norm and masks of pruning folded: float
    state dicts are loaded before, state dicts of prepared models into one that was prepared with the same settings.
    Raises `ParameterError` on settings that make no layer, on models that torch.fx cannot trace, that are another
    function on ``sample`` than what it traces, or whose numbers are not finite, and where model and ``sample`` are not
    float32.
    """
    common = {"alphabets": alphabets, "weight_bits": weight_bits, "act_bits": act_bits, "act_alphabets": act_alphabets}
    ProductFormat.of(**common)
    if input_scale is not None:
        check_scale("input_scale", input_scale)
    check_model(model)
    check_inputs("sample", sample)
    traced, seen = trace(model, sample[:2])
    check_same_function(model, traced, sample)
    layers = _plain_layers(traced)
    residual_bits = max(RESIDUAL_BITS, act_bits) if residual_bits is None else residual_bits
    formats = resolve_formats(list(layers), common, edge, overrides, residual_bits)
    insert_gains(traced, seen)
    placement = place_quantizers(traced, seen, formats.quantized, unsigned_input=bool(sample.min() >= 0))
    samples = sample_values(traced, sample, list(placement.reads))
    QuantizerInsertion(traced, seen, formats, placement, input_scale).run(samples)
    for path in filter(formats.quantized, layers):
        weight = WeightQuantizer(layers[path].weight, formats.of(path).weight, per_channel=path != placement.logits)
        parametrize.register_parametrization(layers[path], "weight", weight)
    traced.recompile()
    traced.meta[INPUT_SHAPE] = tuple(sample.shape[1:])
    if strict:
        _check_integer_form(traced)
    _check_scales(traced)
    return traced


def _check_scales(prepared: GraphModule) -> None:
    """Raise `ParameterError` where values on the sample, or weights, are so large or small that no scale fits them."""
    for path, module in prepared.named_modules():
        if isinstance(module, WeightQuantizer | ActivationQuantizer) and not module.log2_scale.isfinite().all():
            of = path.removeprefix("asm.values.")
            what = f"the values of {of!r} on sample" if of != path else f"the weights of {path.split('.param')[0]!r}"
            raise ParameterError(f"{what} must have a scale in float32, and are too large or too small for one")


def _check_integer_form(prepared: GraphModule) -> None:
    """Raise `ParameterError` with every reason why ``prepared`` cannot become integers."""
    found = refusals(prepared, watch_prepared(prepared))
    if found:
        raise ParameterError("\n".join(found) + "\n`prepare` with strict=False trains it in float")


def _plain_layers(model: GraphModule) -> dict[str, Layer]:
    """The layers that the traced ``model`` calls; `ParameterError` where there is none, or one computes its weight."""
    layers = called_layers(model)
    if not layers:
        raise ParameterError(f"model {type(model).__name__} must hold a Conv1d, Conv2d or Linear to quantize")
    for path, layer in layers.items():
        if parametrize.is_parametrized(layer):
            raise ParameterError(f"module {path!r} must have a plain weight, not a parametrized one")
    return layers
