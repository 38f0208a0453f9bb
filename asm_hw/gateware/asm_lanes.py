"""ASM lanes: a multiple selected and shifted, or a single bit where both operands are on {1}."""

from amaranth.hdl import Const, Module, Mux, Signal, unsigned

from asm_hw.formats.product_format import ProductFormat

from .lanes import Lane, one_hot_shift
from .shapes import activation_shape, multiple_shape


class AlphabetLane(Lane):
    """Select a multiple from the bank and shift it: one row a digit. This is where a weight "multiplies".

    On {1,3} the digit 6 is ``3 << 1``: the lane takes ``x3`` and shifts it by one. ``weight`` holds the decoded
    weight (fields, or shifts as one bit each, which `Datapath` makes of them), ``x`` the multiples of `Bank`.
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
        # One sign for all digits of a weight: what it adds to the rows is counted once for the lane.
        m.d.comb += self.negative0.eq(self.weight.sign)
        return m

    def _select(self, m: Module, i: int, digit):
        """The multiple that digit ``i`` names."""
        multiples = [self.x[f"x{a}"] for a in digit.multiples]
        if len(multiples) == 1:
            return multiples[0]  # on {1}, and for digits too narrow for another alphabet, nothing is selected
        selected = Signal(multiples[-1].shape(), name=f"selected{i}")
        with m.Switch(self.weight[f"alphabet{i}"]):
            for index, multiple in enumerate(multiples):
                # The last one is the default: codes that no weight has then cost no gate (docs/decisions/0004).
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
        self._activation = product.activation.levels
        pairs = [(s, t) for s in product.weight.levels.digits for t in self._activation.digits]
        shapes = [unsigned(s.bits + t.bits - 1) for s, t in pairs]
        super().__init__(product, weight, x, shapes, [s.position + t.position for s, t in pairs])

    def elaborate(self, platform):
        m = Module()
        activation = self._activation
        negative = self.weight.sign ^ self.x.sign if activation.signed else self.weight.sign
        pairs = [(i, j) for i in range(len(self.product.weight.levels.digits)) for j in range(len(activation.digits))]
        for row, (i, j) in enumerate(pairs):
            shift = self._shift("weight", i, self.product.weight.levels) + self._shift("x", j, activation)
            # 1 << (s + t): a decoder of the sum of both shifts, one small adder and no bank.
            present = ~(self.weight[f"zero{i}"] | self.x[f"zero{j}"])
            self._drive(m, row, present << shift, negative)
        m.d.comb += self.negative0.eq(negative)
        return m

    def _shift(self, operand: str, i: int, levels):
        return getattr(self, operand)[f"shift{i}"] if levels.digits[i].shift_bits else Const(0, 1)
