"""Results looked up: where a layer's outputs go through a function, the entry of a table is stored instead."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.repeated_modules import Emission
from asm_hw.gateware.unit_memory import Memory

from .engine_config import EngineConfig
from .engine_records import ENTRY_BITS, TABLE_ENTRIES


class ResultTable(wiring.Component):
    """Entry ``y`` of a table, or with ``look_up`` 0 ``y`` itself, `TABLE_STAGES` edges later.

    Members
    -------
    y : In(``requantize.out_bits``), as it would be stored; of one that is looked up the lowest `ENTRY_BITS` count
    look_up : In(1), for results of the edge before
    table : In(``records.table_bits``), which one
    write : In(1), ``data`` becomes the entry at ``address``; nothing is looked up meanwhile
    address : In(``config.entry_address_bits``), the table above the entry
    data : In(`ENTRY_BITS`)
    result : Out(``requantize.out_bits``)
    """

    signal_parts = {r".*": "requantize"}

    def __init__(self, config: EngineConfig):
        self._config = config
        bits, choice = config.requantize.out_bits, config.records.table_bits
        super().__init__(
            {"y": In(bits), "look_up": In(1), "write": In(1), "address": In(config.entry_address_bits)}
            | ({"table": In(choice)} if choice else {})
            | {"data": In(ENTRY_BITS), "result": Out(bits)}
        )

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance("result_table", self, self._config, clocked=True)
        m = Module()
        rows = self._config.tables * TABLE_ENTRIES
        m.submodules.entries = entries = Memory((rows, ENTRY_BITS), macro=False)
        looked = Cat(self.y[:ENTRY_BITS], self.table) if self._config.records.table_bits else self.y[:ENTRY_BITS]
        passed, result = (Signal.like(self.y, name=name, reset_less=True) for name in ("passed", "stored"))
        m.d.comb += [
            entries.read.eq(self.look_up & ~self.write), entries.write.eq(self.write),
            entries.address.eq(Mux(self.write, self.address, looked)), entries.data.eq(self.data),
            self.result.eq(result),
        ]  # fmt: skip
        m.d.sync += [passed.eq(self.y), result.eq(Mux(self.look_up, entries.row, passed))]
        return m
