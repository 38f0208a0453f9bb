"""The layers of a prepared model: a weight that training moves, and the quantizer that it is seen through."""

from __future__ import annotations

from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.utils import parametrize

from .quantizer import WeightQuantizer

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
Conv = nn.Conv1d | nn.Conv2d
Layer = Conv | nn.Linear
"""What multiplies by weights."""


def called_layers(model: GraphModule) -> dict[str, Layer]:
    """Every convolution and Linear that the graph calls, by path, in order of execution."""
    targets = [str(node.target) for node in model.graph.nodes if node.op == "call_module"]
    modules = {path: model.get_submodule(path) for path in targets}
    return {path: module for path, module in modules.items() if isinstance(module, LAYERS)}


def quantized_layers(model: nn.Module) -> dict[str, Layer]:
    """The layers of a prepared ``model`` that hold a weight quantizer, by path."""
    return {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, LAYERS) and parametrize.is_parametrized(module, "weight")
    }


def weight_quantizer(layer: nn.Module) -> WeightQuantizer:
    """The quantizer of the weight of a quantized ``layer``."""
    quantizer = _parametrization(layer)[0]
    assert isinstance(quantizer, WeightQuantizer)
    return quantizer


def float_weight(layer: nn.Module) -> Tensor:
    """The weight of a quantized ``layer`` before it is rounded: what training moves."""
    original = _parametrization(layer).original
    assert isinstance(original, Tensor)
    return original


def _parametrization(layer: nn.Module) -> parametrize.ParametrizationList:
    assert isinstance(layer.parametrizations, nn.ModuleDict)
    found = layer.parametrizations["weight"]
    assert isinstance(found, parametrize.ParametrizationList)
    return found
