"""A prepared sequential model as a chain of quantized layers, each with what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import ParameterError
from .prepare import QUANTIZED
from .quantizer import ActivationQuantizer, WeightQuantizer


@dataclass
class Stage:
    """A quantized layer of a sequential model and what follows it up to the next one."""

    path: str
    layer: nn.Conv2d | nn.Linear
    norm: nn.BatchNorm2d | None = None
    relu: bool = False
    flat: bool = False

    @property
    def weights(self) -> WeightQuantizer:
        """The quantizer of the layer's weight."""
        return self.layer.parametrizations.weight[0]  # type: ignore[union-attr,index,return-value]

    @property
    def original(self) -> Tensor:
        """The layer's weight before quantization."""
        return self.layer.parametrizations.weight.original  # type: ignore[union-attr,return-value]

    @property
    def inputs(self) -> ActivationQuantizer:
        """The quantizer of the layer's input."""
        return self.layer.input_quantizer  # type: ignore[return-value]

    def affine(self) -> tuple[Tensor, Tensor]:
        """(gain, offset), float64 [out]: what bias and norm do to the product of weights and inputs."""
        outputs = self.layer.weight.shape[0]
        gain = torch.ones(outputs, dtype=torch.float64)
        offset = torch.zeros(outputs, dtype=torch.float64)
        if self.layer.bias is not None:
            offset = self.layer.bias.detach().double().cpu()
        if self.norm is None:
            return gain, offset
        mean, variance = (t.double().cpu() for t in (self.norm.running_mean, self.norm.running_var))  # type: ignore[union-attr]
        gain = (variance + self.norm.eps).rsqrt()
        shift = torch.zeros_like(gain)
        if self.norm.affine:
            gain = gain * self.norm.weight.detach().double().cpu()
            shift = self.norm.bias.detach().double().cpu()
        return gain, (offset - mean) * gain + shift

    def accumulator_scale(self) -> Tensor:
        """What one unit of the accumulator is worth before the norm: float64 [out] or [1]."""
        return self.weights.scale.detach().double().cpu() * self.step()

    def step(self) -> Tensor:
        """What one step of the layer's input is worth: float64 [1]."""
        return self.inputs.scale.detach().double().cpu()


def stages(model: nn.Module) -> list[Stage]:
    """The layers of a prepared sequential ``model``; `ParameterError` names the module that does not fit."""
    found: list[Stage] = []
    for path, module in _leaves(model, ""):
        last = found[-1] if found else None
        if isinstance(module, QUANTIZED):
            if not parametrize.is_parametrized(module, "weight"):
                raise ParameterError(f"module {path!r} must be prepared: it has no quantizers")
            _check_layer(path, module, last)
            found.append(Stage(path, module))
        elif isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
            if last:
                last.flat = True
        elif isinstance(module, nn.BatchNorm2d) and last and not (last.norm or last.relu or last.flat):
            if module.running_var is None:
                raise ParameterError(f"module {path!r} must keep running statistics to be folded")
            last.norm = module
        elif isinstance(module, nn.ReLU) and last:
            last.relu = True
        else:
            raise ParameterError(
                f"module {path!r} must be Conv2d, Linear, BatchNorm2d after one of them, ReLU or Flatten, "
                f"not {type(module).__name__}"
            )
    if not found:
        raise ParameterError("the model must hold a prepared Conv2d or Linear")
    if found[-1].norm or found[-1].relu:
        raise ParameterError(f"module {found[-1].path!r} must end the model: its accumulators are the logits")
    return found


def _leaves(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        for name, child in module.named_children():
            yield from _leaves(child, f"{path}.{name}" if path else name)
    else:
        yield path, module


def _check_layer(path: str, layer: nn.Module, last: Stage | None) -> None:
    """Refuse what the integer layers or their order cannot express."""
    if last and not last.relu:
        raise ParameterError(f"module {last.path!r} must be followed by ReLU: activations are unsigned")
    if isinstance(layer, nn.Conv2d):
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise ParameterError(
                f"module {path!r} must pad with a number of zeros, not {layer.padding_mode} {layer.padding!r}"
            )
        if layer.dilation != (1, 1):
            raise ParameterError(f"module {path!r} must have dilation 1, not {layer.dilation}")
        if last and (last.flat or isinstance(last.layer, nn.Linear)):
            raise ParameterError(f"module {path!r} must come before Flatten and Linear")
    elif last and isinstance(last.layer, nn.Conv2d) and not last.flat:
        raise ParameterError(f"module {path!r} must follow a Flatten")
