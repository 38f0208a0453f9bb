"""From a prepared model to integers: batch norm and scales folded into ASM multipliers.

Between two layers the float model computes ``gain * (weight * input) + offset``, ReLU and the next
input quantizer; the integers compute ``clamp((acc * m + b + (1 << (s-1))) >> s)``. They agree as far
as ``m / 2**s`` meets the real ratio. The levels of few alphabets are up to 13 % apart there ({1}), so
`freeze` moves each weight scale to where the ratio is a level and training goes on from there.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..encoding import LevelCode
from ..network.graph import IntegerNetwork
from ..network.layers import IntegerConv2d, IntegerLayer, IntegerLinear
from ..network.requantize import ACC_BITS, MAX_SHIFT, Requantize, multiplier_code
from .chain import Stage, stages
from .quantizer import NearestLevel, round_half_up


def ratios(model: nn.Module) -> dict[str, Tensor]:
    """Real requantize multipliers, float64 [out], of every layer but the last: input steps per accumulator unit."""
    chain = stages(model)
    return {
        stage.path: stage.accumulator_scale() * stage.affine()[0] / after.step() for stage, after in pairwise(chain)
    }


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
        stage.weights.log2_scale.add_(move.to(stage.weights.log2_scale))
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
        input_scale=chain[0].step().item(),
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
    level, shift, _ = choose_multiplier(stage.accumulator_scale() * gain / after.step(), multiplier_code(alphabets))
    bias = round_half_up(offset / after.step() * torch.exp2(shift.double())).to(torch.int64)
    config = after.inputs.config
    return Requantize(
        alphabets=alphabets,
        scale=level,
        bias=bias,
        shift=shift,
        bits=config.act_bits,
        signed=False,
        encode=config.act_alphabets,
    )


def _integer_layer(stage: Stage, requantize: Requantize) -> IntegerLayer:
    layer = stage.layer
    weight = stage.weights.integers(stage.original).cpu()
    if isinstance(layer, nn.Linear):
        return IntegerLinear(name=stage.path, config=stage.inputs.config, weight=weight, requantize=requantize)
    return IntegerConv2d(
        name=stage.path,
        config=stage.inputs.config,
        weight=weight,
        requantize=requantize,
        stride=layer.stride,
        padding=layer.padding,
        groups=layer.groups,
    )
