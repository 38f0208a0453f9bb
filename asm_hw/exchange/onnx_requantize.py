"""Requantization in ONNX: multiply, add, shift and clamp of integers, in 32 bits where all values fit, else in 64.

ONNX shifts unsigned integers alone. The least result, shifted left, is taken off before the shift, and what is negative
then becomes 0: that is the clamp. So only what is not negative is shifted, where right shift and floor are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch

from asm_hw.errors import ParameterError
from asm_hw.network.integer_requantize import Requantize, encode_tensor

from .onnx_graph import INT32, INT64, UINT32, UINT64, Chain, Integers, OnnxGraph, type_of

Range = tuple[int, int]


@dataclass(frozen=True)
class Steps:
    """What a requantize step does to the sums of each channel, in Python's integers.

    ``clamp((sums * scale + skip * skip_scale + offset) >> shift, 0, high - low) + base``, where ``base`` is ``low``; a
    step that shifts nothing clamps to ``low`` and ``high``, its ``base`` is 0. ``below``, ``above``: whether a value
    can lie there. ``wide``: whether a value may need more than 32 bits.
    """

    scale: list[int]
    skip_scale: list[int]
    offset: list[int]
    shift: list[int]
    low: int
    high: int
    below: bool
    above: bool
    wide: bool

    @property
    def base(self) -> int:
        """What is added after the shift."""
        return self.low if any(self.shift) else 0


def steps_of(name: str, out: Requantize, sums: Sequence[Range], skip: Range = (0, 0)) -> Steps:
    """The steps of ``out`` for the ranges of each channel's sums and of what joins them.

    Raises `ParameterError` where a value could need more than 64 bits.
    """
    scale, shift = out.scale.tolist(), out.shift.tolist()
    joins = out.skip_scale is not None and out.skip_shift is not None
    skip_scale = (out.skip_scale << out.skip_shift).tolist() if joins else [0] * len(scale)  # type: ignore[operator]
    offset = [b + (1 << s >> 1) for b, s in zip(out.bias.tolist(), shift, strict=True)]
    scaled = list(map(_times, sums, scale))
    joined = list(map(_times, repeat(skip, len(scale)), skip_scale))
    before = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(scaled, joined, strict=True)]
    total = [(low + o, high + o) for (low, high), o in zip(before, offset, strict=True)]
    least = min(t[0] >> s for t, s in zip(total, shift, strict=True))
    most = max(t[1] >> s for t, s in zip(total, shift, strict=True))
    # What no value reaches needs no clamp, and an output of many bits no large numbers.
    low, high = out.range
    low, high = min(max(low, least), high), max(min(high, most), low)
    if any(shift):
        offset = [o - (low << s) for o, s in zip(offset, shift, strict=True)]
        total = [(a - (low << s), b - (low << s)) for (a, b), s in zip(total, shift, strict=True)]
    bits = max(abs(v) for pair in [*sums, skip, *scaled, *joined, *before, *total] for v in pair).bit_length()
    bits = max([bits, *(abs(v).bit_length() for v in (*scale, *skip_scale, *offset, low, high))])
    if bits > 63:
        raise ParameterError(f"layer {name!r} must have values of at most 64 bits to be in ONNX, not {bits + 1}")
    return Steps(scale, skip_scale, offset, shift, low, high, least < low, most > high, bits > 31)


def _times(values: Range, factor: int) -> Range:
    low, high = sorted(value * factor for value in values)
    return low, high


def requantized(
    graph: OnnxGraph,
    name: str,
    out: Requantize,
    sums: Integers,
    ranges: Sequence[Range],
    dimensions: int,
    skip: Integers | None = None,
) -> Integers:
    """The stored tensor ``name``: ``out`` applied to ``sums``, of ``dimensions`` without batch, and what joins them.

    ``ranges``: of the sums of each channel.
    """
    steps = steps_of(name, out, ranges, (skip.low, skip.high) if skip else (0, 0))
    output, kind = graph.stored(name), INT64 if steps.wide else INT32
    chain = Chain(graph, sums.name, sums.type, output)
    chain.cast(kind)
    if any(value != 1 for value in steps.scale):
        chain.with_constant("Mul", "scale", _along(steps.scale, dimensions))
    if skip is not None:
        joined = Chain(graph, skip.name, skip.type, graph.unique(f"{output}/joining"))
        joined.cast(kind)
        joined.with_constant("Mul", "skip_scale", _along(steps.skip_scale, dimensions))
        chain.add("Add", joined.end())
    if any(steps.offset):
        chain.with_constant("Add", "offset", _along(steps.offset, dimensions))
    if any(steps.shift):
        _shift(chain, steps, _along(steps.shift, dimensions))
    elif steps.below or steps.above:
        chain.clip(steps.low if steps.below else None, steps.high if steps.above else None)
    stored = type_of(out.format)
    if out.encode is not None:
        _encode(chain, steps, out, stored)
    else:
        if steps.base:
            chain.cast(kind)
            chain.with_constant("Add", "least", steps.base)
        chain.cast(stored)
    return Integers(chain.end(), stored, *out.format.range)


def _along(values: list[int], dimensions: int) -> np.ndarray:
    """One value a channel, to broadcast against [n, channels, ...]; a single one where all are alike."""
    if len(set(values)) == 1:
        return np.array(values[0])
    return np.array(values).reshape(-1, *[1] * (dimensions - 1))


def _shift(chain: Chain, steps: Steps, shift: np.ndarray) -> None:
    """From 0 up to ``high - low``: clamped below, shifted, clamped above."""
    most = steps.high - steps.low
    alike = shift.ndim == 0
    # One operator clamps both ways before a shift that is the same everywhere.
    early = (most + 1 << int(shift)) - 1 if alike and steps.above else None
    chain.clip(0 if steps.below else None, early)
    chain.cast(UINT64 if chain.kind == INT64 else UINT32)
    chain.with_constant("BitShift", "shift", shift, direction="RIGHT")
    if steps.above and not alike:
        chain.clip(None, most)


def _encode(chain: Chain, steps: Steps, out: Requantize, stored: int) -> None:
    """The nearest level of each value from ``low`` to ``high``, looked up."""
    if not any(steps.shift) and steps.low:
        chain.with_constant("Sub", "least", steps.low)
    chain.cast(INT64 if chain.kind in (INT64, UINT64) else INT32)
    levels = encode_tensor(out.format, torch.arange(steps.low, steps.high + 1))
    chain.look_up(f"{chain.output}/levels", levels.numpy(), stored)
