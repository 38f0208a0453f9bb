"""The bit cells: a memory whose rows can be opened two at a time."""

from amaranth.hdl import Const, Module, Mux
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from asm_hw.numbers.integers import ceil_log2

from .bitline_config import BitlineConfig
from .bitline_instructions import ADDRESSES
from .bitline_ports import cells_signature


class BitlineArray(wiring.Component):
    """A behavioural model of the array with its sense amplifiers, write drivers and row decoders.

    Each column has a pair of precharged lines. An open row discharges ``bl`` where its cell is 0 and ``blb``
    where it is 1; so with two rows open ``bl`` is their AND and ``blb`` their NOR, and with none both are
    1. Lines are read in the cycle of the access, and a row is written on the edge that ends it: read,
    compute and write are one cycle. The macro boundary of an ASIC flow; the cells are not reset.

    Members
    -------
    a, b, d : In(ceil_log2(``config.rows``)), addresses: rows to open, and the row to write
    cells : In(`cells_signature`)
    """

    def __init__(self, config: BitlineConfig):
        self._config = config
        address = In(ceil_log2(config.rows))
        super().__init__(dict.fromkeys(ADDRESSES, address) | {"cells": In(cells_signature(config))})

    def elaborate(self, platform):
        m = Module()
        cols = self._config.cols
        precharged = Const(-1, cols)
        m.submodules.memory = cells = memory.Memory(shape=cols, depth=self._config.rows, init=[])
        lines, complements = [], []
        for name in ("a", "b"):
            port = cells.read_port(domain="comb")
            opened = getattr(self.cells, f"open_{name}")
            m.d.comb += port.addr.eq(getattr(self, name))
            # A row that stays closed discharges neither line.
            lines.append(Mux(opened, port.data, precharged))
            complements.append(Mux(opened, ~port.data, precharged))
        m.d.comb += [self.cells.bl.eq(lines[0] & lines[1]), self.cells.blb.eq(complements[0] & complements[1])]
        # An enable for each word: words that are masked keep their cells.
        port = cells.write_port(granularity=self._config.columns_per_word)
        m.d.comb += [port.addr.eq(self.d), port.data.eq(self.cells.data), port.en.eq(self.cells.write)]
        return m
