"""One column of the near-memory array: two sets of weight registers, lanes, adders and the accumulator file.

Decoders and the requantize stage serve several columns: they are in `near_array.py`.
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from asm_hw.gateware.adders import ADDER_PARTS, add_to
from asm_hw.gateware.datapath import BRANCH, DATAPATH_PARTS, Datapath
from asm_hw.gateware.multiplexers import select_counted
from asm_hw.gateware.repeated_modules import Emission
from asm_hw.gateware.shapes import weight_shape
from asm_hw.numbers.integers import ceil_div

from .near_memory_config import NearMemoryConfig


class NearColumn(wiring.Component):
    """Lanes on the weights in use, while the next ones load; ``hold`` partial sums.

    Members
    -------
    load : In(1), take ``weights`` as the next ones on this edge
    weights : In(array[lanes] of `weight_shape`), decoded, shared by the columns
    swap : In(1), the next weights become those in use on this edge
    x : In(array of ``shared``, what `Datapath.add_activations` gives)
    entry : In(bits_for(``hold`` - 1)), the accumulator in use
    clear : In(1), start it
    add : In(1), the sum is right on this edge
    write : In(``hold``), accumulators that take the last sum on this edge
    open : In(ceil_div(``hold``, `BRANCH`)), branches of accumulators that one of them is in
    finish : In(1), ``acc`` takes the sum
    acc : Out(signed(``config.acc_bits``)), the last finished sum
    """

    signal_parts = {
        r"rst|load|swap|entry|clear|add|write|open|finish": "control",
        r"weights\w*|weight_next_\d+\w*": "weight_registers",
        r"entry_\d+|branch_\d+|last|kept": "accumulator",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: NearMemoryConfig, datapath: Datapath, shared: list):
        self._config = config
        self._datapath = datapath
        super().__init__(
            {
                "load": In(1),
                "weights": In(data.ArrayLayout(weight_shape(config.weight), config.lanes)),
                "swap": In(1),
                "x": In(data.ArrayLayout(shared[0].shape(), len(shared))),
                "entry": In(bits_for(config.hold - 1)),
                "clear": In(1),
                "add": In(1),
                "write": In(config.hold),
                "open": In(ceil_div(config.hold, BRANCH)),
                "finish": In(1),
                "acc": Out(signed(config.accumulator.bits)),
            }
        )

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance("column", self, self._config, clocked=True)
        m = Module()
        config = self._config
        lanes = self._datapath.add_held_lanes(m, self.load, self.swap, self.weights, self.x)
        shape = signed(config.accumulator.bits)
        # No reset: the first tile of a block starts from 0, by ``clear``.
        file = [Signal(shape, name=f"entry_{i}", reset_less=True) for i in range(config.hold)]
        # A sum reaches its entry a cycle late, out of ``last``: the choice of an entry does not follow the adders.
        last, kept = Signal(shape, reset_less=True), Signal(shape)
        m.d.comb += kept.eq(Mux(self.clear, 0, select_counted(file, self.entry)))
        # `select_counted` has a level of multiplexers for each bit of ``entry``; two of them are taken as a full adder.
        total = add_to(m, config.accumulator, config.adders, lanes, kept, arrival=len(self.entry) // 2)
        with m.If(self.add):
            m.d.sync += last.eq(total)
        # Registers that do not take the sum should not see it: neither its glitches nor, but for one branch, itself.
        for first in range(0, config.hold, BRANCH):
            branch = Signal(shape, name=f"branch_{first}")
            m.d.comb += branch.eq(last & self.open[first // BRANCH].replicate(len(last)))
            for i, entry in enumerate(file[first : first + BRANCH], first):
                with m.If(self.write[i]):
                    m.d.sync += entry.eq(branch)
        # The sum of the last tile needs no entry: it goes to the output register at once.
        with m.If(self.finish):
            m.d.sync += self.acc.eq(total)
        return m
