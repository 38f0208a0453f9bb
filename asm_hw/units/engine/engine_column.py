"""A column of the engine: two sets of weight registers, lanes, their sum, and the accumulators."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from asm_hw.gateware.adders import ADDER_PARTS
from asm_hw.gateware.datapath import DATAPATH_PARTS, Datapath
from asm_hw.gateware.multiplexers import select_counted
from asm_hw.gateware.repeated_modules import Emission
from asm_hw.gateware.shapes import weight_shape
from asm_hw.gateware.staged_sum import STAGED_PARTS, add_in_stages
from asm_hw.numbers.integers import ceil_log2

from .engine_config import EngineConfig

SHARED_ENTRIES = 8
"""Accumulators whose inputs are one bus."""


class EngineColumn(wiring.Component):
    """The sum of the lanes is registered, perhaps in parts before; in the next cycle it enters an accumulator, moved by
    the tile's digits.

    Members
    -------
    load : In(1), take ``weights`` as the next ones on this edge
    weights : In(array[lanes] of `weight_shape`), decoded, shared by the columns
    swap : In(1), the next weights become those in use on this edge
    x : In(array of ``shared``, what `Datapath.add_activations` gives)
    add : In(``stages``), by stage: register the partial sums of the lanes; the last one their sum
    gather : In(1), a cycle later: it enters ``entry``, which ``clear`` starts from 0; ``shift``: quartets
    largest : In(1), the larger of both stays instead of their sum
    finish : In(1), ``acc`` takes the sum too
    acc : Out(signed(``acc_bits``))
    """

    signal_parts = {
        r"rst|load|swap|entry|clear|add|gather|finish|shift|largest": "control",
        r"weights\w*|weight_next_\d+\w*": "weight_registers",
        r"entry_\d+|writes_\d+|shared_\d+|kept|moved|total|products|ended": "accumulator",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
        **STAGED_PARTS,
    }

    def __init__(self, config: EngineConfig, datapath: Datapath, shared: list):
        self._config, self._datapath = config, datapath
        controls = ("load", "swap", "gather", "clear", "largest", "finish")
        super().__init__(
            {name: In(1) for name in controls}
            | {
                "weights": In(data.ArrayLayout(weight_shape(config.weight), config.lanes)),
                "x": In(data.ArrayLayout(shared[0].shape(), len(shared))),
                "add": In(config.stages),
                "entry": In(bits_for(config.hold - 1)),
                "shift": In(3),
                "acc": Out(signed(config.accumulator.bits)),
            }
        )

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance("column", self, self._config, clocked=True)
        m = Module()
        config = self._config
        lanes = self._datapath.add_held_lanes(m, self.load, self.swap, self.weights, self.x)
        products = add_in_stages(m, config.adders, lanes, self.add)
        shape = signed(config.accumulator.bits)
        kept, moved, total = Signal(shape), Signal(shape), Signal(shape)
        m.d.comb += [
            kept.eq(Mux(self.clear, 0, self._entry(m, total))),
            moved.eq(products << (self.shift << 2)),
            total.eq(Mux(self.largest, Mux(kept > moved, kept, moved), kept + moved)),
        ]
        ended = Signal(shape, reset_less=True)
        with m.If(self.finish):
            m.d.sync += ended.eq(total)
        m.d.comb += self.acc.eq(ended)
        return m

    def _entry(self, m: Module, total: Value) -> Value:
        """The accumulator at ``entry``, which takes ``total`` with ``gather``, unless the sum ends with it."""
        config, shape, writes = self._config, total.shape(), self.gather & ~self.finish
        if config.accumulators == "memory":
            m.submodules.file = file = memory.Memory(shape=shape, depth=config.hold, init=[])
            write, read = file.write_port(), file.read_port(domain="comb")
            m.d.comb += [write.en.eq(writes), write.addr.eq(self.entry), write.data.eq(total)]
            m.d.comb += read.addr.eq(self.entry)
            return read.data
        entries = [Signal(shape, name=f"entry_{i}", reset_less=True) for i in range(config.hold)]
        low = ceil_log2(SHARED_ENTRIES)
        for first in range(0, config.hold, SHARED_ENTRIES):
            # Inputs of registers take energy without their clock: only these see the sum move.
            here, shared = Signal(name=f"writes_{first}"), Signal(shape, name=f"shared_{first}")
            m.d.comb += here.eq(writes & (self.entry[low:] == first >> low))
            m.d.comb += shared.eq(total & here.replicate(len(total)))
            with m.If(here), m.Switch(self.entry[:low]):
                for i, entry in enumerate(entries[first : first + SHARED_ENTRIES]):
                    with m.Case(i):
                        m.d.sync += entry.eq(shared)
        return select_counted(entries, self.entry)
