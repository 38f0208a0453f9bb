"""The memory of a unit: one port, one access a cycle, as registers that tools infer a RAM from or as a macro."""

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..config.stored import StoredConfig, sram_module


class WeightMemory(wiring.Component):
    """``depth`` rows; a read gives its row after the edge and holds it until the next read.

    What a read gives in the cycle of a write is undefined.

    Members
    -------
    read, write : In(1), at most one of them
    address : In(``config.row_address_bits``)
    data : In(``config.memory_bits``), what is written
    row : Out(``config.memory_bits``), what was read
    """

    def __init__(self, config: StoredConfig):
        self._config = config
        super().__init__(
            {
                "read": In(1),
                "write": In(1),
                "address": In(config.row_address_bits),
                "data": In(config.memory_bits),
                "row": Out(config.memory_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        if config.memory == "macro":
            m.submodules.sram = Instance(
                sram_module(config.depth, config.memory_bits),
                i_clk=ClockSignal(), i_read=self.read, i_write=self.write, i_address=self.address,
                i_data=self.data, o_row=self.row,
            )  # fmt: skip
            return m
        m.submodules.rows = rows = memory.Memory(shape=config.memory_bits, depth=config.depth, init=[])
        write, read = rows.write_port(), rows.read_port()
        m.d.comb += [
            write.en.eq(self.write), write.addr.eq(self.address), write.data.eq(self.data),
            read.en.eq(self.read), read.addr.eq(self.address), self.row.eq(read.data),
        ]  # fmt: skip
        return m
