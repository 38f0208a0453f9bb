"""Quantizers on a model that already exists: the model keeps its classes, its names and its forward."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..config import MultiplierConfig
from ..errors import ParameterError
from .quantizer import ActivationQuantizer, WeightQuantizer

QUANTIZED = (nn.Conv2d, nn.Linear)


def prepare(
    model: nn.Module,
    sample: Tensor,
    *,
    alphabets: Any = (1, 3),
    weight_bits: int = 5,
    act_bits: int = 8,
    act_alphabets: Any = None,
    input_scale: float | None = None,
) -> nn.Module:
    """A copy of ``model`` whose every Conv2d and Linear computes on fake-quantized weights and inputs.

    ``sample``: inputs of the model, on which the activation scales are fitted. ``input_scale``: what
    one integer step of the model's input is worth; fixed. By default inputs span 0..1. Weight scales
    are per output channel; the last layer has one for the tensor, so that its accumulators compare as
    logits. The quantizers are the module ``input_quantizer`` and the parametrization of ``weight``.
    Raises `ParameterError` on bad widths or alphabets and on a model without such layers.
    """
    config = MultiplierConfig(
        alphabets=alphabets, weight_bits=weight_bits, act_bits=act_bits, act_alphabets=act_alphabets
    )
    if input_scale is None:
        input_scale = 1 / config.x_range[1]
    if not input_scale > 0:
        raise ParameterError(f"input_scale must be above 0, not {input_scale!r}")
    model = copy.deepcopy(model)
    layers = quantized_layers(model)
    if not layers:
        raise ParameterError(f"model {type(model).__name__} must hold a Conv2d or a Linear to quantize")
    samples = _layer_inputs(model, sample)
    for i, layer in enumerate(layers.values()):
        if parametrize.is_parametrized(layer):
            raise ParameterError(f"module {list(layers)[i]!r} must have a plain weight, not a parametrized one")
        weights = WeightQuantizer(layer.weight, config, per_channel=i < len(layers) - 1)
        parametrize.register_parametrization(layer, "weight", weights)
        layer.input_quantizer = ActivationQuantizer(samples[layer], config, None if i else input_scale)
        layer.register_forward_pre_hook(_quantize_input)
    return model


def quantized_layers(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Every Conv2d and Linear of ``model`` by its path, in the order of registration."""
    return {path: module for path, module in model.named_modules() if isinstance(module, QUANTIZED)}


def _quantize_input(layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Forward pre-hook; a plain function, so that copying a model leaves no hook on the original."""
    return (layer.input_quantizer(args[0]), *args[1:])  # type: ignore[operator]


@torch.no_grad()
def _layer_inputs(model: nn.Module, sample: Tensor) -> dict[nn.Module, Tensor]:
    """What each Conv2d and Linear takes in when ``model`` evaluates ``sample``."""
    inputs: dict[nn.Module, Tensor] = {}

    def record(layer: nn.Module, args: tuple[Any, ...]) -> None:
        inputs[layer] = args[0]

    layers = quantized_layers(model)
    handles = [layer.register_forward_pre_hook(record) for layer in layers.values()]
    was_training = model.training
    model.eval()(sample)
    model.train(was_training)
    for handle in handles:
        handle.remove()
    for path, layer in layers.items():
        if layer not in inputs:
            raise ParameterError(f"module {path!r} must take part in the model's forward: it was never called")
    return inputs
