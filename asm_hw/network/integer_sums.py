"""Sums of stored tensors: an ASM multiplier a channel for each, rounded into one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from asm_hw.errors import ParameterError

from .integer_node import RequantizedNode


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerSum(RequantizedNode):
    """One or two stored tensors [n, c, ...], each by an ASM multiplier a channel, rounded into one.

    One: a norm or a change of format. Two: a residual that joins no convolution.
    """

    kind: ClassVar[str] = "sum"

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        channels = len(self.requantize.scale)
        if len(set(shapes)) != 1 or not shapes[0] or shapes[0][0] != channels:
            raise ParameterError(f"layer {self.name!r} must take tensors alike of {channels} channels, not {shapes}")
        return shapes[0]

    def forward(self, *x: Tensor) -> Tensor:
        return self.requantize(*x)
