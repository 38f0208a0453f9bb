"""Weight and activation codes to fields, which lanes take; `Datapath` makes one bit of each shift where it pays."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.numbers.digits import Digit
from asm_hw.numbers.level_code import LevelCode

from .shapes import struct_of


class Decoder(wiring.Component):
    """Packed code to fields; combinational.

    An index past the values of its digit, which the encoder never emits, reads as the largest value.

    Members
    -------
    code : In(struct ``levels.packed_fields``)
    fields : Out(struct ``levels.fields``)
    """

    def __init__(self, levels: LevelCode):
        self._levels = levels
        super().__init__({"code": In(struct_of(levels.packed_fields)), "fields": Out(struct_of(levels.fields))})

    def elaborate(self, platform):
        m = Module()
        for i, digit in enumerate(self._levels.digits):
            with m.Switch(self.code[f"digit{i}"]):
                for index, value in enumerate(digit.values):
                    with m.Default() if value == digit.values[-1] else m.Case(index):
                        m.d.comb += self._digit(i, digit, value)
        if self._levels.signed:
            m.d.comb += self.fields.sign.eq(self.code.sign)
        return m

    def _digit(self, i: int, digit: Digit, value: int):
        if not value:  # shift and alphabet of a zero digit may be anything: left at 0
            return [self.fields[f"zero{i}"].eq(1)]
        alphabet, shift = digit.split(value)
        parts = {f"alphabet{i}": alphabet, f"shift{i}": shift}
        return [self.fields[name].eq(part) for name, part in parts.items() if part]


class ActivationDecoder(wiring.Component):
    """Packed activation code to its binary value; combinational.

    Members
    -------
    code : In(struct ``levels.packed_fields``)
    x : Out(``levels.magnitude_bits``, plus a sign bit in two's complement if the code is signed)
    """

    def __init__(self, levels: LevelCode):
        self._levels = levels
        shape = Shape(levels.magnitude_bits + levels.signed, levels.signed)
        super().__init__({"code": In(struct_of(levels.packed_fields)), "x": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        magnitude = Signal(self._levels.magnitude_bits)
        for i, digit in enumerate(self._levels.digits):
            part = magnitude[digit.position : digit.position + digit.bits]
            with m.Switch(self.code[f"digit{i}"]):
                for index, value in enumerate(digit.values):
                    with m.Default() if value == digit.values[-1] else m.Case(index):
                        m.d.comb += part.eq(value)
        m.d.comb += self.x.eq(Mux(self.code.sign, -magnitude, magnitude) if self._levels.signed else magnitude)
        return m


class Recoder(wiring.Component):
    """A two's complement weight to radix-4 Booth digits; combinational (Booth 1951, MacSorley 1961).

    Digit i is ``-2 * w[2i+1] + w[2i] + w[2i-1]``: ``one`` or ``two`` says its magnitude, ``negative`` its sign.

    Members
    -------
    code : In(``weight_bits``)
    digits : Out(struct of one<i>, two<i>, negative<i>)
    """

    def __init__(self, weight_bits: int, shape):
        super().__init__({"code": In(weight_bits), "digits": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        bits = Cat(Const(0, 1), self.code, self.code[-1])
        for i in range((len(self.code) + 1) // 2):
            low, middle, high = bits[2 * i : 2 * i + 3]
            m.d.comb += [
                self.digits[f"one{i}"].eq(low ^ middle),
                self.digits[f"two{i}"].eq(Mux(high, ~(low | middle), low & middle)),
                self.digits[f"negative{i}"].eq(high & ~(low & middle)),
            ]
        return m
