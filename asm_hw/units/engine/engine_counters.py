"""The counters of an engine: what a program has done since its start."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

COUNTER_BITS = 32
LOW_BITS = 8
"""Bits that are clocked in each cycle; those above only where these overflow."""
COUNTED = {
    "steps": "cycles in which lanes add",
    "idle": "cycles without a tile in work",
    "stream_waits": "cycles in which the front waits for streamed weights",
    "weight_rows": "rows of weight memory read",
    "streamed_rows": "rows of weights that arrived",
    "source_words": "words of activation memory read for windows",
    "skip_words": "words of activation memory read to join sums",
    "output_words": "words of activation memory written",
}
"""The counters and what they count, in the order of ports and registers."""
COUNTS = data.StructLayout(dict.fromkeys(COUNTED, COUNTER_BITS))


class Counters(wiring.Component):
    """Each counter adds its event of the cycle; all are cleared at the start.

    Members
    -------
    clear : In(1)
    steps, idle, stream_waits, weight_rows, streamed_rows : In(1)
    source_words, skip_words, output_words : In(4), how many in this cycle
    counts : Out(struct of `COUNTED`)
    """

    signal_parts = {r".*": "control"}

    def __init__(self):
        widths = {name: 4 if name.endswith("words") else 1 for name in COUNTED}
        super().__init__({"clear": In(1), **{name: In(width) for name, width in widths.items()}, "counts": Out(COUNTS)})

    def elaborate(self, platform):
        m = Module()
        for name in COUNTED:
            low = Signal(LOW_BITS, name=f"{name}_low", reset_less=True)
            high = Signal(COUNTER_BITS - LOW_BITS, name=f"{name}_high", reset_less=True)
            total = Signal(LOW_BITS + 1, name=f"{name}_total")
            m.d.comb += [total.eq(low + getattr(self, name)), self.counts[name].eq(Cat(low, high))]
            m.d.sync += low.eq(Mux(self.clear, 0, total))
            with m.If(self.clear | total[-1]):
                m.d.sync += high.eq(Mux(self.clear, 0, high + 1))
        return m


def ones(m: Module, bits: Value, name: str) -> Signal:
    """How many of a few bits are set."""
    total = Signal(range(len(bits) + 1), name=name)
    m.d.comb += total.eq(sum(bits[1:], bits[0]))
    return total
