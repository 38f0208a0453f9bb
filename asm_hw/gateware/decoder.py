"""Packed weight or activation codes to the fields of the datapath, and encoded activations to binary."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..encoding import Digit, Field, LevelCode


def layout(fields: tuple[Field, ...]) -> data.StructLayout:
    """The struct whose members sit where ``fields`` says."""
    return data.StructLayout({field.name: field.width for field in fields})


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
        super().__init__({"code": In(layout(levels.packed_fields)), "fields": Out(layout(levels.fields))})

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
        if not value:
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
        super().__init__({"code": In(layout(levels.packed_fields)), "x": Out(shape)})

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
