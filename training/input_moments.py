"""Second moments of what a layer's weights meet, as rounded layers before it leave it and as the float model has it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv_padding import conv_padding, dilation_of, kernel_of, stride_of
from .prepared_layers import Layer

ROWS = 1 << 16
"""Windows that moments are taken over, about: as many of each image, at random places."""

CHUNK = 16
"""Images unfolded at a time."""

DAMPING = 0.01
"""Share of the mean moment that is added to each, for terms that hardly vary or depend on each other."""


@dataclass(frozen=True)
class InputMoments:
    """Of the ``terms`` that an output sums, in each of the layer's groups.

    ``mean``, ``float_mean`` [groups, terms]; ``matrix`` [groups, terms, terms]: the covariance of the inputs, damped;
    ``shift``: the weights times it are what the weights must gain to give the float outputs from these inputs.
    """

    mean: Tensor
    float_mean: Tensor
    matrix: Tensor
    shift: Tensor


def input_moments(layer: Layer, inputs: Tensor, float_inputs: Tensor) -> InputMoments:
    """``inputs``, ``float_inputs``: [n, ...] of the layer, float32."""
    generator = torch.Generator().manual_seed(0)
    count, sums, products, centre = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())
    for one, two in zip(inputs.split(CHUNK), float_inputs.split(CHUNK), strict=True):
        rows, float_rows = _windows(layer, one, two, max(1, ROWS // len(inputs)), generator)  # [groups, n, terms]
        if not count:  # of what varies little around a mean far from 0, squares in float32 would hold the mean alone
            centre = rows.mean(1, keepdim=True)
        rows, float_rows = rows - centre, float_rows - centre
        parts = torch.stack([rows.sum(1), float_rows.sum(1)]).double()
        moment = torch.stack([rows.transpose(1, 2) @ rows, float_rows.transpose(1, 2) @ rows]).double()
        sums, products = sums + parts, products + moment
        count += rows.shape[1]
    mean, float_mean = sums / count
    matrix = products[0] / count - mean[:, :, None] * mean[:, None, :]
    cross = products[1] / count - float_mean[:, :, None] * mean[:, None, :]
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    damping = DAMPING * diagonal.mean(1, keepdim=True) + 1e-10
    damped = matrix + torch.diag_embed(damping.expand_as(diagonal))
    shift = torch.linalg.solve(damped, (cross - matrix).transpose(1, 2)).transpose(1, 2)
    mean, float_mean = mean + centre[:, 0], float_mean + centre[:, 0]
    return InputMoments(mean.float(), float_mean.float(), damped.float(), shift.float())


def _windows(layer: Layer, one: Tensor, two: Tensor, places: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The windows of two inputs [n, ...] at the same random ``places`` of each image: [groups, rows, terms]."""
    if isinstance(layer, nn.Linear):
        return one.flatten(1)[None], two.flatten(1)[None]
    both = torch.cat([one, two])
    both = F.pad(both.unsqueeze(2) if both.dim() == 3 else both, conv_padding(layer))  # a Conv1d has one row
    kernel, stride, dilation = kernel_of(layer), stride_of(layer), dilation_of(layer)
    if kernel == (1, 1):
        unfolded = both[:, :, :: stride[0], :: stride[1]].flatten(2)
    else:
        unfolded = F.unfold(both, kernel, dilation, 0, stride)  # [2 n, channels * taps, places]
    if places < unfolded.shape[2]:
        unfolded = unfolded[:, :, torch.randperm(unfolded.shape[2], generator=generator)[:places]]
    rows = unfolded.unflatten(1, (layer.groups, -1)).permute(1, 0, 3, 2)
    ours, theirs = rows.chunk(2, 1)
    return ours.flatten(1, 2), theirs.flatten(1, 2)
