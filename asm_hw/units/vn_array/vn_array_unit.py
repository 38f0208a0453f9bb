"""Unit ``vn_array``: the near-memory array behind one memory of everything and a bus."""

from amaranth.hdl import Module, Mux, Value
from amaranth.lib import wiring

from asm_hw.gateware.multiplexers import choose
from asm_hw.gateware.unit_memory import Memory
from asm_hw.units.near_memory.near_array import NearArray
from asm_hw.units.von_neumann.vn_host import add_host, host_streams

from .vn_array_config import VnArrayConfig
from .vn_beats import Assembler, Beats
from .vn_writer import Writer


class VnArray(wiring.Component):
    """Blocks of a matrix product with the reuse of `NearMemory`, a word of the memory a cycle.

    The host writes operands and reads outputs through ``i_memory`` and ``o`` between blocks. A command names a
    block (`BusBlock`); while it runs the memory is its own. Rows of the next tile go before
    the beats of the one in use, and outputs before both, so that ``config.cycles`` is exact: a block never waits
    for a stream. The handshakes are those of `VnScalar`. Reset ends a block in the middle; the memory
    keeps its words.

    Members
    -------
    i_memory : In(stream of write, address, data (``config.bus_bits``)): write a word, or read it to ``o``
    i_command : In(stream of ``config.job_fields``: tiles and vectors, both 1 at least, parameters; addresses row,
        activations, results, and the strides of the last two)
    o : Out(stream of ``config.bus_bits``), words that were read, in the cycle after
    """

    def __init__(self, config: VnArrayConfig):
        self._config = config
        super().__init__(host_streams(config, config.job_fields))

    def elaborate(self, platform):
        m = Module()
        config, job = self._config, self.i_command.payload
        m.submodules.memory = memory = Memory(config.memory_shape, macro=config.memory == "macro")
        m.submodules.array = array = NearArray(config)
        m.submodules.rows = rows = Assembler(config.row_bits, config.bus_bits)
        m.submodules.beats = beats = Beats(config)
        m.submodules.writer = writer = Writer(config)
        # The array's loader takes the command on the same edge: it must be idle, too.
        access, start = add_host(m, self, memory, writer.busy | ~array.i_command.ready)
        for part in (beats, writer):
            m.d.comb += [part.start.eq(start), *(part.job[name].eq(job[name]) for name in part.job.shape().members)]
        m.d.comb += [
            array.i_command.valid.eq(start),
            *(array.i_command.payload[name].eq(job[name]) for name in config.command_fields),
            # Outputs go before rows, and rows before beats: ``settled`` says that no row is wanted.
            rows.ask.eq(array.read & ~writer.write), rows.word.eq(memory.row),
            # The array waits for whole rows: granted is the last word of one.
            array.grant.eq(rows.ends), array.row.eq(rows.whole),
            beats.port.eq(array.settled & ~writer.write), beats.word.eq(memory.row),
            array.i.valid.eq(beats.valid), beats.ready.eq(array.i.ready), Value.cast(array.i.payload).eq(beats.beat),
            writer.valid.eq(array.o.valid), array.o.ready.eq(writer.ready),
        ]  # fmt: skip
        host, read = self.i_memory.payload, Mux(rows.ask, array.address + rows.part, beats.address)
        outputs, bus = Value.cast(array.o.payload), config.bus_bits
        words = [outputs[i * bus : (i + 1) * bus] for i in range(config.output_words)]
        m.d.comb += [
            memory.read.eq(rows.ask | beats.read | (access & ~host.write)),
            memory.write.eq(writer.write | (access & host.write)),
            memory.address.eq(Mux(writer.write, writer.address, Mux(writer.busy, read, host.address))),
            memory.data.eq(Mux(writer.write, choose(words, writer.part), host.data)),
        ]
        return m
