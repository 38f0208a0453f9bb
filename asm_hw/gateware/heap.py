"""The compressor heap: any number of weighted bits to one sum, with a single carry-propagate adder."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

SUM_DELAY, CARRY_DELAY = 2, 1
"""Exclusive-or stages from an input of a full adder to its outputs: what orders the reduction."""


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


class Heap:
    """Bits by column, summed modulo ``2**width``.

    `reduce` feeds full adders with the three bits of a column that arrive first (the three-greedy
    approach of Stelling, Martel, Oklobdzija and Ravi, IEEE Trans. Computers 47(3), 1998: as few
    adders as Dadda's scheme and never later), so that late bits cross few adders and glitch little.
    Constants cost no adder: they are folded into one and end in the carry-propagate adder.
    """

    def __init__(self, width: int):
        self._width = width
        self._columns: list[list[tuple[int, int, Value]]] = [[] for _ in range(width)]
        self._constant = 0
        self._order = count()

    def add(self, value: Value, position: int = 0, arrival: int = 0) -> None:
        """Add ``value << position``; ``arrival`` orders bits of equal column in `FullAdder` stages."""
        width = len(value)
        for i in range(width):
            if value.shape().signed and i == width - 1:  # -b == ~b - 1
                self._add_bit(~value[i], position + i, arrival)
                self.add_constant(-1 << position + i)
            else:
                self._add_bit(value[i], position + i, arrival)

    def subtract(self, value: Value, position: int = 0, arrival: int = 0) -> None:
        """Subtract the unsigned ``value << position``: ``-v == ~v - (2**n - 1)``."""
        self.add(Cat(~bit for bit in value), position, arrival)
        self.add_constant(-((1 << len(value)) - 1) << position)

    def add_constant(self, value: int) -> None:
        """Add an integer."""
        self._constant = (self._constant + value) % (1 << self._width)

    def _add_bit(self, bit: Value, column: int, arrival: int) -> None:
        if column < self._width:
            heappush(self._columns[column], (arrival, next(self._order), bit))

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
        if len(bits) < 2:
            heappush(bits, (0, next(self._order), Const(1, 1)))
            return
        (t0, _, a), (t1, _, b) = heappop(bits), heappop(bits)
        parity, carry = Signal(name=f"{name}_sum"), Signal(name=f"{name}_carry")
        m.d.comb += [parity.eq(~(a ^ b)), carry.eq(a | b)]
        heappush(bits, (max(t0, t1) + 1, next(self._order), parity))
        self._add_bit(carry, column + 1, max(t0, t1) + 1)

    def _compress(self, m: Module, bits: list, column: int, name: str) -> None:
        (_, _, a), (_, _, b), (time, _, c) = heappop(bits), heappop(bits), heappop(bits)
        adder = FullAdder()
        m.submodules[name] = adder
        m.d.comb += [adder.a.eq(a), adder.b.eq(b), adder.c.eq(c)]
        heappush(bits, (time + SUM_DELAY, next(self._order), adder.s))
        self._add_bit(adder.co, column + 1, time + CARRY_DELAY)


def popcount(m: Module, bits: list[Value], name: str) -> Value:
    """How many of ``bits`` are set, unsigned, by full adders."""
    if len(bits) == 1:
        return bits[0]
    heap = Heap(len(bits).bit_length())
    for bit in bits:
        heap.add(bit)
    left, right = heap.reduce(m, f"{name}_")
    total = Signal(len(left), name=f"{name}_count")
    m.d.comb += total.eq(left + right)
    return total
