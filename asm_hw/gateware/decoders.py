"""Weight and activation codes to fields, which lanes take; `Datapath` makes one bit of each shift where it pays."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.formats.weight_format import WeightFormat
from asm_hw.numbers.digits import Digit
from asm_hw.numbers.level_code import LevelCode
from asm_hw.numbers.weight_digits import encode_digits

from .repeated_modules import Emission
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


class BoothRecoder(wiring.Component):
    """A two's complement weight to radix-4 Booth digits; combinational (Booth 1951, MacSorley 1961).

    Digit i is ``-2 * w[2i+1] + w[2i] + w[2i-1]``: ``one`` or ``two`` says its magnitude, ``negative`` its sign.

    Members
    -------
    code : In(``weight_bits``)
    digits : Out(struct of `digit_fields`)
    """

    def __init__(self, weight: WeightFormat):
        super().__init__({"code": In(weight.bits), "digits": Out(struct_of(weight.form_fields))})

    def elaborate(self, platform):
        m = Module()
        bits = Cat(Const(0, 1), self.code, self.code[-1])
        for i in range((len(self.code) + 1) // 2):
            low, middle, high = bits[2 * i : 2 * i + 3]
            m.d.comb += [
                self.digits[f"one{i}"].eq(low ^ middle),
                self.digits[f"negative{i}"].eq(high & ~(low & middle)),
            ]
            if 2 * i + 1 < len(self.code):  # the top digit of an odd number of bits is -1, 0 or 1
                m.d.comb += self.digits[f"two{i}"].eq(Mux(high, ~(low | middle), low & middle))
        return m


class FewestDigitsRecoder(wiring.Component):
    """A two's complement weight to the fewest digits of its form that are not 0, by a table; combinational.

    Members
    -------
    code : In(``weight_bits``)
    digits : Out(struct of `digit_fields`)
    """

    def __init__(self, weight: WeightFormat):
        self._weight = weight
        super().__init__({"code": In(weight.bits), "digits": Out(struct_of(weight.form_fields))})

    def elaborate(self, platform):
        m = Module()
        with m.Switch(self.code):
            for value in self._weight.values:
                with m.Case(value % (1 << self._weight.bits)):
                    m.d.comb += self.digits.as_value().eq(encode_digits(self._weight.digits, value))
        return m


class PairDecoder(wiring.Component):
    """Which bits of two weights, in two's complement, are set in the first alone, the second alone, or both.

    Members
    -------
    first, second : In(``weight_bits``)
    hot : Out(struct of a, b, sum: ``weight_bits`` each)
    """

    signal_parts = {r".*": "weight_registers"}

    def __init__(self, weight_bits: int):
        self._bits = weight_bits
        layout = data.StructLayout(dict.fromkeys(("a", "b", "sum"), weight_bits))
        super().__init__({"first": In(weight_bits), "second": In(weight_bits), "hot": Out(layout)})

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance("pair_decoder", self, self._bits, clocked=False)
        m = Module()
        m.d.comb += [
            self.hot.a.eq(self.first & ~self.second),
            self.hot.b.eq(self.second & ~self.first),
            self.hot.sum.eq(self.first & self.second),
        ]
        return m
