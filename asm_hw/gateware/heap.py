"""The compressor heap: any number of weighted bits to one sum, with a single carry-propagate adder."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

class FullAdder(wiring.Component):
    """``a + b + c == s + 2 * co``; combinational. A module of its own: libraries have a cell for it."""

    def __init__(self):
        super().__init__({"a": In(1), "b": In(1), "c": In(1), "s": Out(1), "co": Out(1)})

    def elaborate(self, platform):
        m = Module()
        half = Signal()
        m.d.comb += [
            half.eq(self.a ^ self.b),
            self.s.eq(half ^ self.c),
            self.co.eq((self.a & self.b) | (half & self.c)),
        ]
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

    def __init__(self, width: int):
        self._width = width
        self._operands: list[Operand] = []
        self._constant = 0

    def add(self, value: Value, position: int = 0, arrival: int = 0) -> None:
        """Add ``value << position``."""
        self._operands.append(Operand(value, position, arrival))

    def subtract(self, value: Value, position: int = 0, arrival: int = 0) -> None:
<<<<<<< HEAD
        """Subtract the unsigned ``value << position``."""
        self._operands.append(Operand(value, position, arrival, negate=True))
=======
        """Subtract the unsigned ``value << position``: ``-v == ~v - (2**n - 1)``."""
        self.add(Cat(~bit for bit in value), position, arrival)
        self.add_constant(-((1 << len(value)) - 1) << position)
>>>>>>> main

    def add_constant(self, value: int) -> None:
        """Add an integer; constants cost next to no adders."""
        self._constant += value

    def reduce(self, m: Module, name: str = "heap") -> tuple[Value, Value]:
        """Two rows of ``width`` bits whose sum is the heap's, by a submodule ``name``."""
        compressor = Compressor(self._width, self._operands, self._constant)
        m.submodules[name] = compressor
        m.d.comb += [
            getattr(compressor, f"operand{i}").eq(operand.value) for i, operand in enumerate(self._operands)
        ]
        return compressor.left, compressor.right


class Compressor(wiring.Component):
    """Operands and a constant to two rows with the same sum, by full adders alone; combinational.

    A full adder takes the three bits of a column that arrive first (the three-greedy approach of
    Stelling, Martel, Oklobdzija and Ravi, IEEE Trans. Computers 47(3), 1998: as many adders as
    Dadda's scheme or fewer, and never later), so that late bits cross few adders and glitch little.

    Members
    -------
    operand<i> : In, as given
    left, right : Out(``width``)
    """

    def __init__(self, width: int, operands: list[Operand], constant: int):
        self._width = width
        self._operands = operands
        self._constant = constant
        self._columns: list[list[tuple[int, int, Value]]] = [[] for _ in range(width)]
        self._order = count()
        members = {f"operand{i}": In(operand.value.shape()) for i, operand in enumerate(operands)}
        super().__init__(members | {"left": Out(width), "right": Out(width)})

    def elaborate(self, platform):
        m = Module()
        for i, operand in enumerate(self._operands):
            self._spread(getattr(self, f"operand{i}"), operand)
        constant = self._constant % (1 << self._width)
        extension: Value | None = None
        for column, bits in enumerate(self._columns):
            if extension is None and constant >> column == (1 << self._width - column) - 1 and self._settled(column):
                # A run of ones up to the top is -1 here: with one more bit that is the bit inverted, extended.
                extension = ~heappop(bits)[2] if len(bits) == 2 else Const(1, 1)
            elif extension is None and constant >> column & 1:
                self._add_one(m, bits, column)
            while len(bits) > 2:
                self._compress(m, bits, column)
            kept = [bit for _, _, bit in sorted(bits)] + [extension] * (extension is not None)
            left, right = (kept + [Const(0, 1)] * 2)[:2]
            m.d.comb += [self.left[column].eq(left), self.right[column].eq(right)]
        return m

    def _spread(self, value: Value, operand: Operand) -> None:
        """The operand's bits into the columns; negative ones as ``-b == ~b - 1``."""
        for i in range(len(value)):
            negative = operand.negate != (value.shape().signed and i == len(value) - 1)
            self._add_bit(~value[i] if negative else value[i], operand.position + i, operand.arrival)
            if negative:
                self._constant -= 1 << operand.position + i

    def _add_bit(self, bit: Value, column: int, arrival: int) -> None:
        if column < self._width:
            heappush(self._columns[column], (arrival, next(self._order), bit))

