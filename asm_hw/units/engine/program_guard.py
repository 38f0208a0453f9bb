"""The guard of an engine: no program runs that was not compiled for it, whole, and none runs for ever."""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import crc, data, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from .engine_config import EngineConfig
from .program_header import (
    ERRORS,
    HEADER,
    LIMIT_CYCLES,
    PATIENCE_BITS,
    SLICE_BYTES,
    SLICE_TURN,
    STREAM,
    TARGETS,
    engine_number,
    slices,
)


class ProgramGuard(wiring.Component):
    """Takes the header as it is written, checks the rows that follow it, and counts cycles while a program runs.

    Cycles in which it waits for streamed weights do not count, unless none comes for ``1 << PATIENCE_BITS`` of them.

    Members
    -------
    write : In(1), ``row`` is written on this edge, while no program runs
    arrives : In(1), the same of streamed rows, while one runs
    row : In(struct ``config.access_fields``)
    start : In(1), begin
    run : Out(1), ``start`` is granted
    streamed : Out(``STREAM["rows"]``), rows of weights that arrive while it runs; ``streams``: there are any
    busy : In(1), a program runs
    waits : In(1), it waits for a row of weights
    ends : In(1), it ends
    halt : Out(1), it has run or waited too long
    drops : Out(1), since an error, until the next header or run: rows of its stream may still be offered
    error : Out, why the last program ended early (`ERRORS`)
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        row = data.StructLayout(config.access_fields)
        inputs = {name: In(1) for name in ("write", "arrives", "start", "busy", "waits", "ends")}
        outputs = {
            "run": Out(1),
            "streamed": Out(STREAM["rows"]),
            "streams": Out(1),
            "halt": Out(1),
            "drops": Out(1),
            "error": Out(range(len(ERRORS))),
        }
        super().__init__({**inputs, "row": In(row), **outputs})

    def elaborate(self, platform):
        m = Module()
        header, written = Signal(data.StructLayout(HEADER), reset_less=True), Signal()
        stream, streams = Signal(data.StructLayout(STREAM)), self.streams
        checked = Signal()  # rows were right since they were written
        rows = self.write & (self.row.target != TARGETS.index("activations"))
        program = self.write & (self.row.target == TARGETS.index("program"))
        first, second = (program & (self.row.address == address) for address in range(2))
        runs = Signal()  # since the edge before: no streamed row can count earlier
        m.d.sync += runs.eq(self.run)
        checksum = self._checksum(m, first | (runs & streams), rows & ~first)
        with m.If(first):
            m.d.sync += [header.eq(self.row.data), stream.eq(0), streams.eq(0), written.eq(1)]
        with m.If(second):
            m.d.sync += [stream.eq(self.row.data), streams.eq(self.row.data[: STREAM["rows"]].any())]
        error = Signal.like(self.error, name="found")
        with m.If(~written | (header.engine != engine_number(self._config))):
            m.d.comb += error.eq(ERRORS.index("engine"))
        with m.Elif(rows | (~checked & (header.checksum != checksum))):  # a row with the start would run unchecked
            m.d.comb += error.eq(ERRORS.index("checksum"))
        m.d.comb += [self.run.eq(self.start & ~self.busy & (error == 0)), self.streamed.eq(stream.rows)]
        with m.If(self.run):
            m.d.sync += checked.eq(1)
        with m.If(rows):
            m.d.sync += checked.eq(0)
        with m.If(first):
            m.d.sync += self.drops.eq(0)
        with m.If(self.ends & streams & (stream.checksum != checksum)):
            m.d.sync += [self.error.eq(ERRORS.index("checksum")), self.drops.eq(1)]
        with m.If(self.start & ~self.busy):
            m.d.sync += [self.error.eq(error), self.drops.eq(error != 0)]
        with m.If(self.halt):
            m.d.sync += self.drops.eq(1)
        self._limits(m, header.limit)
        return m

    def _limits(self, m: Module, limit: Value) -> None:
        """Cycles that a program runs, and those that it waits for one row."""
        cycles, patience = Signal(HEADER["limit"] + LIMIT_CYCLES.bit_length()), Signal(PATIENCE_BITS + 1)
        over, lost = Signal(), patience[-1]
        m.d.comb += self.halt.eq(self.busy & over)
        m.d.sync += over.eq((cycles[LIMIT_CYCLES.bit_length() - 1 :] > limit) | lost)
        with m.If(~self.waits):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(~lost):  # what is halted no longer waits, but is to stay so
            m.d.sync += patience.eq(Mux(self.waits & ~self.arrives, patience + 1, 0))
        with m.If(self.start & ~self.busy):
            m.d.sync += [cycles.eq(0), patience.eq(0), over.eq(0)]
        with m.If(self.halt):
            m.d.sync += self.error.eq(Mux(lost, ERRORS.index("stream"), ERRORS.index("limit")))

    def _checksum(self, m: Module, start: Value, valid: Value) -> Value:
        """Of the rows since ``start`` (`asm_hw.units.engine.program_header.checksum`)."""
        size, count = 8 * SLICE_BYTES, slices(self._config)
        row = Cat(self.row, Const(0, count * size - len(self.row.as_value())))
        turned = [row[i * size : (i + 1) * size].rotate_left(SLICE_TURN * i % size) for i in range(count)]
        m.submodules.crc = processor = crc.Processor(CRC32_ISO_HDLC(data_width=size))
        # Streamed rows count a cycle later: the front says late whether one arrives.
        folded, kept, arrived = reduce(xor, turned), Signal(size, reset_less=True), Signal()
        m.d.sync += arrived.eq(self.arrives)
        with m.If(self.arrives):
            m.d.sync += kept.eq(folded)
        m.d.comb += [
            processor.data.eq(Mux(self.busy, kept, folded)), processor.start.eq(start),
            processor.valid.eq(Mux(self.busy, arrived, valid)),
        ]  # fmt: skip
        return processor.crc
