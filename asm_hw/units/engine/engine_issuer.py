"""The issuer of the engine: a tile over a block of pixels, a step a cycle."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of

from .engine_config import EngineConfig
from .engine_layouts import (
    PLACES,
    RAISED,
    job_layout,
    planes_layout,
    request_layout,
    result_layout,
    spot_layout,
    step_layouts,
)
from .output_walk import OutputWalk
from .window_walk import WindowWalk


class Issuer(wiring.Component):
    """Walks the pixels of a block, row by row; each step asks for the words that its window lacks.

    The steps of a block's last tile take ``pace`` cycles each: their outputs are written meanwhile.

    Members
    -------
    full, job, layer : as `Front` offers a tile
    drains : In(1), tiles that were in work before have not ended: take none that begins a layer
    writing : In(1), their outputs are on the way: take no tile that ends sums which others join
    take : Out(1), the tile is taken on this edge
    busy : Out(1), a tile is in work
    source : Out(`request_layout`), words of the source
    out, skip, also : Out(`spot_layout`), where the first words of `PLACES` lie
    step : Out(`step_layouts`, of stage 0)
    result, planes : Out(`result_layout`, `planes_layout`), the layer's, from the cycle after its first step on
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "full": In(1),
                "job": In(job_layout(config)),
                "layer": In(struct_of(config.records.layer)),
                "drains": In(1),
                "writing": In(1),
                "take": Out(1),
                "busy": Out(1),
                "source": Out(request_layout(config)),
                **{name: Out(spot_layout(config)) for name in PLACES},
                "step": Out(step_layouts(config)[0]),
                "result": Out(result_layout(config)),
                "planes": Out(planes_layout(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        job, layer = Signal.like(self.job, reset_less=True), Signal.like(self.layer, reset_less=True)
        m.submodules.window = window = WindowWalk(self._config)
        m.submodules.outputs = output = OutputWalk(self._config)
        moves, done = Signal(), Signal()  # the last cycle of a step; of the tile
        free = Signal()  # no tile is in work after this edge, unless one is taken: what it brings may be kept before
        steps = self.busy & window.steps
        phase, last_phase = self._phases(m, steps, moves, free)
        first, row_ends, last_row = self._pixels(m, job, moves, free)
        last = row_ends & last_row
        m.d.comb += [
            moves.eq(steps & last_phase),
            done.eq(moves & last),
            free.eq(~self.busy | done),
        ]
        self._take(m, free, done)
        with m.If(free):
            m.d.sync += job.eq(self.job)
            with m.If(self.job.starts_layer):
                m.d.sync += layer.eq(self.layer)
        for walk in (window, output):
            m.d.comb += [walk.free.eq(free), walk.following.eq(self.job), walk.job.eq(job)]
            m.d.comb += [walk.layer.eq(layer), walk.moves.eq(moves), walk.row_ends.eq(row_ends)]
        m.d.comb += [
            window.following_layer.eq(self.layer), window.goes.eq(self.busy & (phase == 0)), output.goes.eq(steps),
            self.source.eq(window.source), *(getattr(self, name).eq(getattr(output, name)) for name in PLACES),
        ]  # fmt: skip
        self._step(m, job, layer, window, phase, steps, first, last, free)
        self._hold(m, layer)
        m.d.comb += self.step.ends_layer.eq(done & job.ends_layer)
        return m

    def _take(self, m: Module, free: Value, done: Value) -> None:
        """Whether the tile is taken: what says so late meets all else in the end, for much follows."""
        new, writes = self.job, Signal()  # the tile in work ends with a write
        starts, joins = new.starts_layer, new.last & self.layer.skip
        waits = (starts & self.drains) | (joins & self.writing)
        m.d.comb += self.take.eq(self.full & ~waits & (~self.busy | (done & ~(starts | (joins & writes)))))
        with m.If(done):
            m.d.sync += self.busy.eq(0)
        with m.If(self.take):
            m.d.sync += self.busy.eq(1)
        with m.If(free):
            ends = new.last & (~self.layer.reduce | new.ends_sum)
            m.d.sync += writes.eq(ends & ~(self.layer.phases < self.layer.pace))

    def _phases(self, m: Module, steps: Value, moves: Value, free: Value) -> tuple[Signal, Signal]:
        """The cycle of the step, from 0 on, and whether it is the last one."""
        phase, pace = (Signal.like(self.layer.pace, name=name, reset_less=True) for name in ("phase", "pace"))
        last, beyond = Signal(name="last_phase"), Signal.like(phase)
        m.d.comb += beyond.eq(phase + 2)
        with m.If(steps):
            m.d.sync += [phase.eq(phase + 1), last.eq(beyond == pace)]
        with m.If(moves):
            m.d.sync += [phase.eq(0), last.eq(pace == 1)]
        with m.If(free):
            new = Mux(self.job.last, self.layer.pace, 1)
            m.d.sync += [phase.eq(0), pace.eq(new), last.eq(new == 1)]
        return phase, last

    def _pixels(self, m: Module, job, moves: Value, free: Value) -> tuple[Signal, Signal, Signal]:
        """The pixel is the block's first, the last one of its row, in the last row: registers, for much follows."""
        first, row_ends, last_row = (Signal(name=name) for name in ("first", "row_ends", "last_row"))
        # Pixels left of the row, and rows, beyond this one.
        left = {name: Signal.like(job[name], name=f"left_{name}", reset_less=True) for name in ("width", "height")}
        with m.If(moves):
            m.d.sync += [first.eq(0), left["width"].eq(left["width"] - 1), row_ends.eq(left["width"] == 1)]
            with m.If(row_ends):
                m.d.sync += [left["width"].eq(job.width - 1), row_ends.eq(job.width == 1)]
                m.d.sync += [left["height"].eq(left["height"] - 1), last_row.eq(left["height"] == 1)]
        with m.If(free):
            m.d.sync += [first.eq(1), row_ends.eq(self.job.width == 1), last_row.eq(self.job.height == 1)]
            m.d.sync += [number.eq(self.job[name] - 1) for name, number in left.items()]
        return first, row_ends, last_row

    def _step(
        self, m: Module, job, layer, window, phase: Value, steps: Value, first: Value, last: Value, free: Value
    ) -> None:
        """What becomes of a step's sum: an entry of the accumulators, cleared, ended, requantized, written."""
        step, entry, fresh = self.step, Signal.like(self.step.entry, reset_less=True), Signal()
        begins, ends, counts = Signal(), Signal(), Signal()
        m.d.comb += [
            begins.eq(job.first & Mux(layer.reduce, job.starts_sum & first, 1)),
            ends.eq(job.last & Mux(layer.reduce, job.ends_sum & last, 1)),
            counts.eq(steps & (phase == 0)),
            step.window.eq(window.window), step.pad.eq(job.pad),
            step.swap.eq(fresh & self.busy), step.add.eq(counts), step.entry.eq(entry), step.shift.eq(job.shift),
            step.clear.eq(begins), step.finish.eq(counts & ends),
            # The parameters of a pass count from the first sum that ends in it.
            step.swap_parameters.eq(counts & ends & (layer.reduce | (job.starts_pass & first))),
            step.write.eq(steps & ends & (phase < layer.phases)), step.phase.eq(phase),
            step.joins.eq(layer.skip & counts & ends), step.also.eq(layer.also & counts & ends),
        ]  # fmt: skip
        with m.If(self.busy):
            m.d.sync += fresh.eq(0)
        with m.If(counts & ~layer.reduce):
            m.d.sync += entry.eq(entry + 1)
        with m.If(free):
            m.d.sync += [fresh.eq(1), entry.eq(0)]

    def _hold(self, m: Module, layer) -> None:
        """What later stages need of the layer: with its first step the last one of the layer before is at its end."""
        begins = Signal()
        m.d.sync += begins.eq(self.take & self.job.starts_layer)
        values = {name: layer[name] for name in layer.shape().members}
        values |= {name: layer[limit] << layer.also_shift for name, limit in RAISED.items()}
        for port in (self.result, self.planes):
            # What is halted writes its last outputs, so these are not reset.
            held = {name: Signal.like(port[name], name=f"held_{name}", reset_less=True) for name, _ in port.shape()}
            m.d.comb += [port[name].eq(signal) for name, signal in held.items()]
            with m.If(begins):
                m.d.sync += [signal.eq(values[name]) for name, signal in held.items()]
