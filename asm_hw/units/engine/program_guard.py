"""The guard of an engine: no program runs that was not compiled for it, whole, and none runs for ever."""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import crc, data, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from .engine_config import EngineConfig
from .program_header import ERRORS, HEADER, LIMIT_CYCLES, SLICE_BYTES, SLICE_TURN, TARGETS, engine_number, slices


class ProgramGuard(wiring.Component):
    """Takes the header as it is written, checks the rows that follow it, and counts cycles while a program runs.

    Members
    -------
    write : In(1), ``row`` is written on this edge
    row : In(struct ``config.access_fields``)
    start : In(1), begin
    run : Out(1), ``start`` is granted
    busy : In(1), a program runs
    halt : Out(1), it has run too long
    error : Out(2), why the last program ended early (`ERRORS`)
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        row = data.StructLayout(config.access_fields)
        inputs = {name: In(1) for name in ("write", "start", "busy")}
        super().__init__({**inputs, "row": In(row), "run": Out(1), "halt": Out(1), "error": Out(2)})

    def elaborate(self, platform):
        m = Module()
        header, written = Signal(data.StructLayout(HEADER), reset_less=True), Signal()
        program, weights = ((self.row.target == TARGETS.index(name)) for name in ("program", "weights"))
        first = program & (self.row.address == 0)
        checksum = self._checksum(m, self.write & first, self.write & (program | weights) & ~first)
        with m.If(self.write & first):
            m.d.sync += [header.eq(self.row.data), written.eq(1)]
        error, cycles = Signal.like(self.error, name="found"), Signal(HEADER["limit"] + LIMIT_CYCLES.bit_length())
        with m.If(~written | (header.engine != engine_number(self._config))):
            m.d.comb += error.eq(ERRORS.index("engine"))
        with m.Elif(header.checksum != checksum):
            m.d.comb += error.eq(ERRORS.index("checksum"))
        m.d.comb += [
            self.run.eq(self.start & ~self.busy & (error == 0)),
            self.halt.eq(self.busy & (cycles[LIMIT_CYCLES.bit_length() - 1 :] > header.limit)),
        ]
        m.d.sync += cycles.eq(cycles + 1)
        with m.If(self.start & ~self.busy):
            m.d.sync += [cycles.eq(0), self.error.eq(error)]
        with m.If(self.halt):
            m.d.sync += self.error.eq(ERRORS.index("limit"))
        return m

    def _checksum(self, m: Module, start: Value, valid: Value) -> Value:
        """Of the rows since ``start`` (`asm_hw.units.engine.program_header.checksum`)."""
        size, count = 8 * SLICE_BYTES, slices(self._config)
        row = Cat(self.row, Const(0, count * size - len(self.row.as_value())))
        turned = [row[i * size : (i + 1) * size].rotate_left(SLICE_TURN * i % size) for i in range(count)]
        m.submodules.crc = processor = crc.Processor(CRC32_ISO_HDLC(data_width=size))
        m.d.comb += [processor.data.eq(reduce(xor, turned)), processor.start.eq(start), processor.valid.eq(valid)]
        return processor.crc
