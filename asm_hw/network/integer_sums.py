"""Sums of stored tensors: an ASM multiplier a channel for each, rounded into one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat

from .integer_node import IntegerNode
from .integer_requantize import Requantize


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerSum(IntegerNode):
    """One or two stored tensors [n, c, ...], each by an ASM multiplier a channel, rounded into one.

    One: a norm or a change of format. Two: a residual that joins no convolution.
    """

    kind: ClassVar[str] = "sum"

    requantize: Requantize

    @property
    def arity(self) -> int:
        return self.requantize.arity

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        return self.requantize.format

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        channels = len(self.requantize.scale)
        if len(set(shapes)) != 1 or not shapes[0] or shapes[0][0] != channels:
            raise ParameterError(f"layer {self.name!r} must take tensors alike of {channels} channels, not {shapes}")
        return shapes[0]

    def forward(self, *x: Tensor) -> Tensor:
        return self.requantize(*x)
