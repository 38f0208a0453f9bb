"""Lanes: one weight times one activation, as rows that are ready to be added.

A row of n bits with its ``negative`` bit is worth ``row + negative`` where the row is extended by
``negative`` (unsigned rows) or by its own top bit (signed rows): the one's complement of a negative
product, and what is missing to the two's complement. Adders sum the rows of many lanes at once, and
the negative bits of many lanes depend on the weights alone.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.decoded_weights import booth_digits

from .shapes import activation_shape, multiple_shape


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
    """What the lanes have in common; combinational.

    ``shapes`` and ``positions`` describe the rows; ``signs[i]`` says which negative bit row i has.

    Members
    -------
    weight : In(`weight_shape`), as the weight register holds it
    x : In(``x_shape``): the activation, or its multiples
    row<i> : Out, one for each of ``shapes``
    negative<i> : Out(1)
    """

    constant_negatives: tuple[int, ...] = ()
    """The negative bits of a lane that has no ports for them."""

    def __init__(self, product: ProductFormat, weight, x, shapes: list[Shape], positions: list[int], signs=None):
        self.product = product
        self._positions = positions
        self._signs = signs or [0] * len(shapes)
        negatives = 0 if self.constant_negatives else max(self._signs) + 1
        super().__init__(
            {"weight": In(weight), "x": In(x)}
            | {f"row{i}": Out(shape) for i, shape in enumerate(shapes)}
            | {f"negative{i}": Out(1) for i in range(negatives)}
        )

    @property
    def arrival(self) -> int:
        """Full adders' worth of delay from the operands to the rows: the adders of the bank."""
        return 2 if self.product.has_bank else 0

    @property
    def negatives(self) -> list[Value]:
        """The negative bits."""
        if self.constant_negatives:
            return [Const(value, 1) for value in self.constant_negatives]
        return [getattr(self, f"negative{i}") for i in range(max(self._signs) + 1)]

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
        wide = Signal(row.shape(), name=f"magnitude{i}")
        m.d.comb += [wide.eq(magnitude), row.eq(wide ^ negative.replicate(len(row)))]


class AlphabetLane(Lane):
    """Select a multiple from the bank and shift it: one row a digit.

    ``weight`` holds the decoded weight, ``x`` the multiples of `Bank`.
    """

    def __init__(self, product: ProductFormat, weight, x):
        digits = product.weight.levels.digits
        # The widest multiple of a digit is its largest value, not its largest alphabet at its largest shift.
        shapes = [multiple_shape(activation_shape(product.activation), digit.values[-1]) for digit in digits]
        super().__init__(product, weight, x, shapes, [digit.position for digit in digits])

    def elaborate(self, platform):
        m = Module()
        for i, digit in enumerate(self.product.weight.levels.digits):
            selected = self._select(m, i, digit)
            self._drive(m, i, self._shift(i, digit, selected), self.weight.sign)
        m.d.comb += self.negative0.eq(self.weight.sign)
        return m

    def _select(self, m: Module, i: int, digit):
        """The multiple that digit ``i`` names."""
        multiples = [self.x[f"x{a}"] for a in digit.multiples]
        if len(multiples) == 1:
            return multiples[0]
        selected = Signal(multiples[-1].shape(), name=f"selected{i}")
        with m.Switch(self.weight[f"alphabet{i}"]):
            for index, multiple in enumerate(multiples):
                with m.Default() if multiple is multiples[-1] else m.Case(index):
                    m.d.comb += selected.eq(multiple)
        return selected

    def _shift(self, i: int, digit, selected):
        """The multiple shifted by the digit's shift; 0 where the digit is."""
        if self.product.weight.form == "one_hot":
            return one_hot_shift(selected, self.weight[f"hot{i}"], getattr(self, f"row{i}").shape())
        # Zero gates what is shifted, not the wider result; on LUTs it shares one with the first stage.
        gated = Mux(self.weight[f"zero{i}"], 0, selected)
        return gated << self.weight[f"shift{i}"] if digit.shift_bits else gated


class PowerOfTwoLane(Lane):
    """Both operands on {1}: each pair of digits gives the single bit ``1 << (s + t)``, no multiplier.

    ``weight`` and ``x`` hold fields.
    """

    def __init__(self, product: ProductFormat, weight, x):
        assert product.activation.levels is not None
        pairs = [(s, t) for s in product.weight.levels.digits for t in product.activation.levels.digits]
        shapes = [unsigned(s.bits + t.bits - 1) for s, t in pairs]
        super().__init__(product, weight, x, shapes, [s.position + t.position for s, t in pairs])

    def elaborate(self, platform):
        m = Module()
        activation = self.product.activation.levels
        negative = self.weight.sign ^ self.x.sign if activation.signed else self.weight.sign
        pairs = [(i, j) for i in range(len(self.product.weight.levels.digits)) for j in range(len(activation.digits))]
        for row, (i, j) in enumerate(pairs):
            shift = self._shift("weight", i, self.product.weight.levels) + self._shift("x", j, activation)
            present = ~(self.weight[f"zero{i}"] | self.x[f"zero{j}"])
            self._drive(m, row, present << shift, negative)
        m.d.comb += self.negative0.eq(negative)
        return m

    def _shift(self, operand: str, i: int, levels):
        return getattr(self, operand)[f"shift{i}"] if levels.digits[i].shift_bits else Const(0, 1)


