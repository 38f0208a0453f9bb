"""The walk of an engine's windows over a source tensor: which words each step lacks, and where they lie."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of

from .engine_config import ROWS, SIDES, EngineConfig
from .engine_layouts import job_layout, request_layout, window_layout
from .engine_loops import add_mod3
from .engine_records import COORDINATE


class WindowWalk(wiring.Component):
    """A row of windows of three columns begins with two new ones at once, after a cycle for the first where that lies
    in the map; then each step brings one column or two, by the stride. A stride above two begins anew at every pixel.

    Members
    -------
    free, following : In, nothing is in work after this edge but ``following``, if that is taken
    job, layer : In, what is in work
    following_layer : In, the layer of ``following``
    goes : In(1), this cycle asks for words
    moves, row_ends : In(1), go to the next pixel on this edge; it is in the next row
    steps : Out(1), the cycle is a step, not one that only fills the window
    source : Out(`request_layout`)
    window : Out(`window_layout`)
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        job, controls = job_layout(config), ("free", "goes", "moves", "row_ends")
        super().__init__(
            {name: In(1) for name in controls}
            | {
                "following": In(job),
                "job": In(job),
                "layer": In(struct_of(config.records.layer)),
                "following_layer": In(struct_of(config.records.layer)),
                "steps": Out(1),
                "source": Out(request_layout(config)),
                "window": Out(window_layout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        job, layer = self.job, self.layer
        y, row, m3 = self._rows(m)
        # The next column that is asked for, and its address; a row of windows starts; its first column is there, or is
        # asked for now, since it lies in the map, as that of the block does.
        x, col = (Signal.like(job[name], name=name, reset_less=True) for name in ("x", "col"))
        starts, filled = Signal(), Signal()
        fills, block_fills = Signal(), Signal()
        first, skips, jumps = (Signal(name=name) for name in ("first", "skips", "jumps"))
        inside = [self._inside(m, f"column_{ahead}", x + ahead, layer.width) for ahead in range(SIDES + 1)]
        m.d.comb += [
            jumps.eq(layer.stride_x[2:].any() | (layer.stride_x == 3)),
            first.eq(layer.window & starts & ~fills),
            skips.eq(first & ~filled),  # the first column is padding
            self.steps.eq(~fills),
        ]
        at, at_col, further_col = Signal(signed(COORDINATE)), Signal.like(col), Signal.like(col)
        m.d.comb += further_col.eq(col + Mux(x[0], layer.col, 0))  # of the column to the right
        m.d.comb += [at.eq(Mux(skips, x + 1, x)), at_col.eq(Mux(skips, further_col, col))]
        step, half, odd = self._stride(m, first, jumps)
        beyond = Signal.like(x)
        m.d.comb += beyond.eq(at + step)
        with m.If(self.goes & fills):
            m.d.sync += [x.eq(x + 1), col.eq(further_col), filled.eq(1), fills.eq(0)]
        with m.If(self.moves):
            m.d.sync += [x.eq(beyond), col.eq(at_col + half + Mux(odd & at[0], layer.col, 0))]
            m.d.sync += [starts.eq(jumps), filled.eq(0)]
            m.d.sync += fills.eq(layer.window & jumps & self._inside(m, "column_beyond", beyond, layer.width))
            with m.If(self.row_ends):
                m.d.sync += [x.eq(job.x), col.eq(job.col), starts.eq(1), fills.eq(block_fills)]
        with m.If(self.free):
            new, of = self.following, self.following_layer
            begins = of.window & self._inside(m, "block", new.x, of.width)
            m.d.sync += [x.eq(new.x), col.eq(new.col), starts.eq(1), filled.eq(0)]
            m.d.sync += [fills.eq(begins), block_fills.eq(begins)]
        m.d.comb += [self.source.m3.eq(m3), self.source.m2.eq(y[0] ^ at[0] ^ job.m2)]
        within = [Mux(skips, inside[j + 1], inside[j]) for j in range(SIDES)]
        pair = first | (~fills & (layer.stride_x == 2))
        self._slots(m, y, row, within, at, at_col, pair)
        m.d.comb += self.window.left_pad.eq(skips)
        return m

    def _rows(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """The window's first row: its number, address, and number modulo 3."""
        layer, new = self.layer, self.following
        y, row, m3 = (Signal.like(self.job[name], name=name, reset_less=True) for name in ("y", "row", "m3"))
        with m.If(self.moves & self.row_ends):
            m.d.sync += [y.eq(y + layer.stride_y), row.eq(row + layer.row_step), m3.eq(add_mod3(m3, layer.stride_m3))]
        with m.If(self.free):
            m.d.sync += [y.eq(new.y), row.eq(new.row), m3.eq(new.m3)]
        return y, row, m3

    def _stride(self, m: Module, first: Value, jumps: Value) -> tuple[Value, Value, Value]:
        """How far the next column is that is asked for: columns, addresses, and whether an odd end adds a pair's."""
        layer = self.layer
        # From this column to the next one that is asked for: ``odd`` ends of pairs lie a ``col`` further.
        step, half, odd = Signal.like(layer.stride_x), Signal.like(self.job.col), Signal()
        m.d.comb += [step.eq(layer.stride_x), half.eq(layer.step_half), odd.eq(layer.stride_x[0])]
        with m.If(first):
            m.d.comb += [step.eq(2), half.eq(layer.col), odd.eq(0)]
            with m.If(jumps):
                m.d.comb += [step.eq(layer.stride_x - 1), half.eq(layer.jump_half), odd.eq(~layer.stride_x[0])]
        return step, half, odd

    @staticmethod
    def _inside(m: Module, name: str, at: Value, size: Value) -> Signal:
        """Whether a coordinate lies in the map; of all candidates at once, before it is known which one counts."""
        inside = Signal(name=name)
        m.d.comb += inside.eq(~at[-1] & (at < size))
        return inside

    def _slots(self, m: Module, y: Signal, row: Signal, within: list[Value], at: Signal, at_col, pair: Value) -> None:
        """Enable and address of each word: three rows of two columns, or six words of a point."""
        layer, mask, request, window = self.layer, self.job.mask, self.source, self.window
        m.d.comb += [
            window.point.eq(self.goes & ~layer.window), window.two.eq(self.goes & layer.window & pair),
            window.one.eq(self.goes & layer.window & ~window.two), window.padded.eq(~request.enable),
        ]  # fmt: skip
        rows = [row, row + layer.row, row + (layer.row << 1)]
        inside = [self._inside(m, f"row_{i}", y + i, layer.height) for i in range(ROWS)]
        for i in range(ROWS):
            for j in range(SIDES):
                slot = SIDES * i + j
                in_window = mask[SIDES * i] & inside[i] & within[j] & (pair if j else 1)
                in_point = mask[slot] & inside[0] & within[0]
                further = Mux(at[0], layer.col, 0) if j else 0
                m.d.comb += [
                    request.enable[slot].eq(self.goes & Mux(layer.window, in_window, in_point)),
                    request.address[slot].eq(Mux(layer.window, rows[i] + further, row + j) + at_col),
                ]
