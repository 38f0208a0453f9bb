"""The sum of the lanes' rows and the accumulator, in each structure of adders."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from ..config import MacConfig, MultiplierConfig, signed_bits
from .heap import Heap, popcount
from .lane import Lane


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


def add_products(m: Module, config: MultiplierConfig, lanes: list[Lane], width: int) -> Value:
    """The sum of the lanes' products, signed, ``width`` bits."""
    if config.has_heap:
        left, right = products_heap(m, config, lanes, width).reduce(m)
        return (left + right)[:width].as_signed()
    return _sum(config, lanes, [])[:width].as_signed()


def add_accumulator(m: Module, config: MacConfig, lanes: list[Lane], enable: Value, clear: Value) -> Value:
    """Registers that take ``(clear ? 0 : acc) + products`` on an edge with ``enable``; their value."""
    width = config.acc_width
    if config.structure == "carry_save":
        return _add_carry_save(m, config, lanes, enable, clear)
    acc = Signal(signed(width), name="accumulator")
    kept = Signal(signed(width))
    m.d.comb += kept.eq(Mux(clear, 0, acc))
    following = add_to(m, config, lanes, kept)
    with m.If(enable):
        m.d.sync += acc.eq(following)
    return acc


def add_to(m: Module, config: MacConfig, lanes: list[Lane], kept: Value, arrival: int = 0) -> Value:
    """``kept`` (an accumulator, signed) plus the products, wrapped or saturated; combinational.

    ``arrival``: full adders' worth of delay of ``kept`` after the clock edge.
    """
    if config.has_heap:
        heap = products_heap(m, config, lanes, _sum_width(config))
        heap.add(kept, arrival=arrival)
        left, right = heap.reduce(m)
        total = (left + right)[: _sum_width(config)].as_signed()
    else:
        total = _sum(config, lanes, [kept])
    return _overflow(m, config, total)


def products_heap(m: Module, config: MultiplierConfig, lanes: list[Lane], width: int) -> Heap:
    """All rows of the lanes; negative bits that mean the same in every lane are counted first."""
    heap = Heap(width, config.structure == "greedy")
    for lane in lanes:
        for row in lane.rows:
            heap.add(row.bits, row.position, lane.arrival)
    for index, weight in enumerate(lanes[0].negative_weights):
        bits = [lane.negatives[index] for lane in lanes]
        if isinstance(bits[0], Const):
            heap.add_constant(len(bits) * weight * bits[0].value)
        else:
            _add_multiple(heap, popcount(m, bits, f"negatives_{index}"), weight)
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


def _sum(config: MultiplierConfig, lanes: list[Lane], start: list[Value]) -> Value:
    """The products and ``start`` by the ``+`` operator: a balanced tree, or in the order of the lanes."""
    rows = [row for lane in lanes for row in lane.rows]
    addends = [row.addend for row in rows] + start
    carries = [row.negative for row in rows if not isinstance(row.negative, Const)]
    if config.structure == "tree":
        return add_tree(addends, carries)
    return sum(addends[1:] + carries, addends[0])


def _add_carry_save(m: Module, config: MacConfig, lanes: list[Lane], enable: Value, clear: Value) -> Value:
    """The accumulator as two rows that are added on the way out: no carry chain from edge to edge."""
    width = config.acc_width
    rows = [Signal(width, name="acc_sum"), Signal(width, name="acc_carry")]
    heap = products_heap(m, config, lanes, width)
    for row in rows:
        kept = Signal(width, name=f"kept_{row.name}")
        m.d.comb += kept.eq(Mux(clear, 0, row))
        heap.add(kept)
    with m.If(enable):
        m.d.sync += [row.eq(following) for row, following in zip(rows, heap.reduce(m), strict=True)]
    return (rows[0] + rows[1])[:width].as_signed()


def _sum_width(config: MacConfig) -> int:
    """Bits in which the accumulator plus the products of one edge is right: all, where it may saturate."""
    if config.overflow == "wrap":
        return config.acc_width
    top = 1 << config.acc_width - 1
    low, high = (getattr(config, "lanes", 1) * product for product in config.product_range)
    return max(config.acc_width, signed_bits(low - top, high + top - 1))


def _overflow(m: Module, config: MacConfig, total: Value) -> Value:
    """``total`` brought into ``config.acc_width`` bits: wrapped, or saturated where asked."""
    result = Signal(signed(config.acc_width), name="following")
    if config.overflow == "wrap" or len(total) <= config.acc_width:
        m.d.comb += result.eq(total)
        return result
    top = 1 << config.acc_width - 1
    m.d.comb += result.eq(Mux(total < -top, -top, Mux(total > top - 1, top - 1, total)))
    return result