class ShiftLane(Lane):
    """A two's complement weight, shifted by an activation on {1}: one row a digit of the activation, no multiplier.

    ``x`` holds the one-hot form of the activation (`asm_hw.numbers.decoded_weights.one_hot_fields`).
    """

    def __init__(self, product: ProductFormat, weight, x):
        assert product.activation.levels is not None
        digits = product.activation.levels.digits
        if not product.activation.signed:
            self.constant_negatives = (0,)
        shapes = [signed(product.weight.bits + digit.bits - 1) for digit in digits]
        places = [digit.position for digit in digits]
        super().__init__(product, weight, x, shapes, places)

    def elaborate(self, platform):
        m = Module()
        negative = Const(0, 1) if self.constant_negatives else self.x.sign
        for i, row in enumerate(self.rows):
            self._drive(m, i, one_hot_shift(self.weight, self.x[f"hot{i}"], row.bits.shape()), negative)
        if not self.constant_negatives:
            m.d.comb += self.negative0.eq(negative)
        return m


class ExactLane(Lane):
    """The baseline left to the synthesis tool: one row, a binary two's complement multiplication."""

    constant_negatives = (0,)

    def __init__(self, product: ProductFormat, weight, x):
        super().__init__(product, weight, x, [signed(product.bits)], [0])

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.row0.eq(self.weight * self.x)
        return m


class ArrayLane(Lane):
    """The baseline as an AND array: one row a weight bit, the row of the sign bit subtracted (Baugh-Wooley)."""

    constant_negatives = (0, 1)

    def __init__(self, product: ProductFormat, weight, x):
        shapes = [activation_shape(product.activation)] * product.weight.bits
        top = product.weight.bits - 1
        super().__init__(product, weight, x, shapes, list(range(top + 1)), [0] * top + [1])

    def elaborate(self, platform):
        m = Module()
        top = self.product.weight.bits - 1
        for i in range(top + 1):
            product = self.x & self.weight[i].replicate(len(self.x))
            m.d.comb += getattr(self, f"row{i}").eq(~product if i == top else product)
        return m


class BoothLane(Lane):
    """The baseline on radix-4 Booth digits that were recoded before the weight register: half the rows.

    ``weight`` holds ``one``, ``two`` and ``negative`` of each digit (`Recoder`).
    """

    def __init__(self, product: ProductFormat, weight, x):
        digits = range(booth_digits(product.weight.bits))
        # The top digit of an odd number of bits is -1, 0 or 1.
        shapes = [
            multiple_shape(activation_shape(product.activation), 2 if 2 * i + 1 < product.weight.bits else 1)
            for i in digits
        ]
        super().__init__(product, weight, x, shapes, [2 * i for i in digits], list(digits))

    def elaborate(self, platform):
        m = Module()
        for i in range(booth_digits(self.product.weight.bits)):
            hot = Cat(self.weight[f"one{i}"], self.weight[f"two{i}"])
            magnitude = one_hot_shift(self.x, hot, getattr(self, f"row{i}").shape())
            self._drive(m, i, magnitude, self.weight[f"negative{i}"])
            m.d.comb += self.negatives[i].eq(self.weight[f"negative{i}"])
        return m


class BareLane(Lane):
    """The lower bound in area of any MAC: plus or minus the activation, by the one bit of the weight."""

    def __init__(self, product: ProductFormat, weight, x):
        super().__init__(product, weight, x, [activation_shape(product.activation)], [0])

    def elaborate(self, platform):
        m = Module()
        self._drive(m, 0, self.x, self.weight)
        m.d.comb += self.negative0.eq(self.weight)
        return m


def one_hot_shift(value: Value, hot: Value, shape: Shape) -> Value:
    """``value << i`` for the bit i of ``hot`` that is set, 0 for none: an AND-OR, no barrel shifter."""
    result: Value = Const(0, shape.width)
    for i in range(len(hot)):
        shifted = value << i
        extended = Cat(shifted, shifted[-1].replicate(shape.width)) if shape.signed else shifted
        result |= extended[: shape.width] & hot[i].replicate(shape.width)
    return result
