"""The multipliers of requantization: ASM levels and shifts nearest to the ratios of real scales.

`NetworkBuilder` in `integer_builder.py` takes them and adds the biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asm_hw.golden import finest_shift
from asm_hw.network.integer_requantize import MAX_SHIFT, multiplier_code
from asm_hw.numbers.level_code import LevelCode

from .fold import fold
from .folded_steps import Product, Stored, SumStep
from .levels import NearestLevel
from .tensor_shapes import prepared_graph, watch_prepared

EXACT = 1e-6
"""A relative error of a multiplier that is only that of float32 scales."""


COARSE = 2.0**-7
"""An error of a multiplier that no weight can take up, from which on a longer shift is better than `finest_shift`."""


def nearest_multiplier(
    ratio: Tensor,
    levels: LevelCode,
    preferred_shift: int = MAX_SHIFT,
    max_shift: Tensor | int = MAX_SHIFT,
    worth: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """(m, s, relative error) of each ``ratio`` (float64): the level and shift with ``m / 2**s`` nearest.

    Every shift 0..``max_shift`` is tried: digits align differently with the ratio at each. Of equals the
    largest shift wins, which leaves the bias its finest steps; shifts above ``preferred_shift`` are taken
    only where the error is less by ``worth``: by default where all up to it would give 0.
    """
    nearest = NearestLevel(levels)
    best, shift, result = torch.zeros_like(ratio), torch.zeros_like(ratio), torch.ones_like(ratio)
    least = torch.full_like(ratio, torch.inf)
    for s in range(MAX_SHIFT + 1):
        aligned = ratio * 2.0**s
        level = nearest(aligned)
        error = torch.where(ratio == 0, 0.0, (level / aligned - 1).abs())
        rank = torch.where(error == 1, 3.0, error) + worth * (
            s > preferred_shift
        )  # a lost channel is worse than a long shift
        better = (rank <= least) & (s <= torch.as_tensor(max_shift))
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

    def worst(self, terms: Sequence[int] | None = None) -> float:
        """The largest error of some terms, by default of all."""
        return max(self.errors[i].max().item() for i in (range(len(self.errors)) if terms is None else terms))

    def real(self, term: int) -> Tensor:
        """What the integers multiply by, float64."""
        return self.levels[term] * torch.exp2((self.left[term] - self.shift).double())


def multipliers(step: SumStep) -> Multipliers:
    """The multipliers of a sum step: of its accumulators first, the residual's within that shift.

    The shift is longer than `finest_shift` where the residual, or accumulators without weights to move, would be off by
    `COARSE` otherwise. Once they are exact at some shift, as behind a freeze, it is that.
    """
    finest = finest_shift(step.target.format.bits)
    fixed = [i for i, term in enumerate(step.source.terms) if not term.movable]
    best = found = _multipliers(step, finest)
    for shift in range(finest + 1, MAX_SHIFT + 1) if fixed and len(step.source.terms) > 1 else ():
        if found.worst() <= EXACT:
            return found
        if best.worst(fixed) > COARSE and found.worst(fixed) < best.worst(fixed):
            best = found
        found = _multipliers(step, shift)
    return found if found.worst() <= EXACT else best


def _multipliers(step: SumStep, finest: int) -> Multipliers:
    """The multipliers at shifts up to ``finest``, if these are fine enough for accumulators without weights to move."""
    levels, ratios = multiplier_levels(step), step.ratios
    main = next((i for i, term in enumerate(step.source.terms) if not isinstance(term.operand, Stored)), 0)
    worth = 1.0 if step.source.terms[main].movable else COARSE
    _, shift, _ = first = nearest_multiplier(ratios[main], levels, finest, worth=worth)
    found = [first if i == main else nearest_multiplier(r, levels, max_shift=shift) for i, r in enumerate(ratios)]
    values, shifts, errors = (list(part) for part in zip(*found, strict=True))
    return Multipliers(main, values, [shift - s for s in shifts], shift, errors)


def multiplier_levels(step: SumStep) -> LevelCode:
    """The levels of a step's multipliers: of the layer's alphabets, else of the tensor's."""
    products = [term.operand for term in step.source.terms if isinstance(term.operand, Product)]
    return multiplier_code(products[0].weights.format.alphabets if products else step.target.multipliers)


def scale_errors(model: nn.Module) -> dict[str, float]:
    """The largest relative error of an ASM requantize multiplier of each sum step, by name.

    Below 1e-6 after `freeze`. Before: most below 0.13 for {1} and 0.03 for {1,3}, the bounds of a multiplier
    with bits enough; a layer whose ratios are small, as a first one, has fewer under the shift of `finest_shift`.
    """
    return {
        step.target.name: max(error.max().item() for error in multipliers(step).errors)
        for step in fold(prepared_graph(model), watch_prepared(model))
        if isinstance(step, SumStep)
    }
