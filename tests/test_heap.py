"""The compressor heap against plain sums."""

from __future__ import annotations

import random

import pytest
from amaranth.hdl import Module, Shape, Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw.formats.accumulator_format import AdderStyle
from asm_hw.gateware.compressor_heap import Heap, popcount
from asm_hw.gateware.compressor_plan import ADDER_TIME, plan

HEAPS = [style for style in AdderStyle if style.has_heap]
TERMS = st.lists(
    st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 5), st.integers(0, 9), st.booleans()), max_size=7
)  # width, signed, position, arrival, subtracted


@settings(deadline=None, max_examples=60)
@given(
    style=st.sampled_from(HEAPS),
    terms=TERMS,
    constants=st.lists(st.integers(-300, 300), max_size=2),
    width=st.integers(1, 10),
)
def test_rows_add_up_to_the_sum_of_the_terms(style, terms, constants, width):
    heap, m, total = Heap(width, style), Module(), Signal(width)
    inputs = []
    for index, (bits, signed, position, arrival, subtracted) in enumerate(terms):
        value = Signal(Shape(bits, signed and not subtracted), name=f"term_{index}")
        inputs.append((value, -1 if subtracted else 1, position))
        (heap.subtract if subtracted else heap.add)(value, position, arrival)
    for constant in constants:
        heap.add_constant(constant)
    left, right = heap.reduce(m)
    m.d.comb += total.eq(left + right)

    async def bench(ctx):
        rng = random.Random(0)
        for _ in range(8):
            expected = sum(constants)
            for value, sign, position in inputs:
                low = -(1 << len(value) - 1) if value.shape().signed else 0
                number = rng.randint(low, low + (1 << len(value)) - 1)
                ctx.set(value, number)
                expected += sign * number << position
            assert ctx.get(total) == expected % (1 << width)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16])
def test_popcount(count):
    m, bits, total = Module(), Signal(count), Signal(range(count + 1))
    m.d.comb += total.eq(popcount(m, list(bits), "ones"))

    async def bench(ctx):
        for value in {0, 1, (1 << count) - 1, 0b1011 % (1 << count), 1 << count - 1}:
            ctx.set(bits, value)
            assert ctx.get(total) == value.bit_count()

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("style", HEAPS)
@pytest.mark.parametrize("place", range(8))
def test_the_bit_that_arrives_last_crosses_no_adder(place, style):
    """Two of eight bits are left: the late one is among them, wherever it was named."""
    columns = [[(9 * ADDER_TIME if bit == place else 0, bit) for bit in range(8)]]
    adders = plan(columns, 8, style)
    assert len(columns[0]) <= 2
    assert place in [bit for _, bit in columns[0]]
    assert all(place not in adder.inputs for adder in adders)
