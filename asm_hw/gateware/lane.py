"""Lanes: one weight times one activation, ready to be added.

Every lane gives ``addend`` and ``carry`` with ``addend + carry == weight * x``, so that the two's
complement of a negative product costs a carry-in of the adder that follows instead of an adder.
"""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import MultiplierConfig


class Lane(wiring.Component):
    """What the lanes have in common; combinational.

    Members
    -------
    weight : In(``weight_shape``), decoded
    x : In(``x_shape``): the activation, or its multiples
    addend : Out(signed(``config.p_bits``))
    carry : Out(1)
    """

    def __init__(self, config: MultiplierConfig, weight_shape, x_shape):
        self._config = config
        super().__init__(
            {"weight": In(weight_shape), "x": In(x_shape), "addend": Out(signed(config.p_bits)), "carry": Out(1)}
        )

    def _add_signed(self, m: Module, magnitude, negative):
        """Drive the outputs with ``-magnitude`` or ``magnitude``: the one's complement and a carry."""
        wide = Signal(signed(self._config.p_bits), name="unsigned_product")
        m.d.comb += [
            wide.eq(magnitude),
            self.addend.eq(wide ^ negative.replicate(self._config.p_bits)),
            self.carry.eq(negative),
        ]


class AlphabetLane(Lane):
    """Select a multiple from the bank, shift it, place it: once a digit; add the digits, apply the sign.

    ``weight`` holds the fields of the weight code, ``x`` the multiples of `Bank`.
    """

    def elaborate(self, platform):
        m = Module()
        terms = []
        for i, digit in enumerate(self._config.weight.digits):
            selected = self._select(m, i, digit)
            shifted = selected << self.weight[f"shift{i}"] if digit.shift_bits else selected
            term = Signal((shifted.shape() if not shifted.shape().signed else signed(len(shifted))), name=f"term{i}")
            m.d.comb += term.eq(Mux(self.weight[f"zero{i}"], 0, shifted))
            terms.append(term.shift_left(digit.position))
        self._add_signed(m, sum(terms[1:], terms[0]), self.weight.sign)
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


class OneHotLane(Lane):
    """Both operands on {1}: each pair of digits gives the single bit ``1 << (s + t)``, no multiplier.

    ``weight`` and ``x`` hold fields.
    """

    def elaborate(self, platform):
        m = Module()
        terms = []
        activation = self._config.activation
        for i, w_digit in enumerate(self._config.weight.digits):
            for j, x_digit in enumerate(activation.digits):
                shift = self._shift("weight", i, w_digit) + self._shift("x", j, x_digit)
                present = ~(self.weight[f"zero{i}"] | self.x[f"zero{j}"])
                term = Signal(w_digit.bits + x_digit.bits - 1, name=f"term{i}_{j}")
                m.d.comb += term.eq(present << shift)
                terms.append(term.shift_left(w_digit.position + x_digit.position))
        negative = self.weight.sign ^ self.x.sign if activation.signed else self.weight.sign
        self._add_signed(m, sum(terms[1:], terms[0]), negative)
        return m

    def _shift(self, operand: str, i: int, digit):
        return getattr(self, operand)[f"shift{i}"] if digit.shift_bits else Const(0, 1)


class ExactLane(Lane):
    """The baseline: a binary two's complement multiplication, left to the synthesis tool."""

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.addend.eq(self.weight * self.x)
        return m


class BareLane(Lane):
    """The lower bound of any MAC: plus or minus the activation, by the one bit of the weight."""

    def elaborate(self, platform):
        m = Module()
        self._add_signed(m, self.x, self.weight)
        return m
