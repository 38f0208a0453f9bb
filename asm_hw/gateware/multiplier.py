"""Unit ``multiplier``: decoder, bank and one lane, combinational."""

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import MultiplierConfig
from .accumulate import add_products
from .datapath import Datapath


class Multiplier(wiring.Component):
    """``p = value(w) * value(x)``, exact; combinational, no clock.

    Members
    -------
    x : In(``config.x_bits``), the activation
    w : In(``config.w_bits``), the weight code
    p : Out(signed(``config.p_bits``))
    """

    def __init__(self, config: MultiplierConfig):
        self._config = config
        super().__init__({"x": In(config.x_bits), "w": In(config.w_bits), "p": Out(signed(config.p_bits))})

    def elaborate(self, platform):
        m = Module()
        datapath = Datapath(self._config)
        lane = datapath.add_lane(
            m, "lane", datapath.add_weight(m, "weight", self.w), datapath.add_activation(m, "x", self.x)
        )
        m.d.comb += self.p.eq(add_products(m, self._config, [lane], self._config.p_bits))
        return m
