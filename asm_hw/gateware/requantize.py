"""The requantize unit: accumulator to activation of the next layer, by an ASM level, a bias, a shift and a clamp."""

from amaranth.hdl import Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import RequantizeConfig
from .accumulate import products_heap
from .datapath import Datapath
from .repeat import Emission
from .shapes import layout


class Requantize(wiring.Component):
    """``y = clamp((acc * scale + bias + (1 << shift - 1)) >> shift)``, shift 0 adds nothing; combinational.

    Members
    -------
    acc : In(signed(``config.act_bits``))
    channel : In(struct ``config.fields``): scale (packed code), bias (two's complement), shift
    y : Out(``config.out_bits``, signed if ``config.out_signed``)
    """

    def __init__(self, config: RequantizeConfig):
        self._config = config
        super().__init__(
            {
                "acc": In(signed(config.act_bits)),
                "channel": In(layout(config.fields)),
                "y": Out(Shape(config.out_bits, config.out_signed)),
            }
        )

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance("requantize", self, self._config, clocked=False)
        m = Module()
        config, datapath = self._config, Datapath(self._config)
        scale = datapath.add_weight(m, "weight", self.channel.scale)
        lane = datapath.add_lane(m, "lane", scale, datapath.add_activation(m, "acc", self.acc))
        heap = products_heap(m, config, [lane], config.sum_bits)
        heap.add(self.channel.bias.as_signed())
        heap.add((Const(1, 1) << self.channel.shift)[1:])  # half a step; none where shift is 0
        left, right = heap.reduce(m)
        total, shifted = Signal(signed(config.sum_bits)), Signal(signed(config.sum_bits))
        low, high = config.out_range
        m.d.comb += [
            total.eq(left + right),
            shifted.eq(total >> self.channel.shift),
            self.y.eq(Mux(shifted < low, low, Mux(shifted > high, high, shifted))),
        ]
        return m
