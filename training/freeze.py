"""Scales moved to where every requantize multiplier is an ASM level, then held there.

Levels of few alphabets are coarse (a {1} multiplier may be 13 % off, more where the shift leaves it few
bits), so rounding the multipliers after training would change the function; moved before the end of
training, the weights settle around them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asm_hw.golden import finest_shift
from asm_hw.network.integer_requantize import MAX_SHIFT, multiplier_code
from asm_hw.numbers.level_code import LevelCode

from .fold import Product, Step, Stored, Term, Wide, fold
from .levels import NearestLevel, round_half_up
from .model_checks import check_model
from .quantizer import ActivationQuantizer, WeightQuantizer, check_annealed
from .tensor_shapes import watch_prepared
from .traced_operations import NORMS

EXACT = 1e-6
"""A relative error of a multiplier that is only that of float32 scales."""

SNAP_BITS = 8
"""Bits of the level that a residual's multiplier is moved to: short, so that it fits beside any shift."""


def choose_multiplier(
    ratio: Tensor, code: LevelCode, preferred: int = MAX_SHIFT, most: Tensor | int = MAX_SHIFT
) -> tuple[Tensor, Tensor, Tensor]:
    """(m, s, relative error) of each ``ratio`` (float64): the level and shift with ``m / 2**s`` nearest.

    Every shift 0..``most`` is tried: digits align differently with the ratio at each. Of equals the
    largest shift wins, which leaves the bias its finest steps; shifts above ``preferred`` are taken only
    where all up to it would give 0.
    """
    nearest = NearestLevel(code)
    best, shift, result = torch.zeros_like(ratio), torch.zeros_like(ratio), torch.ones_like(ratio)
    least = torch.full_like(ratio, torch.inf)
    for s in range(MAX_SHIFT + 1):
        aligned = ratio * 2.0**s
        level = nearest(aligned)
        error = torch.where(ratio == 0, 0.0, (level / aligned - 1).abs())
        rank = torch.where(error == 1, 3.0, error) + (s > preferred)  # a lost channel is worse than a long shift
        better = (rank <= least) & (s <= torch.as_tensor(most))
        best, least = torch.where(better, level, best), torch.where(better, rank, least)
        shift, result = torch.where(better, float(s), shift), torch.where(better, error, result)
    return best.to(torch.int64), shift.to(torch.int64), result


@dataclass(frozen=True)
class Multipliers:
    """The multipliers of a sum step by term, as ``level * 2**left``; all are then shifted right by ``shift``.

    ``main``: the term whose multiplier sets the shift. int64 [channels] or [1]; ``errors``: relative.
    """

    main: int
    levels: list[Tensor]
    left: list[Tensor]
    shift: Tensor
    errors: list[Tensor]

    def real(self, term: int) -> Tensor:
        """What the integers multiply by, float64."""
        return self.levels[term] * torch.exp2((self.left[term] - self.shift).double())


def multipliers(step: Step) -> Multipliers:
    """The multipliers of a sum step: of its accumulators first, the residual's within that shift."""
    assert isinstance(step.source, Wide)
    code, ratios = code_of(step), step.ratios
    main = next((i for i, term in enumerate(step.source.terms) if not isinstance(term.operand, Stored)), 0)
    _, shift, _ = found = choose_multiplier(ratios[main], code, finest_shift(step.target.format.bits))
    chosen = [found if i == main else choose_multiplier(r, code, most=shift) for i, r in enumerate(ratios)]
    levels, shifts, errors = (list(part) for part in zip(*chosen, strict=True))
    return Multipliers(main, levels, [shift - s for s in shifts], shift, errors)


def code_of(step: Step) -> LevelCode:
    """The levels of a step's multipliers: of the layer's alphabets, else of the tensor's."""
    products = [term.operand for term in step.source.terms if isinstance(term.operand, Product)]  # type: ignore[union-attr]
    return multiplier_code(products[0].weights.format.alphabets if products else step.target.multipliers)


