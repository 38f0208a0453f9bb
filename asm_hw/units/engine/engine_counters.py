"""The counters of an engine: what a program has done since its start."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

COUNTER_BITS = 32
COUNTED = ("steps", "idle", "weight_rows", "source_words", "skip_words", "output_words")
"""Cycles in which lanes add, and in which no tile is in work; rows and words that were read or written."""


class Counters(wiring.Component):
    """Each counter adds its event of the cycle; all are cleared at the start.

    Members
    -------
    clear : In(1)
    steps, idle, weight_rows : In(1)
    source_words, skip_words, output_words : In(4), how many in this cycle
    counts : Out(struct of `COUNTED`)
    """

    signal_parts = {r".*": "control"}

    def __init__(self):
        widths = {name: 4 if name.endswith("words") else 1 for name in COUNTED}
        counts = data.StructLayout(dict.fromkeys(COUNTED, COUNTER_BITS))
        super().__init__({"clear": In(1), **{name: In(width) for name, width in widths.items()}, "counts": Out(counts)})

    def elaborate(self, platform):
        m = Module()
        for name in COUNTED:
            with m.If(self.clear):
                m.d.sync += self.counts[name].eq(0)
            with m.Else():
                m.d.sync += self.counts[name].eq(self.counts[name] + getattr(self, name))
        return m


def ones(m: Module, bits: Value, name: str) -> Signal:
    """How many of a few bits are set."""
    total = Signal(range(len(bits) + 1), name=name)
    m.d.comb += total.eq(sum(bits[1:], bits[0]))
    return total
