"""Lanes of the baselines: exact multipliers in every form, and the bare accumulator."""

from amaranth.hdl import Const, Module, Shape, Value, signed

from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.weight_digits import MULTIPLES

from .lanes import Lane, extended, one_hot_shift
from .shapes import activation_shape, multiple_shape


class ShiftLane(Lane):
    """A two's complement weight, shifted by an activation on {1}: one row a digit of the activation, no multiplier.

    ``x`` holds the one-hot form of the activation (`asm_hw.numbers.decoded_weights.one_hot_fields`).
    """

    def __init__(self, product: ProductFormat, weight, x):
        assert product.activation.levels is not None
        digits = product.activation.levels.digits
        # The weight's sign is in its own bits: without a sign of the activation nothing is inverted.
        constants = {} if product.activation.signed else {0: 0}
        shapes = [signed(product.weight.bits + digit.bits - 1) for digit in digits]
        places = [digit.position for digit in digits]
        super().__init__(product, weight, x, shapes, places, constants=constants)

    def elaborate(self, platform):
        m = Module()
        signed_x = self.product.activation.signed
        negative = self.x.sign if signed_x else Const(0, 1)
        for i, row in enumerate(self.rows):
            self._drive(m, i, one_hot_shift(self.weight, self.x[f"hot{i}"], row.bits.shape()), negative)
        if signed_x:
            m.d.comb += self.negative0.eq(negative)
        return m


class ExactLane(Lane):
    """The baseline left to the synthesis tool: one row, a binary two's complement multiplication."""

    def __init__(self, product: ProductFormat, weight, x):
        super().__init__(product, weight, x, [signed(product.bits)], [0], constants={0: 0})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.row0.eq(self.weight * self.x)  # the only `*` of the gateware, and never in an ASM unit
        return m


class ArrayLane(Lane):
    """The baseline as an AND array: one row a weight bit, the row of the sign bit subtracted (Baugh-Wooley)."""

    def __init__(self, product: ProductFormat, weight, x, shape: Shape | None = None):
        shapes = [shape or activation_shape(product.activation)] * product.weight.bits
        top = product.weight.bits - 1
        super().__init__(product, weight, x, shapes, list(range(top + 1)), [0] * top + [1], {0: 0, 1: 1})

    def elaborate(self, platform):
        m = Module()
        top = self.product.weight.bits - 1
        # The sign bit of two's complement is worth -2**top: its row is subtracted, as ~row + 1.
        for i in range(top + 1):
            product = self._product(i)
            m.d.comb += getattr(self, f"row{i}").eq(~product if i == top else product)
        return m

    def _product(self, i: int) -> Value:
        return self.x & self.weight[i].replicate(len(self.x))


class PairLane(ArrayLane):
    """Two lanes whose activations are added once, for all columns: one row for a bit of both weights.

    ``weight`` is what `PairDecoder` makes of both weights, ``x`` the activations ``a`` and ``b`` and their ``sum``. A
    bit of both selects 0, a, b or the sum: half the rows of an AND array.
    """

    terms = 2

    def __init__(self, product: ProductFormat, weight, x):
        super().__init__(product, weight, x, multiple_shape(activation_shape(product.activation), 2))

    def _product(self, i: int) -> Value:
        shape, row = self.x["sum"].shape(), Const(0, 1)
        for name in ("a", "b", "sum"):
            row |= extended(self.x[name], shape) & self.weight[name][i].replicate(shape.width)
        return row


class DigitLane(Lane):
    """The baseline on digits that were recoded before the weight register: fewer rows than an AND array.

    ``weight`` holds a bit for each multiple of each digit, and its sign (`asm_hw.numbers.weight_digits`); ``x`` the
    activation, or its multiples where a digit takes three of it.
    """

    def __init__(self, product: ProductFormat, weight, x):
        digits = product.weight.digits
        shapes = [multiple_shape(activation_shape(product.activation), digit.multiples[-1]) for digit in digits]
        fixed = {i: int(digit.sign == "minus") for i, digit in enumerate(digits) if digit.sign != "either"}
        super().__init__(product, weight, x, shapes, [digit.position for digit in digits], range(len(digits)), fixed)

    def elaborate(self, platform):
        m = Module()
        for i, digit in enumerate(self.product.weight.digits):
            shape, magnitude = getattr(self, f"row{i}").shape(), Const(0, 1)
            for multiple in digit.multiples:
                hot = self.weight[f"{MULTIPLES[multiple]}{i}"]
                magnitude |= extended(self._multiple(multiple), shape) & hot.replicate(shape.width)
            self._drive(m, i, magnitude, self.weight[f"negative{i}"] if digit.sign == "either" else self.negatives[i])
            if digit.sign == "either":
                m.d.comb += self.negatives[i].eq(self.weight[f"negative{i}"])
        return m

    def _multiple(self, multiple: int) -> Value:
        odd, shift = multiple, 0
        while odd % 2 == 0:
            odd, shift = odd // 2, shift + 1
        return (self.x[f"x{odd}"] if self.product.has_bank else self.x).shift_left(shift)


class BareLane(Lane):
    """The lower bound in area of any MAC: plus or minus the activation, by the one bit of the weight."""

    def __init__(self, product: ProductFormat, weight, x):
        super().__init__(product, weight, x, [activation_shape(product.activation)], [0])

    def elaborate(self, platform):
        m = Module()
        self._drive(m, 0, self.x, self.weight)
        m.d.comb += self.negative0.eq(self.weight)
        return m
