"""Unit ``mac``: one multiply-accumulate a cycle."""

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.adders import ADDER_PARTS, add_accumulator
from asm_hw.gateware.datapath import DATAPATH_PARTS, Datapath
from asm_hw.units.operands_config import AccumulatingConfig


class Mac(wiring.Component):
    """On a clock edge with ``en``: ``acc <= (clear ? 0 : acc) + value(w) * value(x)``; else it holds.

    The operands are not registered: they must be stable before the edge that takes them. Reset
    (synchronous, active high) sets ``acc`` to 0.

    Members
    -------
    en : In(1), take the operands on this edge
    clear : In(1), start a new sum with this product; ignored without ``en``
    x : In(``config.activation.code_bits``), the activation
    w : In(``config.weight.code_bits``), the weight code
    acc : Out(signed(``config.acc_bits``)), one cycle after the operands
    """

    signal_parts = {
        r"rst|en|clear": "control",
        r"w": "weight_registers",
        r"x": "activations",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: AccumulatingConfig):
        self._config = config
        super().__init__(
            {
                "en": In(1),
                "clear": In(1),
                "x": In(config.activation.code_bits),
                "w": In(config.weight.code_bits),
                "acc": Out(signed(config.accumulator.bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lane = Datapath(self._config.product, self._config.adders).add_multiplier(m, self.w, self.x)
        # The register itself; with carry_save the sum of two registers, added on the way out.
        m.d.comb += self.acc.eq(
            add_accumulator(m, self._config.accumulator, self._config.adders, [lane], self.en, self.clear)
        )
        return m
