"""The precomputer bank: the odd multiples of one activation, shared by every lane that takes it."""

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.numbers.alphabets import AlphabetSet

from .shapes import multiple_shape


class Bank(wiring.Component):
    """All alphabets times ``x``, one adder each (`AlphabetSet.bank_steps`); combinational.

    {1} needs no adder, {1,3} one (``3x = x + 2x``), {1,3,5,7} three. All lanes that take this activation share it,
    in every column: the wider the array, the less an alphabet costs.

    Members
    -------
    x : In(``shape``)
    x<a> : Out, for each alphabet a, as wide as a * x needs (a port each: slices of one vector that
        depend on each other look like a loop to simulators)
    """

    signal_parts = {r".*": "bank"}

    def __init__(self, alphabets: AlphabetSet, shape: Shape):
        self._alphabets = alphabets
        self._shape = shape
        super().__init__({"x": In(shape)} | {f"x{a}": Out(multiple_shape(shape, a)) for a in alphabets})

    @property
    def layout(self) -> data.StructLayout:
        """The multiples side by side, as the lanes take them."""
        return data.StructLayout({f"x{a}": multiple_shape(self._shape, a) for a in self._alphabets})

    def elaborate(self, platform):
        m = Module()
        known = {1: self.x}
        for step in self._alphabets.bank_steps:
            left = known[step.left].shift_left(step.left_shift)
            right = known[step.right].shift_left(step.right_shift)
            # A signal with a name: the bank shows in waveforms, and in what its energy is charged to.
            multiple = Signal(multiple_shape(self._shape, step.multiple), name=f"times_{step.multiple}")
            m.d.comb += multiple.eq(left - right if step.subtract else left + right)
            known[step.multiple] = multiple
        for alphabet in self._alphabets:
            m.d.comb += getattr(self, f"x{alphabet}").eq(known[alphabet])
        return m
