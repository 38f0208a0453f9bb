"""The memory of a unit: one port, one access a cycle, as registers that tools infer a RAM from or as a macro."""

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.formats.sram_macro import sram_module
from asm_hw.numbers.integers import ceil_log2


class Memory(wiring.Component):
    """Rows of ``shape`` (rows, bits); a read gives its row after the edge and holds it until the next read.

    ``macro``: an instance of a module that a memory macro replaces (`asm_hw.formats.sram_macro`).
    What a read gives in the cycle of a write is undefined.

    Members
    -------
    read, write : In(1), at most one of them
    address : In(ceil_log2(rows), at least 1)
    data : In(``bits``), what is written
    row : Out(``bits``), what was read
    """

    def __init__(self, shape: tuple[int, int], macro: bool):
        self._rows, self._bits = shape
        self._macro = macro
        address, bits = max(1, ceil_log2(self._rows)), self._bits
        super().__init__({"read": In(1), "write": In(1), "address": In(address), "data": In(bits), "row": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        if self._macro:  # the behavioural model stands in the unit's file, wrappers of real macros beside it
            m.submodules.sram = Instance(
                sram_module(self._rows, self._bits),
                i_clk=ClockSignal(),
                i_read=self.read,
                i_write=self.write,
                i_address=self.address,
                i_data=self.data,
                o_row=self.row,
            )
            return m
        m.submodules.rows = rows = memory.Memory(shape=self._bits, depth=self._rows, init=[])
        # Two ports of one address, never used at once: synthesis makes a single-port memory of them.
        write, read = rows.write_port(), rows.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.address),
            write.data.eq(self.data),
            read.en.eq(self.read),
            read.addr.eq(self.address),
            self.row.eq(read.data),
        ]
        return m
