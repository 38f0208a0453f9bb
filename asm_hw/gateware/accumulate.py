"""Adders that every accumulating unit shares."""

from amaranth.hdl import Module, Mux, Signal, Value, signed

from ..config import MacConfig


def add_tree(values: list[Value]) -> Value:
    """The exact sum of ``values`` as a balanced tree of adders."""
    while len(values) > 1:
        pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(values) & ~1 :]
    return values[0]


def add_overflow(m: Module, config: MacConfig, name: str, total: Value) -> Value:
    """``total`` brought into ``config.acc_width`` bits: wrapped, or saturated where asked."""
    result = Signal(signed(config.acc_width), name=name)
    if config.overflow == "wrap" or len(total) <= config.acc_width:
        m.d.comb += result.eq(total)
        return result
    top = 1 << config.acc_width - 1
    m.d.comb += result.eq(Mux(total < -top, -top, Mux(total > top - 1, top - 1, total)))
    return result