<<<<<<< HEAD
    def _settled(self, column: int) -> bool:
        """Whether two rows hold this column and leave one free above it."""
        return len(self._columns[column]) <= 2 and all(len(bits) <= 1 for bits in self._columns[column + 1 :])

    def _add_one(self, m: Module, bits: list, column: int) -> None:
        """Add the constant 1: with two bits an exclusive nor and an or."""
=======
    def reduce(self, m: Module, name: str = "") -> tuple[Value, Value]:
        """Two rows of ``width`` bits whose sum, modulo ``2**width``, is the heap's."""
        rows: tuple[list[Value], list[Value]] = ([], [])
        adders = count()
        for column, bits in enumerate(self._columns):
            heapify(bits)
            if self._constant >> column & 1:
                self._add_one(m, bits, column, f"{name}one_{column}")
            while len(bits) > 2:
                self._compress(m, bits, column, f"{name}full_adder_{next(adders)}")
            kept = [bit for _, _, bit in sorted(bits)]
            for row, bit in zip(rows, kept + [Const(0, 1)] * 2, strict=False):
                row.append(bit)
        return Cat(*rows[0]), Cat(*rows[1])

    def _add_one(self, m: Module, bits: list, column: int, name: str) -> None:
        """Add the constant 1: two bits and it are an exclusive nor and an or; alone it joins the last adder."""
>>>>>>> main
        if len(bits) < 2:
            self._add_bit(Const(1, 1), column, 0)
            return
        (t0, _, a), (t1, _, b) = heappop(bits), heappop(bits)
<<<<<<< HEAD
        one_more = Signal(2, name=f"one_more_{column}")
        m.d.comb += one_more.eq(Cat(~(a ^ b), a | b))
        for i in range(2):
            self._add_bit(one_more[i], column + i, max(t0, t1) + 1)
=======
        parity, carry = Signal(name=f"{name}_sum"), Signal(name=f"{name}_carry")
        m.d.comb += [parity.eq(~(a ^ b)), carry.eq(a | b)]
        heappush(bits, (max(t0, t1) + 1, next(self._order), parity))
        self._add_bit(carry, column + 1, max(t0, t1) + 1)
>>>>>>> main

    def _compress(self, m: Module, bits: list, column: int) -> None:
        (_, _, a), (_, _, b), (arrival, number, c) = heappop(bits), heappop(bits), heappop(bits)
        m.submodules[f"full_adder_{column}_{number}"] = adder = FullAdder()
        outputs = Signal(2, name=f"sum_{column}_{number}")
        m.d.comb += [adder.a.eq(a), adder.b.eq(b), adder.c.eq(c), outputs.eq(Cat(adder.s, adder.co))]
        self._add_bit(outputs[0], column, arrival + 1)
        self._add_bit(outputs[1], column + 1, arrival + 1)


def popcount(m: Module, bits: list[Value], name: str) -> Value:
    """How many of ``bits`` are set, unsigned, by full adders."""
<<<<<<< HEAD
    width = len(bits).bit_length()
    heap = Heap(width)
    for bit in bits:
        heap.add(bit)
    left, right = heap.reduce(m, name)
    total = Signal(width, name=f"{name}_total")
=======
    if len(bits) == 1:
        return bits[0]
    heap = Heap(len(bits).bit_length())
    for bit in bits:
        heap.add(bit)
    left, right = heap.reduce(m, f"{name}_")
    total = Signal(len(left), name=f"{name}_count")
>>>>>>> main
    m.d.comb += total.eq(left + right)
    return total
