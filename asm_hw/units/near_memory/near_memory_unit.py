"""Unit ``near_memory``: a weight memory whose wide rows feed lanes x columns products a cycle."""

from amaranth.hdl import Module, Mux
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In

from asm_hw.gateware.unit_memory import Memory

from .near_array import NearArray, near_streams
from .near_memory_config import NearMemoryConfig


class NearMemory(wiring.Component):
    """Blocks of a matrix product: activation vectors times weight tiles, requantized.

    Rows are written through ``i_weight`` whenever the loader does not read. A command names a block:
    ``vectors`` activation vectors meet ``tiles`` tiles; tile t uses beats t * vectors to (t + 1) * vectors - 1
    of the block, lane i of every column taking activation i. Each memory row passes one decoder a lane on
    its way to the registers of the next weights. Partial sums stay in the accumulator files of the columns;
    the sums of the last tile leave through a register and the requantize units.

    One beat a cycle, except while weights or parameters are still loading (``config.cycles``) or an output
    is not taken. ``x`` is not registered: it must be stable before the edge that takes it. ``i.ready`` depends
    combinationally on ``o.ready``. Reset forgets commands and sums; the memory keeps its rows.

    Members
    -------
    i_weight : In(stream of row (address), data (``config.row_bits``)): codes by lane, lane 0 lowest, or a part of
        a column's requantize parameters (``config.requantize.fields``), lowest part first
    i_command : In(stream of row, tiles, vectors, parameters: see `asm_hw.units.near_memory.near_memory_config.Block`)
    i : In(stream of array[lanes] of ``config.activation.code_bits``)
    o : Out(stream of array[outputs] of ``out_bits``), group after group of columns for each vector
    """

    def __init__(self, config: NearMemoryConfig):
        self._config = config
        row = data.StructLayout({"row": config.row_address_bits, "data": config.row_bits})
        super().__init__({"i_weight": In(stream.Signature(row))} | near_streams(config))

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(self._config.memory_shape, macro=self._config.memory == "macro")
        m.submodules.array = array = NearArray(self._config)
        wiring.connect(m, array.i_command, wiring.flipped(self.i_command))
        wiring.connect(m, array.i, wiring.flipped(self.i))
        wiring.connect(m, wiring.flipped(self.o), array.o)
        m.d.comb += [  # what the lanes need goes before the rows that are written
            self.i_weight.ready.eq(~array.read),
            memory.read.eq(array.read),
            memory.write.eq(self.i_weight.valid & ~array.read),
            memory.address.eq(Mux(array.read, array.address, self.i_weight.payload.row)),
            memory.data.eq(self.i_weight.payload.data),
            array.row.eq(memory.row),
        ]
        return m