def scale_errors(model: nn.Module) -> dict[str, float]:
    """The largest relative error of an ASM requantize multiplier of each sum step, by name.

    Below 1e-6 after `freeze`. Before: most below 0.13 for {1} and 0.03 for {1,3}, the bounds of a multiplier
    with bits enough; a layer whose ratios are small, as a first one, has fewer under the shift of `finest_shift`.
    """
    return {
        step.target.name: max(error.max().item() for error in multipliers(step).errors)
        for step in fold(model, watch_prepared(model))
        if isinstance(step, Step) and step.kind == "sum"
    }


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
    for _ in fold(model, seen):
        pass  # raises before anything has moved
    for step in fold(model, seen):
        if isinstance(step, Step) and step.kind == "sum":
            _move_target(step)
            _move_weights(step)
    for step in fold(model, seen):
        if isinstance(step, Step) and step.kind == "sum":
            _set_gains(step)
    for module in model.modules():
        if isinstance(module, (WeightQuantizer, ActivationQuantizer)):
            module.log2_scale.requires_grad_(False)
        elif isinstance(module, NORMS):
            module.register_forward_pre_hook(_keep_statistics)
            if module.affine:
                module.weight.requires_grad_(False)


def _keep_statistics(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Forward pre-hook: ``model.train()`` must not bring batch statistics back."""
    norm.training = False


def is_frozen(norm: nn.Module) -> bool:
    """Whether `freeze` fixed the statistics of ``norm``."""
    return _keep_statistics in norm._forward_pre_hooks.values()


def _move_target(step: Step) -> None:
    """Where one operand has no weights, scale the tensor so that this operand's multiplier is a short level."""
    assert isinstance(step.source, Wide) and step.quantizer is not None
    fixed = [i for i, term in enumerate(step.source.terms) if not _movable(term)]
    if len(fixed) != 1 or not step.quantizer.log2_scale.requires_grad:
        return
    ratio = step.ratios[fixed[0]]
    if not torch.allclose(ratio, ratio[:1]):  # by channel: there is one scale
        return
    code = LevelCode(code_of(step).alphabets, SNAP_BITS, signed=True)
    level, shift, _ = choose_multiplier(ratio[:1], code, finest_shift(step.target.format.bits))
    move = (level / torch.exp2(shift.double()) / ratio[:1]).log2()
    step.quantizer.log2_scale.sub_(move.to(step.quantizer.log2_scale))
    step.target.scale.copy_(step.quantizer.scale.double().cpu())


def _movable(term: Term) -> bool:
    """Whether weight scales can take up the term's error."""
    return isinstance(term.operand, Product) and term.gain is None


def _move_weights(step: Step) -> None:
    """Move each channel's weight scale to where the multiplier is a level."""
    assert isinstance(step.source, Wide)
    chosen = multipliers(step)
    for i, (term, ratio) in enumerate(zip(step.source.terms, step.ratios, strict=True)):
        if isinstance(term.operand, Product) and _movable(term):
            # A ratio too small for any level is 0 in the hardware as well: there is nothing to move to.
            move = torch.where(chosen.levels[i] != 0, chosen.real(i) / ratio, 1.0).log2()
            weights = term.operand.weights
            weights.log2_scale.add_(move.to(weights.log2_scale))


def _set_gains(step: Step) -> None:
    """Take over in the model what rounding a multiplier changes."""
    assert isinstance(step.source, Wide)
    chosen = multipliers(step)
    gains = [term.gain for term in step.source.terms]
    for i, (term, ratio) in enumerate(zip(step.source.terms, step.ratios, strict=True)):
        if term.gain is not None and term.gain not in gains[:i]:  # x + x has one, and the same level twice
            factor = torch.where(ratio == 0, 1.0, chosen.real(i) / ratio)
            if (factor - 1).abs().max() > EXACT:
                term.gain.factor.mul_(factor.to(term.gain.factor))


@torch.no_grad()
def settle(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> None:
    """Round biases and norm shifts of a frozen ``model`` to what the integers can add: ``2**-s`` of a step.

    In place, after training and before the float model is compared with the integers: their results are
    then the same but for what floats lose on the way. The integers themselves do not change.
    """
    for step in fold(model, watch_prepared(model, input_shape)):
        if not isinstance(step, Step) or step.kind != "sum":
            continue
        assert isinstance(step.source, Wide)
        if step.source.anchor is None:
            continue
        parameter, factor = step.source.anchor
        unit = step.target.scale / torch.exp2(multipliers(step).shift.double())
        offset = step.source.offset
        move = (round_half_up(offset / unit) * unit - offset) / factor
        parameter.add_(torch.where(factor == 0, 0.0, move).to(parameter))
