"""Unit ``engine``: memories, front, issuer, window, columns."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.unit_memory import Memory

from .banked_memory import BankedMemory
from .engine_array import EngineArray
from .engine_config import EngineConfig
from .engine_counters import COUNTS, Counters, ones
from .engine_front import Front
from .engine_issuer import Issuer
from .engine_layouts import step_layouts
from .engine_records import PROGRAM_BITS
from .engine_stages import SWAP_STAGE
from .output_requests import OutputRequests, access_stages
from .program_guard import ProgramGuard
from .program_header import ERRORS, TARGETS
from .weight_stream import WeightStream
from .window_registers import WindowRegisters


class Engine(wiring.Component):
    """Runs the layers of a program, one after another, from the activation memory to the activation memory.

    Program, weights and input are written through ``i`` while no program runs; weights that do not fit their memory
    while it runs, in the order in which it uses them. ``start`` begins; ``done`` says that the last output is in the
    memory, whose words are read by ``read_*``.

    Members
    -------
    i : In(stream of target, address, data)
    start : In(1)
    busy, done, layer_done : Out(1)
    error : Out(3), why the last program ended early (`ERRORS` of `program_header.py`); ``done`` is set all the same
    layer : Out(16), layers that have ended
    counts : Out(struct of 32-bit counters), since the start
    read_enable, read_address : In, a word of activation memory: bank below, then row, then segment
    read_data : Out(``word_bits``), after the edge
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(config.access_fields))),
                "start": In(1),
                "busy": Out(1),
                "done": Out(1),
                "error": Out(range(len(ERRORS))),
                "layer": Out(16),
                "layer_done": Out(1),
                "counts": Out(COUNTS),
                "read_enable": In(1),
                "read_address": In(config.host_address_bits),
                "read_data": Out(config.word_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.guard = guard = ProgramGuard(config)
        front, issuer = Front(config), Issuer(config)
        m.submodules.front = ResetInserter(guard.halt)(front)
        m.submodules.issuer = ResetInserter(guard.halt)(issuer)
        m.submodules.array = array = EngineArray(config)
        m.submodules.window = window = WindowRegisters(config)
        m.submodules.activations = activations = BankedMemory(config)
        steps, working = self._stages(m, issuer)
        writes = Cat(steps[i].write for i in range(config.join_gap))
        m.d.comb += [
            front.start.eq(guard.run), front.take.eq(issuer.take),
            front.swapped.eq(steps[config.finish_stage].swap_parameters),
            issuer.full.eq(front.full), issuer.job.eq(front.job), issuer.layer.eq(front.layer),
            issuer.drains.eq(self._past(m, "worked", working[: config.drain])),
            issuer.writing.eq(self._past(m, "wrote", writes)),
            array.load.eq(front.load), array.parameters.eq(front.parameters),
            array.result.eq(issuer.result),
            array.x.eq(window.x), array.skip_words.eq(activations.skip_words),
            window.window.eq(steps[SWAP_STAGE].window), window.pad.eq(steps[SWAP_STAGE].pad),
            window.words.eq(activations.source_words), activations.data.eq(array.data),
            activations.also_data.eq(array.also_data),
        ]  # fmt: skip
        self._control(m, array, steps)
        self._memories(m, front, array)
        self._requests(m, issuer, activations, steps)
        self._stream(m, guard, front)
        self._count(m, front, issuer, steps, activations)
        idle = self._status(m, guard, front, steps[config.last_stage], working)
        self._host(m, activations, idle)
        return m

    def _status(self, m: Module, guard: ProgramGuard, front: Front, last, working: Signal) -> Signal:
        """Begin and end of a program, and of its layers; whether none runs."""
        idle = Signal(init=1)  # not busy, in a register of its own: much hangs on it
        m.d.comb += [
            guard.row.eq(self.i.payload), guard.start.eq(self.start),
            guard.busy.eq(self.busy), guard.waits.eq(front.waits), self.error.eq(guard.error),
            guard.ends.eq(last.ends_layer & front.ended & ~guard.halt),
        ]  # fmt: skip
        with m.If(self.start & ~self.busy):
            m.d.sync += [self.busy.eq(guard.run), self.done.eq(~guard.run), idle.eq(~guard.run), self.layer.eq(0)]
        m.d.sync += self.layer_done.eq(last.ends_layer)
        with m.If(last.ends_layer):
            m.d.sync += self.layer.eq(self.layer + 1)
        # What is halted writes its last outputs first.
        with m.If(guard.ends | (guard.halt & ~working.any())):
            m.d.sync += [self.busy.eq(0), self.done.eq(1), idle.eq(1)]
        return idle

    def _stages(self, m: Module, issuer: Issuer) -> tuple[list, Signal]:
        """The step in each stage, stage 0 that of the issuer; and whether a tile was in work then."""
        steps, layouts = [issuer.step], step_layouts(self._config)
        for stage, layout in enumerate(layouts[1:], 1):
            step = Signal(layout, name=f"step_{stage}")
            m.d.sync += [step[name].eq(steps[-1][name]) for name in layout.members]
            steps.append(step)
        working, past = Signal(len(layouts)), Signal(len(layouts) - 1)
        m.d.sync += past.eq(working)
        m.d.comb += working.eq(Cat(issuer.busy, past))
        return steps, working

    @staticmethod
    def _past(m: Module, name: str, stages: Value) -> Signal:
        """Whether any of ``stages`` but the first one is set: each takes what the one before it was."""
        past = Signal(name=name)
        m.d.sync += past.eq(stages[:-1].any())
        return past

    def _control(self, m: Module, array: EngineArray, steps: list) -> None:
        """What the columns take of the steps."""
        config, control = self._config, array.control
        gather, output, last = (steps[i] for i in (config.finish_stage, config.finish_stage + 1, config.last_stage))
        m.d.comb += [
            control.swap.eq(steps[SWAP_STAGE].swap),
            control.add.eq(Cat(steps[SWAP_STAGE + 1 + stage].add for stage in range(config.stages))),
            *(control.gather[name].eq(gather[name]) for name in control.gather.shape().members),
            control.finish.eq(output.finish),
            control.phase.eq(last.phase), control.also.eq(last.also),
        ]  # fmt: skip

    def _requests(self, m: Module, issuer: Issuer, activations: BankedMemory, steps: list) -> None:
        """Each request meets the memory in its stage."""
        m.submodules.requests = requests = OutputRequests(self._config)
        source = Signal.like(issuer.source)
        m.d.sync += source.eq(issuer.source)
        m.d.comb += [activations.source.eq(source), requests.planes.eq(issuer.planes)]
        asks = {"out": "write", "skip": "joins", "also": "also"}
        for name, stage in access_stages(self._config).items():
            m.d.comb += [
                getattr(requests, f"{name}_spot").eq(getattr(issuer, name)),
                getattr(requests, f"{name}_asked").eq(Cat(steps[i][asks[name]] for i in range(stage + 1))),
                getattr(activations, name).eq(getattr(requests, name)),
            ]

    def _count(self, m: Module, front: Front, issuer: Issuer, steps: Signal, activations: BankedMemory) -> None:
        m.submodules.counters = counters = Counters()
        out = ones(m, activations.out.enable, "written_words") + ones(m, activations.also.enable, "copied_words")
        m.d.comb += [
            counters.clear.eq(self.start & ~self.busy), self.counts.eq(counters.counts),
            counters.steps.eq(steps[SWAP_STAGE].add), counters.idle.eq(self.busy & ~issuer.busy),
            counters.weight_rows.eq(front.weight_read), counters.output_words.eq(out),
            counters.stream_waits.eq(front.waits), counters.streamed_rows.eq(self.busy & self.i.valid & self.i.ready),
            counters.source_words.eq(ones(m, activations.source.enable, "read_words")),
            counters.skip_words.eq(ones(m, activations.skip.enable, "joined_words")),
        ]  # fmt: skip

    def _memories(self, m: Module, front: Front, array: EngineArray) -> None:
        """Program and weights: what the front reads, or the host writes while nothing runs."""
        config, payload = self._config, self.i.payload
        shapes = {"program": (config.program_rows, PROGRAM_BITS), "weights": (config.weight_rows, config.row_bits)}
        macro = config.memory == "macro"
        for target, (name, shape) in enumerate(shapes.items()):
            m.submodules[f"{name}_memory"] = memory = Memory(shape, macro)  # program is a keyword
            read, address = (getattr(front, f"{name.removesuffix('s')}_{end}") for end in ("read", "address"))
            m.d.comb += [
                memory.read.eq(read),
                memory.write.eq(self.i.valid & self.i.ready & (payload.target == target)),
                memory.address.eq(Mux(read, address, payload.address)),
                memory.data.eq(payload.data),
                (front.program_row if target == 0 else array.row).eq(memory.row),
            ]

        if config.tables:
            written = self.i.valid & self.i.ready & (payload.target == TARGETS.index("tables"))
            m.d.comb += [array.table_write.eq(written), array.table_address.eq(payload.address)]
            m.d.comb += array.table_data.eq(payload.data)

    def _stream(self, m: Module, guard: ProgramGuard, front: Front) -> None:
        """Rows of weights while a program runs: where the front reads none, and the ring has room."""
        m.submodules.stream = ring = WeightStream(self._config)
        weights = self.i.payload.target == TARGETS.index("weights")
        # Before the start they wait: it is the start that empties the ring. Those that an error left must not stay in
        # the way of the next program.
        idle = ~self.busy & (~(weights & guard.streams) | guard.drops)
        running = self.busy & weights & ring.opens & ~front.weight_read
        m.d.comb += [
            self.i.ready.eq(idle | running),
            ring.start.eq(guard.run), ring.rows.eq(guard.streamed),
            ring.arrives.eq(self.i.valid & running), guard.arrives.eq(self.i.valid & running),
            guard.write.eq(self.i.valid & idle),
            *(getattr(ring, name).eq(getattr(front, name)) for name in ("row", "first_row", "brings", "changes")),
            front.there.eq(ring.there),
        ]  # fmt: skip

    def _host(self, m: Module, activations: BankedMemory, idle: Signal) -> None:
        """Words of activations from outside; bank numbers lie below rows."""
        payload = self.i.payload
        writes = self.i.valid & ~self.busy & (payload.target == TARGETS.index("activations"))
        address = Mux(writes, payload.address, self.read_address)
        m.d.comb += [
            activations.host.eq(idle), activations.host_write.eq(writes),
            activations.host_read.eq(self.read_enable & ~self.busy & ~writes),
            activations.host_bank.eq(address[:3]), activations.host_address.eq(address[3:]),
            activations.host_data.eq(payload.data), self.read_data.eq(activations.host_word),
        ]  # fmt: skip
