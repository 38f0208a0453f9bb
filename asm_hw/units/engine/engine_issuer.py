"""The issuer of the engine: a tile over a block of pixels, a step a cycle."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of

from .engine_config import EngineConfig
from .engine_layouts import PLACES, job_layout, request_layout, step_layout
from .output_walk import OutputWalk
from .window_walk import WindowWalk


class Issuer(wiring.Component):
    """Walks the pixels of a block, row by row; each step asks for the words that its window lacks.

    The steps of a block's last tile take ``pace`` cycles each: their outputs are written meanwhile.

    Members
    -------
    full, job, layer : as `Front` offers a tile
    drains : In(1), take no tile that begins a layer
    writing : In(1), outputs are on their way: take no tile that ends sums which others join
    take : Out(1), the tile is taken on this edge
    busy : Out(1), a tile is in work
    source, out, skip, also : Out(`request_layout`), words of the source, and of `PLACES`
    step : Out(`step_layout`)
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        request = request_layout(config)
        super().__init__(
            {
                "full": In(1),
                "job": In(job_layout(config)),
                "layer": In(struct_of(config.records.layer)),
                "drains": In(1),
                "writing": In(1),
                "take": Out(1),
                "busy": Out(1),
                "source": Out(request),
                **{name: Out(request) for name in PLACES},
                "step": Out(step_layout(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        job, layer = Signal.like(self.job), Signal.like(self.layer)
        m.submodules.window = window = WindowWalk(self._config)
        m.submodules.outputs = output = OutputWalk(self._config)
        by, bx, phase = Signal.like(job.height), Signal.like(job.width), Signal.like(layer.pace)
        moves, done = Signal(), Signal()  # the last cycle of a step; of the tile
        row_ends, steps = bx == job.width - 1, self.busy & window.steps
        m.d.comb += [
            moves.eq(steps & (phase == Mux(job.last, layer.pace - 1, 0))),
            done.eq(moves & row_ends & (by == job.height - 1)),
            self.take.eq(
                self.full
                & (~self.busy | done)
                & ~(self.job.starts_layer & self.drains)
                & ~(self.job.last & self.layer.skip & self.writing)
            ),
        ]
        with m.If(steps):
            m.d.sync += phase.eq(Mux(moves, 0, phase + 1))
        with m.If(moves):
            m.d.sync += bx.eq(Mux(row_ends, 0, bx + 1))
            with m.If(row_ends):
                m.d.sync += by.eq(by + 1)
        with m.If(done):
            m.d.sync += self.busy.eq(0)
        with m.If(self.take):
            m.d.sync += [job.eq(self.job), self.busy.eq(1), by.eq(0), bx.eq(0), phase.eq(0)]
            with m.If(self.job.starts_layer):
                m.d.sync += layer.eq(self.layer)
        for walk in (window, output):
            m.d.comb += [walk.take.eq(self.take), walk.following.eq(self.job), walk.job.eq(job)]
            m.d.comb += [walk.layer.eq(layer), walk.moves.eq(moves), walk.row_ends.eq(row_ends)]
        m.d.comb += [
            window.goes.eq(self.busy & (phase == 0)), output.goes.eq(steps),
            self.source.eq(window.source), *(getattr(self, name).eq(getattr(output, name)) for name in PLACES),
        ]  # fmt: skip
        first = (by == 0) & (bx == 0)
        last = row_ends & (by == job.height - 1)
        self._step(m, job, layer, window, phase, steps, first, last)
        m.d.comb += self.step.ends_layer.eq(done & job.ends_layer)
        return m

    def _step(self, m: Module, job, layer, window, phase: Value, steps: Value, first: Value, last: Value) -> None:
        """What becomes of a step's sum: an entry of the accumulators, cleared, ended, requantized, written."""
        step, entry, fresh = self.step, Signal.like(self.step.entry), Signal()
        begins, ends, counts = Signal(), Signal(), Signal()
        m.d.comb += [
            begins.eq(job.first & Mux(layer.reduce, job.starts_sum & first, 1)),
            ends.eq(job.last & Mux(layer.reduce, job.ends_sum & last, 1)),
            counts.eq(steps & (phase == 0)),
            step.window.eq(window.window), step.pad.eq(job.pad),
            step.swap.eq(fresh & self.busy), step.add.eq(counts), step.entry.eq(entry), step.shift.eq(job.shift),
            step.clear.eq(begins), step.largest.eq(layer.largest), step.finish.eq(counts & ends),
            # The parameters of a pass count from the first sum that ends in it.
            step.swap_parameters.eq(counts & ends & (layer.reduce | (job.starts_pass & first))),
            step.write.eq(steps & ends & (phase < layer.phases)), step.phase.eq(phase),
            step.low.eq(layer.low), step.high.eq(layer.high), step.joins.eq(layer.skip & steps & ends & (phase == 0)),
        ]  # fmt: skip
        m.d.comb += step.also.eq(layer.also & counts & ends)
        copied = ["also_add", "also_shift", "also_low", "also_high"]
        if self._config.act_alphabets:
            copied += ["encode", "offset", "also_encode", "also_offset"]
        m.d.comb += [step[name].eq(layer[name]) for name in copied]
        with m.If(self.busy):
            m.d.sync += fresh.eq(0)
        with m.If(counts & ~layer.reduce):
            m.d.sync += entry.eq(entry + 1)
        with m.If(self.take):
            m.d.sync += [fresh.eq(1), entry.eq(0)]
