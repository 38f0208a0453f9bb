"""The walk of an engine's outputs: where the words of a pixel go, and those that join it lie."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of

from .engine_config import ROWS, SIDES, EngineConfig
from .engine_layouts import PLACES, job_layout, request_layout
from .engine_loops import add_mod3


class OutputWalk(wiring.Component):
    """Follows the pixels of a block through the tensor that is written and the one that joins.

    Members
    -------
    take, following, job, layer, moves, row_ends : as `WindowWalk`
    goes : In(1), the step is in work, its last cycle aside: two planes more
    out, skip, also : Out(`request_layout`), slot 2 * k + p for word k of plane p
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        layer, job = struct_of(config.records.layer), job_layout(config)
        super().__init__(
            {name: In(1) for name in ("take", "moves", "row_ends", "goes")}
            | {"following": In(job), "job": In(job), "layer": In(layer)}
            | {name: Out(request_layout(config)) for name in PLACES}
        )

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        right = Signal()  # the pixel's column is odd
        with m.If(self.moves & ~layer.reduce):
            m.d.sync += right.eq(~self.row_ends & ~right)
        with m.If(self.take):
            m.d.sync += right.eq(0)
        for name in PLACES:
            self._walk(m, name, right)
        return m

    def _walk(self, m: Module, name: str, right: Signal) -> None:
        of, request = (lambda field: self.layer[f"{name}_{field}"]), getattr(self, name)
        place = Signal.like(self.job[name], name=f"{name}_place")
        begin = Signal.like(place.m2, name=f"{name}_begin")  # ``m2`` of the row's first pixel
        planes = Signal.like(place.row, name=f"{name}_planes")  # how far the planes of this phase lie
        with m.If(self.moves | self.take):
            m.d.sync += planes.eq(0)
        with m.Elif(self.goes):
            m.d.sync += planes.eq(planes + (of("plane") << 1))
        with m.If(self.moves & ~self.layer.reduce):
            m.d.sync += [place.col.eq(place.col + Mux(right, of("col"), 0)), place.m2.eq(~place.m2)]
            with m.If(self.row_ends):
                m.d.sync += [place.col.eq(self.job[name].col), place.row.eq(place.row + of("row"))]
                m.d.sync += [place.m3.eq(add_mod3(place.m3, 1)), place.m2.eq(~begin), begin.eq(~begin)]
        with m.If(self.take):
            m.d.sync += [place.eq(self.following[name]), begin.eq(self.following[name].m2)]
        m.d.comb += [request.m3.eq(place.m3), request.m2.eq(place.m2)]
        for k in range(ROWS):
            for p in range(SIDES):
                slot, used = SIDES * k + p, k < self._config.beat_words and p < self._config.planes
                further = (place.rest + k >= 3) + (of("plane") if p else 0)
                m.d.comb += [
                    request.enable[slot].eq((of("pair") if p else 1) if used else 0),
                    request.address[slot].eq(place.row + place.col + further + planes),
                ]
