"""The sum of the lanes' rows and the accumulator, in each structure of adders."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from asm_hw.formats.accumulator_format import AccumulatorFormat, AdderStyle
from asm_hw.numbers.integers import signed_bits

from .compressor_heap import Heap, popcount
from .lanes import Lane
from .part_names import SignalParts

ADDER_PARTS: SignalParts = {
    r"negatives\w*\..*": "sign",  # they count what the lanes have inverted
    r"acc\w*|following|_\d+_": "accumulator",  # an adder behind a heap has no name of its own
}
"""What this adds to a component, for its ``signal_parts``; compressors name their own."""


def add_tree(values: list[Value], carries: list[Value]) -> Value:
    """The exact sum of signed ``values`` and of single bits, which enter as carries, as a balanced tree."""
    waiting = iter(carries)
    while len(values) > 1:
        pairs = [_add_with_carry(a, b, next(waiting, None)) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(values) & ~1 :]
    return sum(waiting, values[0])


def _add_with_carry(a: Value, b: Value, carry: Value | None) -> Value:
    """``a + b + carry`` in one adder, one bit longer at its lower end."""
    if carry is None:
        return a + b
    return (Cat(Const(1, 1), a).as_signed() + Cat(carry, b).as_signed())[1:].as_signed()


def add_products(
    m: Module, adders: AdderStyle, lanes: list[Lane], width: int, name: str = "", others: Sequence[Value] = ()
) -> Value:
    """The sum of the lanes' products and of ``others``, signed, ``width`` bits; ``name`` tells sums apart."""
    if adders.has_heap:
        heap = products_heap(m, adders, lanes, width, name)
        for value in others:
            heap.add(value)
        left, right = heap.reduce(m, f"{name}heap")
        return (left + right)[:width].as_signed()
    return _sum(adders, lanes, list(others))[:width].as_signed()


def add_accumulator(
    m: Module,
    accumulator: AccumulatorFormat,
    adders: AdderStyle,
    products: list[Lane] | Value,
    enable: Value,
    clear: Value,
) -> Value:
    """Registers that take ``(clear ? 0 : acc) + products`` on an edge with ``enable``; their value.

    ``products``: the lanes, or the sum of theirs, signed.
    """
    if adders == AdderStyle.CARRY_SAVE:
        return _add_carry_save(m, accumulator, adders, products, enable, clear)
    acc = Signal(signed(accumulator.bits), name="accumulator")
    kept = Signal(signed(accumulator.bits))  # its name stands in the Verilog
    m.d.comb += kept.eq(Mux(clear, 0, acc))
    total = add_to(m, accumulator, adders, products, kept)
    with m.If(enable):
        m.d.sync += acc.eq(total)
    return acc


def add_to(
    m: Module,
    accumulator: AccumulatorFormat,
    adders: AdderStyle,
    products: list[Lane] | Value,
    kept: Value,
    arrival: int = 0,
) -> Value:
    """``kept`` (an accumulator, signed) plus the products, wrapped or saturated; combinational.

    ``arrival``: full adders' worth of delay of ``kept`` after the clock edge.
    """
    if isinstance(products, Value):
        total = kept + products
    elif adders.has_heap:
        width = _sum_width(accumulator, products)
        heap = products_heap(m, adders, products, width)
        heap.add(kept, arrival=arrival)
        left, right = heap.reduce(m)
        total = (left + right)[:width].as_signed()
    else:
        total = _sum(adders, products, [kept])
    return _overflow(m, accumulator, total)


def products_heap(m: Module, adders: AdderStyle, lanes: list[Lane], width: int, name: str = "") -> Heap:
    """All rows of the lanes; negative bits that mean the same in every lane are counted first."""
    heap = Heap(width, adders)
    for lane in lanes:
        for row in lane.rows:
            heap.add(row.bits, row.position, lane.arrival)
    style = adders if adders == AdderStyle.WALLACE else AdderStyle.HEAP
    for index, weight in enumerate(lanes[0].negative_weights):
        # -x is ~x + 1: instead of a 1 in each lane, count the lanes that subtract, and add the count once.
        bits = [lane.negatives[index] for lane in lanes]
        if isinstance(bits[0], Const):
            heap.add_constant(len(bits) * weight * bits[0].value)
        else:
            _add_multiple(heap, popcount(m, bits, f"negatives_{name}{index}", style), weight)
    return heap


def _add_multiple(heap: Heap, value: Value, multiple: int) -> None:
    """Add ``multiple * value`` by the non-adjacent form of the constant: fewest signed digits."""
    position = 0
    while multiple:
        if multiple & 1:
            digit = 2 - (multiple & 3)
            multiple -= digit
            (heap.add if digit > 0 else heap.subtract)(value, position)
        multiple >>= 1
        position += 1


def _sum(adders: AdderStyle, lanes: list[Lane], start: list[Value]) -> Value:
    """The products and ``start`` by the ``+`` operator: a balanced tree, or in the order of the lanes."""
    rows = [row for lane in lanes for row in lane.rows]
    addends = [row.addend for row in rows] + start
    carries = [row.negative for row in rows if not isinstance(row.negative, Const)]
    if adders == AdderStyle.TREE:
        return add_tree(addends, carries)
    return sum(addends[1:] + carries, addends[0])


def _add_carry_save(
    m: Module,
    accumulator: AccumulatorFormat,
    adders: AdderStyle,
    products: list[Lane] | Value,
    enable: Value,
    clear: Value,
) -> Value:
    """The accumulator as two rows that are added on the way out: no carry chain from edge to edge."""
    width = accumulator.bits
    # No saturation here: whether the sum overflows is known only after the final addition.
    rows = [Signal(width, name="acc_sum"), Signal(width, name="acc_carry")]
    name, heap = "heap", Heap(width, adders)
    if isinstance(products, Value):
        name = "acc_heap"
        heap.add(products)
    else:
        heap = products_heap(m, adders, products, width)
    for row in rows:
        kept = Signal(width, name=f"kept_{row.name}")
        m.d.comb += kept.eq(Mux(clear, 0, row))
        heap.add(kept)
    with m.If(enable):
        m.d.sync += [row.eq(total) for row, total in zip(rows, heap.reduce(m, name), strict=True)]
    return (rows[0] + rows[1])[:width].as_signed()


def _sum_width(accumulator: AccumulatorFormat, lanes: list[Lane]) -> int:
    """Bits in which the accumulator plus the products of one edge is right: all, where it may saturate."""
    if accumulator.overflow == "wrap":
        return accumulator.bits
    low, high = (sum(lane.terms for lane in lanes) * product for product in lanes[0].product.range)
    least, most = accumulator.range
    return max(accumulator.bits, signed_bits(low + least, high + most))


def _overflow(m: Module, accumulator: AccumulatorFormat, total: Value) -> Value:
    """``total`` brought into the accumulator's bits: wrapped, or saturated where asked."""
    result = Signal(signed(accumulator.bits), name="following")  # what the register takes next
    if accumulator.overflow == "wrap" or len(total) <= accumulator.bits:
        m.d.comb += result.eq(total)
        return result
    least, most = accumulator.range
    m.d.comb += result.eq(Mux(total < least, least, Mux(total > most, most, total)))
    return result
