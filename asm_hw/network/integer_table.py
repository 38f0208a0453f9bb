"""Functions of one stored tensor as tables: what is stored for each of its at most 256 integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from asm_hw import golden
from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat

from .integer_node import IntegerNode
from .integer_requantize import check_levels, describe

TABLE_BITS = 8
"""Most bits of a tensor that a table is of."""
ENTRY_BITS = 16
"""Most bits of an entry."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerTable(IntegerNode):
    """``values[x - low]`` of every integer ``x``, where ``low`` is the smallest one that ``taken`` can hold.

    ``values``: int64 [1 << taken.bits], integers as ``stored`` has them (levels, if it is encoded). ``taken`` has at
    most `TABLE_BITS` bits, ``stored`` `ENTRY_BITS`. Raises `ParameterError` on other values.
    """

    kind: ClassVar[str] = "table"

    taken: ActivationFormat
    stored: ActivationFormat
    values: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in (("taken", TABLE_BITS), ("stored", ENTRY_BITS)):
            bits = getattr(self, name).bits
            if bits > most:
                raise ParameterError(f"{name} bits of layer {self.name!r} must be at most {most}, not {bits}")
        if self.values.dtype != torch.int64 or self.values.shape != (1 << self.taken.bits,):
            raise ParameterError(
                f"layer {self.name!r} must have int64 values [{1 << self.taken.bits}], not {describe(self.values)}"
            )
        low, high = self.stored.range
        for value in map(int, torch.aminmax(self.values)):
            if not low <= value <= high:
                raise ParameterError(f"values of layer {self.name!r} must be from {low} to {high}, not {value}")
        if self.stored.levels is not None:
            check_levels(f"layer {self.name!r} values", self.values, self.stored.levels)

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        self.check_format(formats[0], self.taken)
        return self.stored

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0]

    def check_input(self, x: Tensor) -> None:
        """Raise `ParameterError` unless ``x`` holds integers that the table has entries for."""
        self.check_integers(x, self.taken)

    def forward(self, *x: Tensor) -> Tensor:
        return golden.look_up(self.values, x[0].to(torch.int64) - self.taken.binary_range[0])
