"""Lanes: one weight times one activation, as rows that are ready to be added.

A row of n bits with its ``negative`` bit is worth ``row + negative`` where the row is extended by
``negative`` (unsigned rows) or by its own top bit (signed rows): the one's complement of a negative
product, and what is missing to the two's complement. Adders sum the rows of many lanes at once, and
the negative bits of many lanes depend on the weights alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.formats.product_format import ProductFormat


@dataclass(frozen=True)
class Row:
    """``(bits + negative) << position``, ``bits`` extended as the module's text says."""

    bits: Value
    negative: Value
    position: int = 0

    @property
    def addend(self) -> Value:
        """The row in its place as one signed value; ``negative``, worth 1, is still to be added."""
        extension = [] if self.bits.shape().signed else [self.negative]
        return Cat(self.negative.replicate(self.position), self.bits, *extension).as_signed()

    @property
    def negative_weight(self) -> int:
        """What the negative bit adds to a sum of ``bits``: its own place, and the extension of the row."""
        extension = 0 if self.bits.shape().signed else 1 << self.position + len(self.bits)
        return (1 << self.position) - extension


class Lane(wiring.Component):
    """What the lanes have in common; combinational. A lane is one multiplier of a unit.

    ``shapes`` and ``positions`` describe the rows; ``signs[i]`` says which negative bit row i has, ``constants`` which
    of these bits never change: they have no port.

    Members
    -------
    weight : In(`weight_shape`), as the weight register holds it
    x : In(``x_shape``): the activation, or its multiples
    row<i> : Out, one for each of ``shapes``
    negative<i> : Out(1)
    """

    signal_parts = {r"(row|negative)\w*": "sign", r".*": "select_shift"}
    terms = 1
    """Products in what the rows add up to."""

    def __init__(
        self,
        product: ProductFormat,
        weight,
        x,
        shapes: list[Shape],
        positions: list[int],
        signs: Sequence[int] = (),
        constants: Mapping[int, int] = MappingProxyType({}),
    ):
        self.product = product
        self._positions = positions
        self._signs = signs or [0] * len(shapes)
        self._constants = constants
        negatives = [index for index in range(max(self._signs) + 1) if index not in constants]
        super().__init__(
            {"weight": In(weight), "x": In(x)}
            | {f"row{i}": Out(shape) for i, shape in enumerate(shapes)}
            | {f"negative{i}": Out(1) for i in negatives}
        )

    @property
    def arrival(self) -> int:
        """Full adders' worth of delay from the operands to the rows: the adders of the bank."""
        return 2 if self.product.has_bank else 0

    @property
    def negatives(self) -> list[Value]:
        """The negative bits."""
        indices, fixed = range(max(self._signs) + 1), self._constants
        return [Const(fixed[i], 1) if i in fixed else getattr(self, f"negative{i}") for i in indices]

    @property
    def rows(self) -> list[Row]:
        """The rows of the product."""
        places = enumerate(zip(self._positions, self._signs, strict=True))
        return [Row(getattr(self, f"row{i}"), self.negatives[sign], place) for i, (place, sign) in places]

    @property
    def negative_weights(self) -> list[int]:
        """What each negative bit adds to the sum of the rows' bits."""
        weights = [0] * len(self.negatives)
        for sign, row in zip(self._signs, self.rows, strict=True):
            weights[sign] += row.negative_weight
        return weights

    def _drive(self, m: Module, i: int, magnitude, negative) -> None:
        """Row ``i`` is ``magnitude``, or its one's complement."""
        row = getattr(self, f"row{i}")
        # Inverted after the extension to the row's width, so that all bits of a negative row are.
        wide = Signal(row.shape(), name=f"magnitude{i}")
        m.d.comb += [wide.eq(magnitude), row.eq(wide ^ negative.replicate(len(row)))]


def one_hot_shift(value: Value, hot: Value, shape: Shape) -> Value:
    """``value << i`` for the bit i of ``hot`` that is set, 0 for none: an AND-OR, no barrel shifter."""
    result: Value = Const(0, shape.width)
    for i in range(len(hot)):
        result |= extended(value << i, shape) & hot[i].replicate(shape.width)
    return result


def extended(value: Value, shape: Shape) -> Value:
    """``value`` in at most the bits of ``shape``; in all of them, its sign repeated, where that is signed."""
    return (Cat(value, value[-1].replicate(shape.width)) if shape.signed else value)[: shape.width]
