"""From a prepared model to integers: batch norm and scales folded into ASM multipliers.

Between two layers the float model computes ``gain * (weight * input) + offset``, ReLU and the next
input quantizer; the integers compute ``clamp((acc * m + b + (1 << (s-1))) >> s)``. They agree as far
as ``m / 2**s`` meets the real ratio. The levels of few alphabets are up to 13 % apart there ({1}), so
`freeze` moves each weight scale to where the ratio is a level and training goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..encoding import LevelCode
from ..errors import ParameterError
from ..network.graph import (
    ACC_BITS,
    MAX_SHIFT,
    IntegerConv2d,
    IntegerLayer,
    IntegerLinear,
    IntegerNetwork,
    Requantize,
    multiplier_code,
)
from .prepare import QUANTIZED
from .quantizer import ActivationQuantizer, NearestLevel, WeightQuantizer, round_half_up


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
        return self.layer.parametrizations.weight[0]  # type: ignore[union-attr,index,return-value]

    @property
    def inputs(self) -> ActivationQuantizer:
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
        return (self.weights.scale.detach().double() * self.inputs.scale.detach().double()).cpu()


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
            raise ParameterError(f"module {path!r} must pad with a number of zeros, not {layer.padding_mode} {layer.padding!r}")
        if layer.dilation != (1, 1):
            raise ParameterError(f"module {path!r} must have dilation 1, not {layer.dilation}")
        if last and (last.flat or isinstance(last.layer, nn.Linear)):
            raise ParameterError(f"module {path!r} must come before Flatten and Linear")
    elif last and isinstance(last.layer, nn.Conv2d) and not last.flat:
        raise ParameterError(f"module {path!r} must follow a Flatten")


def ratios(model: nn.Module) -> dict[str, Tensor]:
    """Real requantize multipliers, float64 [out], of every layer but the last: input steps per accumulator unit."""
    chain = stages(model)
    return {
        stage.path: stage.accumulator_scale() * stage.affine()[0] / _step(after)
        for stage, after in zip(chain, chain[1:], strict=False)
    }


def _step(stage: Stage) -> Tensor:
    return stage.inputs.scale.detach().double().cpu()


def choose_multiplier(ratio: Tensor, code: LevelCode) -> tuple[Tensor, Tensor, Tensor]:
    """(m, s, relative error) of each ``ratio`` (float64): the level and shift with ``m / 2**s`` nearest.

    Every shift 0..`MAX_SHIFT` is tried: digits align differently with the ratio at each. Of equals the
    largest shift wins, which leaves the bias its finest steps.
    """
    nearest = NearestLevel(code)
    best, shift = torch.zeros_like(ratio), torch.zeros_like(ratio)
    least = torch.full_like(ratio, torch.inf)
    for s in range(MAX_SHIFT + 1):
        aligned = ratio * 2.0**s
        level = nearest(aligned)
        error = torch.where(ratio == 0, 0.0, (level / aligned - 1).abs())
        better = error <= least
        best, least = torch.where(better, level, best), torch.where(better, error, least)
        shift = torch.where(better, float(s), shift)
    return best.to(torch.int64), shift.to(torch.int64), least


def scale_errors(model: nn.Module) -> dict[str, float]:
    """The largest relative error of an ASM requantize multiplier in each layer but the last.

    About 1e-7 after `freeze`; up to 0.13 for {1} and 0.03 for {1,3} before.
    """
    chain = {stage.path: stage for stage in stages(model)}
    return {
        path: choose_multiplier(ratio, multiplier_code(chain[path].weights.config.alphabets))[2].max().item()
        for path, ratio in ratios(model).items()
    }


@torch.no_grad()
def freeze(model: nn.Module) -> None:
    """Move every weight scale to where its requantize multiplier is an ASM level; fix scales and norms.

    In place. The weights are rounded anew at the moved scale, so the function changes by rounding only.
    Afterwards training moves weights, biases and norm shifts; norms use their running statistics.
    """
    chain = stages(model)
    for stage, ratio in zip(chain, ratios(model).values(), strict=False):
        level, shift, _ = choose_multiplier(ratio, multiplier_code(stage.weights.config.alphabets))
        # A ratio too small for any level is 0 in the hardware as well: there is nothing to move to.
        move = torch.where(level != 0, level / torch.exp2(shift.double()) / ratio, 1.0).log2()
        stage.weights.log2_scale += move.to(stage.weights.log2_scale)
    for stage in chain:
        stage.weights.log2_scale.requires_grad_(False)
        stage.inputs.log2_scale.requires_grad_(False)
        if stage.norm is not None:
            stage.norm.register_forward_pre_hook(_keep_statistics)
            if stage.norm.affine:
                stage.norm.weight.requires_grad_(False)


def _keep_statistics(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Forward pre-hook: ``model.train()`` must not bring batch statistics back."""
    norm.training = False


@torch.no_grad()
def convert(model: nn.Module, input_shape: tuple[int, ...]) -> IntegerNetwork:
    """The integer network of a prepared sequential ``model`` for inputs of ``input_shape`` (no batch).

    What differs from the fake-quantized forward in evaluation mode: the multipliers by `scale_errors`,
    biases rounded to ``2**-s`` of a step, and the float kernel's own rounding, which can turn a value
    near half a step to the other side. Raises `ParameterError` for a model that is not such a chain.
    """
    chain = stages(model)
    layers = []
    for stage, after in zip(chain, [*chain[1:], None], strict=True):
        layers.append(_integer_layer(stage, _requantize(stage, after)))
    return IntegerNetwork(
        layers=tuple(layers),
        input_shape=tuple(input_shape),
        input_scale=_step(chain[0]).item(),
        output_scale=chain[-1].accumulator_scale().item(),
    )


def _requantize(stage: Stage, after: Stage | None) -> Requantize:
    """Scale, bias and shift into the integers of the next layer; of the last layer, the bias alone."""
    alphabets = stage.weights.config.alphabets
    gain, offset = stage.affine()
    if after is None:
        bias = round_half_up(offset / stage.accumulator_scale()).to(torch.int64)
        one, none = torch.ones_like(bias), torch.zeros_like(bias)
        return Requantize(alphabets=alphabets, scale=one, bias=bias, shift=none, bits=ACC_BITS, signed=True)
    level, shift, _ = choose_multiplier(stage.accumulator_scale() * gain / _step(after), multiplier_code(alphabets))
    bias = round_half_up(offset / _step(after) * torch.exp2(shift.double())).to(torch.int64)
    config = after.inputs.config
    return Requantize(
        alphabets=alphabets, scale=level, bias=bias, shift=shift, bits=config.act_bits, signed=False,
        encode=config.act_alphabets,
    )


def _integer_layer(stage: Stage, requantize: Requantize) -> IntegerLayer:
    layer = stage.layer
    weight = stage.weights.integers(layer.parametrizations.weight.original).cpu()  # type: ignore[union-attr]
    if isinstance(layer, nn.Linear):
        return IntegerLinear(name=stage.path, config=stage.inputs.config, weight=weight, requantize=requantize)
    return IntegerConv2d(
        name=stage.path, config=stage.inputs.config, weight=weight, requantize=requantize,
        stride=layer.stride, padding=layer.padding, groups=layer.groups,
    )
