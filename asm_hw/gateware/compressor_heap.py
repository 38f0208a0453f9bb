"""The compressor heap: any number of weighted bits to one sum, with a single carry-propagate adder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_, xor

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.formats.accumulator_format import AdderStyle

from .compressor_plan import ADDER_TIME, ONE, Adder, Bit, plan
from .repeated_modules import Emission


class FullAdder(wiring.Component):
    """``a + b + c == s + 2 * co``; combinational. A module of its own: libraries have a cell for it."""

    name = "full_adder"

    def __init__(self):
        super().__init__({"a": In(1), "b": In(1), "c": In(1), "s": Out(1), "co": Out(1)})

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance(self.name, self, None, clocked=False)
        m = Module()
        half = Signal()
        m.d.comb += [
            half.eq(self.a ^ self.b),
            self.s.eq(half ^ self.c),
            self.co.eq((self.a & self.b) | (half & self.c)),
        ]
        return m


class HalfAdder(wiring.Component):
    """``a + b == s + 2 * co``; combinational."""

    name = "half_adder"

    def __init__(self):
        super().__init__({"a": In(1), "b": In(1), "s": Out(1), "co": Out(1)})

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance(self.name, self, None, clocked=False)
        m = Module()
        m.d.comb += [self.s.eq(self.a ^ self.b), self.co.eq(self.a & self.b)]
        return m


@dataclass(frozen=True)
class Operand:
    """``+-(value << position)``; ``arrival`` orders bits, in full adders after the clock edge."""

    value: Value
    position: int
    arrival: int
    negate: bool = False


class Heap:
    """Collects operands and constants for a `Compressor`; all arithmetic is modulo ``2**width``."""

    def __init__(self, width: int, style: AdderStyle = AdderStyle.HEAP):
        self._width = width
        self._style = style
        self._operands: list[Operand] = []
        self._constant = 0

    def add(self, value: Value, position: int = 0, arrival: int = 0) -> None:
        """Add ``value << position``."""
        self._operands.append(Operand(self._fitted(value, position), position, arrival))

    def subtract(self, value: Value, position: int = 0, arrival: int = 0) -> None:
        """Subtract the unsigned ``value << position``."""
        self._operands.append(Operand(self._fitted(value, position), position, arrival, negate=True))

    def _fitted(self, value: Value, position: int) -> Value:
        """``value`` without the bits past the width."""
        kept = max(0, self._width - position)
        return value[:kept] if len(value) > kept else value

    def add_constant(self, value: int) -> None:
        """Add an integer; constants cost next to no adders."""
        self._constant += value

    def reduce(self, m: Module, name: str = "heap") -> tuple[Value, Value]:
        """Two rows of ``width`` bits whose sum is the heap's, by a submodule ``name``."""
        compressor = Compressor(self._width, self._operands, self._constant, self._style)
        m.submodules[name] = compressor
        m.d.comb += [getattr(compressor, f"operand{i}").eq(operand.value) for i, operand in enumerate(self._operands)]
        return compressor.left, compressor.right


class Compressor(wiring.Component):
    """Operands and a constant to two rows with the same sum, modulo ``2**width``; combinational.

    Members
    -------
    operand<i> : In, as given
    left, right : Out(``width``)
    """

    signal_parts = {r"operand.*": None, r".*": "heap"}

    def __init__(self, width: int, operands: list[Operand], constant: int, style: AdderStyle):
        self._width = width
        self._style = style
        self._operands = operands
        self._constant = constant
        members = {f"operand{i}": In(operand.value.shape()) for i, operand in enumerate(operands)}
        super().__init__(members | {"left": Out(width), "right": Out(width)})

    def elaborate(self, platform):
        m = Module()
        values: dict[int, Value] = {ONE: Const(1, 1)}
        columns, constant = self._spread(values)
        columns, adders, top = self._plan(columns, constant, len(values))
        for adder in adders:
            values |= self._add(m, adder, [values[bit] for bit in adder.inputs])
        extension: Value = Const(1, 1)
        for column, bits in enumerate(columns):
            row = [values[bit] for _, bit in sorted(bits)]
            if column == top and len(row) == 2:  # with one more bit a run of ones is the bit inverted, extended
                extension = ~row.pop()
            row += [extension] * (column >= top) + [Const(0, 1)] * 2
            m.d.comb += [self.left[column].eq(row[0]), self.right[column].eq(row[1])]
        return m

    def _spread(self, values: dict[int, Value]) -> tuple[list[list[Bit]], int]:
        """Bits by column, negative ones inverted as ``-b == ~b - 1``, and the constant that is then to add."""
        columns: list[list[Bit]] = [[] for _ in range(self._width)]
        constant = self._constant
        for i, operand in enumerate(self._operands):
            value = getattr(self, f"operand{i}")
            for column, bit in enumerate(value, operand.position):
                negative = operand.negate != (value.shape().signed and column == operand.position + len(value) - 1)
                constant -= negative << column
                if column < self._width:  # bits past the width are lost anyway
                    columns[column].append((operand.arrival * ADDER_TIME, len(values) - 1))
                    values[len(values) - 1] = ~bit if negative else bit
        return columns, constant % (1 << self._width)

    def _plan(self, columns: list[list[Bit]], constant: int, number: int) -> tuple[list[list[Bit]], list[Adder], int]:
        """Reduced columns, adders, and the column from which the ones at the top of the constant are left out.

        Those ones are -1 at their lowest column. They move up to the first column that leaves a row free
        above it, so that they cost no adder.
        """
        # Columns from the top of the constant down that hold ones without a gap.
        first = (~constant & (1 << self._width) - 1).bit_length()
        for top in range(first, self._width + 1):
            low = (constant + (1 << top)) % (1 << self._width) if top < self._width else constant
            trial = [bits + [(-1, ONE)] * (low >> column & 1) for column, bits in enumerate(columns)]
            adders = plan(trial, number, self._style)
            # Above ``top`` one row must be free for the ones that are left out here.
            if all(len(bits) <= 1 for bits in trial[top + 1 :]):
                break
        return trial, adders, top

    def _add(self, m: Module, adder: Adder, inputs: list[Value]) -> dict[int, Value]:
        """The results of an adder by number; with the constant 1 it is simpler than a cell."""
        total = Signal(name=f"sum_{adder.column}_{adder.total}")
        carry = Signal(name=f"carry_{adder.column}_{adder.total}")
        if adder.column == self._width - 1:  # its carry would be lost
            m.d.comb += total.eq(reduce(xor, inputs))
        elif ONE in adder.inputs:
            others = [value for bit, value in zip(adder.inputs, inputs, strict=True) if bit != ONE]
            m.d.comb += [total.eq(~reduce(xor, others)), carry.eq(reduce(or_, others))]
        else:
            kind = FullAdder if len(inputs) == 3 else HalfAdder
            m.submodules[f"{kind.name}_{adder.column}_{adder.total}"] = cell = kind()
            m.d.comb += [getattr(cell, port).eq(value) for port, value in zip("abc", inputs, strict=False)]
            m.d.comb += [total.eq(cell.s), carry.eq(cell.co)]
        return {adder.total: total, adder.carry: carry}


def popcount(m: Module, bits: list[Value], name: str, style: AdderStyle = AdderStyle.HEAP) -> Value:
    """How many of ``bits`` are set, unsigned, by full adders."""
    width = len(bits).bit_length()
    heap = Heap(width, style)
    for bit in bits:
        heap.add(bit)
    left, right = heap.reduce(m, name)
    total = Signal(width, name=f"{name}_total")
    m.d.comb += total.eq(left + right)
    return total
