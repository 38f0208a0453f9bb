"""Weights to levels with error feedback: what rounding one weight costs, those that follow make good.

The output error of a layer is ``(q - w) H (q - w)`` for each output channel, where ``H`` holds the second moments of
the layer's inputs. Columns are rounded one after another, the largest moment first, and the error of each is spread
over those that follow by the inverse of ``H`` (OBQ, Frantar et al., arXiv 2208.11580; GPTQ, arXiv 2210.17323). Sweeps
over the columns then move single weights to another level wherever that lowers the error. Nothing here asks for levels
at equal distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .levels import NearestLevel

BLOCK = 64
"""Columns whose errors are spread over the later ones in one matrix product."""

SWEEPS = 4
"""Passes over the columns after the first rounding, at most."""


@dataclass(frozen=True)
class Moments:
    """Second moments ``matrix`` [groups, terms, terms], about the mean, of what the weights of a layer meet.

    ``order``: the terms of each group, largest moment first; ``inverse_root``: upper triangular, its transpose times
    it is the inverse of the ordered matrix.
    """

    matrix: Tensor
    order: Tensor
    inverse_root: Tensor

    @staticmethod
    def of(matrix: Tensor) -> Moments:
        """``matrix``: symmetric, positive definite."""
        order = matrix.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True)
        ordered = matrix.gather(1, order[:, :, None].expand_as(matrix))
        ordered = ordered.gather(2, order[:, None, :].expand_as(matrix))
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(ordered.double()))
        root = torch.linalg.cholesky(inverse, upper=True)
        return Moments(ordered.float(), order, root.float())


def round_with_feedback(
    weight: Tensor, scale: Tensor, moments: Moments, nearest: NearestLevel
) -> tuple[Tensor, Tensor]:
    """(levels, error): ``weight`` [groups, rows, terms] at ``scale`` [groups, rows] rounded as the module says.

    ``levels``: in the dtype and shape of ``weight``; ``error`` [groups, rows]: what is left of the output's variance.
    """
    order = moments.order[:, None, :].expand_as(weight)
    units = weight.gather(2, order) / scale[..., None]
    # Feedback is greedy: now and then the nearest levels are the better start.
    starts = (_spread(units.clone(), moments.inverse_root, nearest), nearest(units))
    errors = [_sweep(units, levels, moments.matrix, nearest) for levels in starts]
    levels = torch.where((errors[0] <= errors[1])[..., None], *starts)
    error = torch.minimum(*errors) * scale.square()
    return torch.empty_like(levels).scatter_(2, order, levels), error


def _spread(units: Tensor, root: Tensor, nearest: NearestLevel) -> Tensor:
    """Levels of ``units`` [groups, rows, terms], which is overwritten: column by column, errors carried on."""
    levels = torch.empty_like(units)
    terms = units.shape[2]
    for start in range(0, terms, BLOCK):
        end = min(start + BLOCK, terms)
        errors = torch.empty_like(units[:, :, start:end])
        for j in range(start, end):
            levels[:, :, j] = nearest(units[:, :, j])
            errors[:, :, j - start] = (units[:, :, j] - levels[:, :, j]) / root[:, j, j, None]
            units[:, :, j + 1 : end] -= errors[:, :, j - start, None] * root[:, None, j, j + 1 : end]
        units[:, :, end:] -= errors @ root[:, start:end, end:]
    return levels


def _sweep(units: Tensor, levels: Tensor, matrix: Tensor, nearest: NearestLevel) -> Tensor:
    """Move ``levels`` one column at a time to where the error is least; the error [groups, rows] that is left."""
    slope = (levels - units) @ matrix
    for _ in range(SWEEPS):
        moved = False
        for start in range(0, units.shape[2], BLOCK):
            end = min(start + BLOCK, units.shape[2])
            steps = torch.zeros_like(units[:, :, start:end])
            for j in range(start, end):
                best = nearest(levels[:, :, j] - slope[:, :, j] / matrix[:, j, j, None])
                step = best - levels[:, :, j]
                levels[:, :, j] = best
                steps[:, :, j - start] = step
                slope[:, :, start:end] += step[..., None] * matrix[:, None, j, start:end]
            moved |= bool(steps.any())
            slope[:, :, :start] += steps @ matrix[:, start:end, :start]
            slope[:, :, end:] += steps @ matrix[:, start:end, end:]
        if not moved:
            break
    return ((levels - units) @ matrix * (levels - units)).sum(2)
