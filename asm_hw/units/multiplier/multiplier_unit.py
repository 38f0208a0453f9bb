"""Unit ``multiplier``: decoder, bank and one lane, combinational."""

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.adders import add_products
from asm_hw.gateware.datapath import Datapath

from .multiplier_config import MultiplierConfig


class Multiplier(wiring.Component):
    """``p = value(w) * value(x)``, exact; combinational, no clock.

    Members
    -------
    x : In(``config.activation.code_bits``), the activation
    w : In(``config.weight.code_bits``), the weight code
    p : Out(signed(``config.product.bits``))
    """

    def __init__(self, config: MultiplierConfig):
        self._config = config
        super().__init__(
            {
                "x": In(config.activation.code_bits),
                "w": In(config.weight.code_bits),
                "p": Out(signed(config.product.bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lane = Datapath(self._config.product, self._config.adders).add_multiplier(m, self.w, self.x)
        # A lane gives rows that are ready to be added, not yet a product.
        m.d.comb += self.p.eq(add_products(m, self._config.adders, [lane], self._config.product.bits))
        return m
