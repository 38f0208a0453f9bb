"""Weights that arrive while a program runs: the weight memory as a ring, its places freed pass by pass."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.numbers.integers import ceil_log2

from .engine_config import EngineConfig
from .program_header import STREAM


class WeightStream(wiring.Component):
    """Counts the rows that have arrived against those that the front reads.

    Row number n lies at n modulo ``weight_rows``, a power of two where a program streams. Numbers of rows have one bit
    more than their addresses, so that a full ring differs from an empty one. The rows of a pass stay until its last
    block of pixels.

    Members
    -------
    start : In(1), a program begins on this edge
    rows : In(``STREAM["rows"]``), how many rows it streams; 0: all were written before
    arrives : In(1), a row is written on this edge
    row, first_row : In, the numbers of the front's next row and of the first one of its pass
    brings : In(1), the front's tile brings parameters, rows of their own
    changes : In(1), the front goes to another tile on this edge
    opens : Out(1), the next row has its place
    there : Out(1), all rows of the tile have arrived; a cycle late, and of a resident program always
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        number = ceil_log2(config.weight_rows) + 1
        self._config = config
        super().__init__(
            {name: In(1) for name in ("start", "arrives", "brings", "changes")}
            | {
                "rows": In(STREAM["rows"]),
                "row": In(number),
                "first_row": In(number),
                "opens": Out(1),
                "there": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        streams, left, written = Signal(), Signal.like(self.rows, reset_less=True), Signal.like(self.row)
        more, available = Signal(), Signal.like(self.row)  # rows are left
        m.d.comb += [
            self.opens.eq(more & ((written ^ self.first_row) != 1 << len(written) - 1)),
            available.eq(written - self.row),
        ]
        tile = self._config.columns
        short = Mux(self.brings, available < tile + self._config.records.parameter_rows, available < tile)
        m.d.sync += self.there.eq(~streams | ~(short | self.changes))
        with m.If(self.arrives):
            m.d.sync += [written.eq(written + 1), left.eq(left - 1), more.eq(left != 1)]
        with m.If(self.start):
            m.d.sync += [streams.eq(self.rows.any()), more.eq(self.rows.any()), left.eq(self.rows), written.eq(0)]
        return m
