"""Scales moved to where every requantize multiplier is an ASM level, then held there.

Levels of few alphabets are coarse (a {1} multiplier may be 13 % off, more where the shift leaves it few
bits), so rounding the multipliers after training would change the function; moved before the end of
training, the weights settle around them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asm_hw.golden import finest_shift
from asm_hw.numbers.level_code import LevelCode

from .fold import fold
from .folded_steps import Product, SumStep
from .levels import round_half_up
from .model_checks import check_model
from .quantizer import ActivationQuantizer, WeightQuantizer, check_annealed
from .requantize_multipliers import COARSE, EXACT, multiplier_levels, multipliers, nearest_multiplier
from .tensor_shapes import prepared_graph, watch_prepared
from .traced_operations import NORMS, classify

SNAP_BITS = 8
"""Bits of the level that a residual's multiplier is moved to: short, so that it fits beside any shift."""


@torch.no_grad()
def freeze(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> None:
    """Move the scales of a prepared ``model`` to where requantize multipliers are levels; fix scales and norms.

    In place. Weights are rounded anew at the moved scales, so the function changes by rounding only.
    Afterwards training moves weights, biases and norm shifts; norms use their running statistics. A
    factor that no scale can take up goes into the model's `Gain`. A model that `convert` refuses is
    refused here as well. ``input_shape``: of one input; by default the one it was prepared with.
    """
    seen = watch_prepared(model, input_shape)
    check_model(model)
    check_annealed(model)
    graph = prepared_graph(model)
    for _ in fold(graph, seen):
        pass  # raises before anything has moved
    for step in fold(graph, seen):
        if isinstance(step, SumStep):
            _move_target(step)
            _move_weights(step)
    for step in fold(graph, seen):
        if isinstance(step, SumStep):
            _set_gains(step)
    for node in graph.graph.nodes:
        op = classify(node, graph, seen)
        if op.kind == "affine" and isinstance(op.detail.factor, Tensor):
            op.detail.factor.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, (WeightQuantizer, ActivationQuantizer)):
            module.log2_scale.requires_grad_(False)
        elif isinstance(module, NORMS):
            module.register_forward_pre_hook(_keep_statistics)
            vars(module)[_FROZEN] = True
            if module.affine:
                module.weight.requires_grad_(False)


_FROZEN = "statistics_are_frozen"
"""The attribute of a norm whose running statistics `freeze` fixed."""


def _keep_statistics(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Forward pre-hook: ``model.train()`` must not bring batch statistics back."""
    norm.training = False


def is_frozen(norm: nn.Module) -> bool:
    """Whether `freeze` fixed the statistics of ``norm``."""
    return _FROZEN in vars(norm)


def _move_target(step: SumStep) -> None:
    """Where one operand has no weights, scale the tensor so that this operand's multiplier is a short level."""
    fixed = [i for i, term in enumerate(step.source.terms) if not term.movable]
    if len(fixed) != 1 or not step.quantizer.log2_scale.requires_grad or step.quantizer.shared:
        return
    ratio = step.ratios[fixed[0]]
    if not torch.allclose(ratio, ratio[:1]):  # by channel: there is one scale
        return
    levels = LevelCode(multiplier_levels(step).alphabets, SNAP_BITS, signed=True)
    level, shift, _ = nearest_multiplier(ratio[:1], levels, finest_shift(step.target.format.bits), worth=COARSE)
    move = (level / torch.exp2(shift.double()) / ratio[:1]).log2()
    step.quantizer.log2_scale.sub_(move.to(step.quantizer.log2_scale))
    step.target.scale.copy_(step.quantizer.scale.double().cpu())


def _move_weights(step: SumStep) -> None:
    """Move each channel's weight scale to where the multiplier is a level."""
    found = multipliers(step)
    for i, (term, ratio) in enumerate(zip(step.source.terms, step.ratios, strict=True)):
        if isinstance(term.operand, Product) and term.movable:
            # A ratio too small for any level is 0 in the hardware as well: there is nothing to move to.
            move = torch.where(found.levels[i] != 0, found.real(i) / ratio, 1.0).log2()
            weights = term.operand.weights
            weights.log2_scale.add_(move.to(weights.log2_scale))


def _set_gains(step: SumStep) -> None:
    """Take over in the model what rounding a multiplier changes."""
    found = multipliers(step)
    gains = [term.gain for term in step.source.terms]
    for i, (term, ratio) in enumerate(zip(step.source.terms, step.ratios, strict=True)):
        if term.gain is not None and term.gain not in gains[:i]:  # x + x has one, and the same level twice
            factor = torch.where(ratio == 0, 1.0, found.real(i) / ratio)
            if (factor - 1).abs().max() > EXACT:
                term.gain.factor.mul_(factor.to(term.gain.factor))


@torch.no_grad()
def settle(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> None:
    """Round biases and norm shifts of a frozen ``model`` to what the integers can add: ``2**-s`` of a step.

    In place, after training and before the float model is compared with the integers: their results are
    then the same but for what floats lose on the way. The integers themselves do not change.
    """
    for step in fold(prepared_graph(model), watch_prepared(model, input_shape)):
        if not isinstance(step, SumStep) or step.source.anchor is None:
            continue
        parameter, factor = step.source.anchor
        unit = step.target.scale / torch.exp2(multipliers(step).shift.double())
        offset = step.source.offset
        move = (round_half_up(offset / unit) * unit - offset) / factor
        parameter.add_(torch.where(factor == 0, 0.0, move).to(parameter))
