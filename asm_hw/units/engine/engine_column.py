"""A column of the engine: two sets of weight registers, lanes, their sum, and the accumulators."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from asm_hw.gateware.adders import ADDER_PARTS, add_products
from asm_hw.gateware.datapath import DATAPATH_PARTS, Datapath
from asm_hw.gateware.multiplexers import select_counted
from asm_hw.gateware.repeated_modules import Emission
from asm_hw.gateware.shapes import weight_shape

from .engine_config import EngineConfig


class EngineColumn(wiring.Component):
    """The sum of the lanes is registered; in the next cycle it enters an accumulator, moved by the tile's digits.

    Members
    -------
    load : In(1), take ``weights`` as the next ones on this edge
    weights : In(array[lanes] of `weight_shape`), decoded, shared by the columns
    swap : In(1), the next weights become those in use on this edge
    x : In(array[lanes] of what `Datapath.add_activation` gives), shared by the columns
    add : In(1), register the sum of the lanes
    gather : In(1), a cycle later: it enters ``entry``, which ``clear`` starts from 0; ``shift``: quartets
    largest : In(1), the larger of both stays instead of their sum
    finish : In(1), ``acc`` takes the sum too
    acc : Out(signed(``acc_bits``))
    """

    signal_parts = {
        r"rst|load|swap|entry|clear|add|gather|finish|shift|largest": "control",
        r"weights\w*|weight_next_\d+\w*": "weight_registers",
        r"entry_\d+|kept|moved|total|products": "accumulator",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: EngineConfig, datapath: Datapath, x_shape):
        self._config, self._datapath = config, datapath
        controls = ("load", "swap", "add", "gather", "clear", "largest", "finish")
        super().__init__(
            {name: In(1) for name in controls}
            | {
                "weights": In(data.ArrayLayout(weight_shape(config.weight), config.lanes)),
                "x": In(data.ArrayLayout(x_shape, config.lanes)),
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
        products = Signal(signed(config.lane_sum.bits), reset_less=True)
        with m.If(self.add):
            m.d.sync += products.eq(add_products(m, config.adders, lanes, config.lane_sum.bits))
        shape = signed(config.accumulator.bits)
        file = [Signal(shape, name=f"entry_{i}", reset_less=True) for i in range(config.hold)]
        kept, moved, total = Signal(shape), Signal(shape), Signal(shape)
        m.d.comb += [
            kept.eq(Mux(self.clear, 0, select_counted(file, self.entry))),
            moved.eq(products << (self.shift << 2)),
            total.eq(Mux(self.largest, Mux(kept > moved, kept, moved), kept + moved)),
        ]
        with m.If(self.gather), m.Switch(self.entry):
            for i, entry in enumerate(file):
                with m.Case(i):
                    m.d.sync += entry.eq(total)
        with m.If(self.finish):
            m.d.sync += self.acc.eq(total)
        return m
