"""The requantize unit: accumulator to activation of the next layer, by an ASM level, a bias, a shift and a clamp."""

from amaranth.hdl import Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.formats.accumulator_format import AdderStyle
from asm_hw.formats.requantize_format import RequantizeFormat

from .adders import products_heap
from .datapath import Datapath
from .repeated_modules import Emission
from .shapes import struct_of


class RequantizeStage(wiring.Component):
    """``y = clamp((acc * scale + bias + (1 << shift - 1)) >> shift)``, shift 0 adds nothing; combinational.

    Members
    -------
    acc : In(signed(``requantize.acc_bits``))
    channel : In(struct ``requantize.fields``): scale (packed code), bias (two's complement), shift
    y : Out(``requantize.out_bits``, signed if ``requantize.out_signed``)
    """

    signal_parts = {r".*": "requantize"}

    def __init__(self, requantize: RequantizeFormat):
        self._requantize = requantize
        super().__init__(
            {
                "acc": In(signed(requantize.acc_bits)),
                "channel": In(struct_of(requantize.fields)),
                "y": Out(Shape(requantize.out_bits, requantize.out_signed)),
            }
        )

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance("requantize", self, self._requantize, clocked=False)
        m = Module()
        requantize = self._requantize
        datapath = Datapath(requantize.product, AdderStyle.HEAP)
        scale = datapath.add_weight(m, "weight", self.channel.scale)
        lane = datapath.add_lane(m, "lane", scale, datapath.add_activation(m, "acc", self.acc))
        # Product, bias and half a step are added at once: one carry-propagate adder in all.
        heap = products_heap(m, AdderStyle.HEAP, [lane], requantize.sum_bits)
        heap.add(self.channel.bias.as_signed())
        heap.add((Const(1, 1) << self.channel.shift)[1:])  # half a step; none where shift is 0
        left, right = heap.reduce(m)
        # Two bits more than the longest addend, so that nothing wraps before the clamp.
        total, shifted = Signal(signed(requantize.sum_bits)), Signal(signed(requantize.sum_bits))
        low, high = requantize.out_range
        m.d.comb += [
            total.eq(left + right),
            shifted.eq(total >> self.channel.shift),
            self.y.eq(Mux(shifted < low, low, Mux(shifted > high, high, shifted))),
        ]
        return m
