"""Lanes of the baselines: exact multipliers in every form, and the bare accumulator."""

from amaranth.hdl import Cat, Const, Module, signed

from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.decoded_weights import booth_digits

from .lanes import Lane, one_hot_shift
from .shapes import activation_shape, multiple_shape


class ShiftLane(Lane):
    """A two's complement weight, shifted by an activation on {1}: one row a digit of the activation, no multiplier.

    ``x`` holds the one-hot form of the activation (`asm_hw.numbers.decoded_weights.one_hot_fields`).
    """

    def __init__(self, product: ProductFormat, weight, x):
        assert product.activation.levels is not None
        digits = product.activation.levels.digits
        if not product.activation.signed:  # the weight's sign is in its own bits: nothing is inverted
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
        m.d.comb += self.row0.eq(self.weight * self.x)  # the only `*` of the gateware, and never in an ASM unit
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
        # The sign bit of two's complement is worth -2**top: its row is subtracted, as ~row + 1.
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
            # A digit is -2, -1, 0, 1 or 2: the activation or its double, gated and perhaps inverted.
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
