"""What follows a column of the engine: requantize with what joins, clamp, and the digits of the result."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.adders import add_products
from asm_hw.gateware.datapath import Datapath
from asm_hw.gateware.repeated_modules import Emission
from asm_hw.gateware.shapes import struct_of

from .engine_config import EngineConfig


class Joining(wiring.Component):
    """``skip * scale``, combinational; a shift follows, for the rows of a negative product cannot be shifted apart."""

    signal_parts = {r".*": "requantize"}

    def __init__(self, config: EngineConfig):
        self._product, self._adders = config.skip_product, config.adders
        super().__init__(
            {
                "skip": In(config.skip_bits),
                "scale": In(config.requantize.scale.code_bits),
                "product": Out(signed(self._product.bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        datapath, bits = Datapath(self._product, self._adders), self._product.bits
        scale = datapath.add_weight(m, "weight", self.scale)
        lane = datapath.add_lane(m, "lane", scale, datapath.add_activation(m, "skip", self.skip))
        m.d.comb += self.product.eq(add_products(m, self._adders, [lane], bits))
        return m


class OutputPipe(wiring.Component):
    """``y = clamp((acc * scale + (skip * skip_scale << skip_shift) + bias + (1 << shift - 1)) >> shift)``.

    Shift 0 adds no half; low and high are not negative. Products, the sum of them, and the result are registered, one a
    cycle.

    Members
    -------
    acc : In(signed(``acc_bits``))
    skip : In(``skip_bits``), the stored value that joins, or 0
    channel : In(struct ``records.channel``), with ``acc``
    finish : In(1), with ``acc``: it counts
    low, high : In(y), limits of the result, two cycles after ``acc``
    y : Out(``requantize.out_bits``), unsigned, as it is stored
    """

    signal_parts = {r".*": "requantize"}

    def __init__(self, config: EngineConfig):
        self._config = config
        y = config.requantize.out_bits
        super().__init__(
            {
                "acc": In(signed(config.accumulator.bits)),
                "skip": In(config.skip_bits),
                "channel": In(struct_of(config.records.channel)),
                "finish": In(1),
                "low": In(y),
                "high": In(y),
                "y": Out(y),
            }
        )

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance("output_pipe", self, self._config, clocked=True)
        m = Module()
        config, channel = self._config, self.channel
        width = config.requantize.sum_bits
        sums = Datapath(config.requantize.product, config.adders)
        scale = sums.add_weight(m, "weight", channel.scale)
        lane = sums.add_lane(m, "lane", scale, sums.add_activation(m, "acc", self.acc))
        m.submodules.joining = joining = Joining(config)
        m.d.comb += [joining.skip.eq(self.skip), joining.scale.eq(channel.skip_scale)]
        own, total = (Signal(signed(width), name=name, reset_less=True) for name in ("own", "total"))
        joined = Signal.like(joining.product, name="joined", reset_less=True)
        up = Signal.like(channel.skip_shift, name="up", reset_less=True)
        # The channel may be another one in the next cycle.
        shifts = [Signal.like(channel.shift, name=f"shift_{i}", reset_less=True) for i in range(2)]
        ready = Signal(2)
        m.d.sync += ready.eq(Cat(self.finish, ready[0]))
        with m.If(self.finish):
            m.d.sync += [
                own.eq(add_products(m, config.adders, [lane], width, others=(channel.bias.as_signed(),))),
                joined.eq(joining.product), up.eq(channel.skip_shift), shifts[0].eq(channel.shift),
            ]  # fmt: skip
        with m.If(ready[0]):
            m.d.sync += [total.eq(own + (joined << up)), shifts[1].eq(shifts[0])]
        y = Signal.like(self.y, name="clamped", reset_less=True)
        with m.If(ready[1]):
            m.d.sync += y.eq(self._clamped(m, total, shifts[1]))
        m.d.comb += self.y.eq(y)
        return m

    def _clamped(self, m: Module, total: Signal, shift: Signal) -> Value:
        """``total`` moved down, rounded, and within the limits.

        Half a step is the bit below the result: adding it afterwards spares an adder as wide as the sum. Limits are
        unsigned, so that they are compared with the result's own bits; the sum's further bits only say on which side
        of them it is. They meet it before it is rounded, which no limit lets through in either direction: what lies
        below ``low`` is rounded up to it at most.
        """
        bits = len(self.y)
        kept, above = total << 1, Const(0, 1)
        for place in reversed(range(len(shift))):
            moved = Mux(shift[place], kept >> (1 << place), kept)
            size = min(len(moved), bits + (1 << place))  # what the smaller moves may still bring down
            above |= moved[size:-1].any()
            kept = Cat(moved[:size], total[-1]).as_signed()
        floor, limit = Signal(bits), Signal(bits, name="limited")
        rounded = (floor + kept[0])[:bits]
        m.d.comb += [
            floor.eq(kept[1 : bits + 1]),
            limit.eq(Mux(above | (floor >= self.high), self.high, Mux(floor < self.low, self.low, rounded))),
        ]
        return Mux(total[-1], self.low, limit)
