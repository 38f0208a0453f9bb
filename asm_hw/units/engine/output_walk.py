"""The walk of an engine's outputs: where the words of a pixel go, and those that join it lie."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of

from .engine_config import EngineConfig
from .engine_layouts import PLACES, job_layout, spot_layout
from .engine_loops import add_mod3


class OutputWalk(wiring.Component):
    """Follows the pixels of a block through the tensor that is written and the one that joins.

    Members
    -------
    free, following, job, layer, moves, row_ends : as `WindowWalk`
    goes : In(1), the step is in work, its last cycle aside: two planes more
    out, skip, also : Out(`spot_layout`), the first word of the cycle's first plane
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        layer, job = struct_of(config.records.layer), job_layout(config)
        super().__init__(
            {name: In(1) for name in ("free", "moves", "row_ends", "goes")}
            | {"following": In(job), "job": In(job), "layer": In(layer)}
            | {name: Out(spot_layout(config)) for name in PLACES}
        )

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        right = Signal()  # the pixel's column is odd
        with m.If(self.moves & ~layer.reduce):
            m.d.sync += right.eq(~self.row_ends & ~right)
        with m.If(self.free):
            m.d.sync += right.eq(0)
        for name in PLACES:
            self._walk(m, name, right)
        return m

    def _walk(self, m: Module, name: str, right: Signal) -> None:
        of, spot = (lambda field: self.layer[f"{name}_{field}"]), getattr(self, name)
        start = self.following[name]
        # Signals of their own: parts of one register would be a loop to simulators.
        row, col, m3, m2, rest = (
            Signal.like(start[field], name=f"{name}_{field}", reset_less=True)
            for field in ("row", "col", "m3", "m2", "rest")
        )
        begin = Signal(name=f"{name}_begin", reset_less=True)  # ``m2`` of the row's first pixel
        planes = Signal.like(row, name=f"{name}_planes", reset_less=True)  # how far the planes of this cycle lie
        with m.If(self.moves | self.free):
            m.d.sync += planes.eq(0)
        with m.Elif(self.goes):
            m.d.sync += planes.eq(planes + (of("plane") << 1))
        with m.If(self.moves & ~self.layer.reduce):
            m.d.sync += [col.eq(col + Mux(right, of("col"), 0)), m2.eq(~m2)]
            with m.If(self.row_ends):
                m.d.sync += [col.eq(self.job[name].col), row.eq(row + of("row"))]
                m.d.sync += [m3.eq(add_mod3(m3, 1)), m2.eq(~begin), begin.eq(~begin)]
        with m.If(self.free):
            m.d.sync += [row.eq(start.row), col.eq(start.col), m3.eq(start.m3), m2.eq(start.m2)]
            m.d.sync += [rest.eq(start.rest), begin.eq(start.m2)]
        m.d.comb += [spot.address.eq(row + col + planes), spot.m3.eq(m3), spot.m2.eq(m2)]
        if self._config.beat_words > 1:
            m.d.comb += spot.rest.eq(rest)
