"""Results on levels: where a layer's outputs are encoded, the nearest level of an alphabet set is stored."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.gateware.repeated_modules import Emission


class LevelRounder(wiring.Component):
    """The nearest level of ``encoded`` to ``y - offset``, plus ``offset``; ``y`` itself without ``encode``.

    ``encoded``: unsigned. A tie goes to the smaller magnitude. Of fewer bits and of signed ones the levels are those
    of magnitudes as small: limits keep to them.

    Members
    -------
    y : In(``encoded.bits``), as it is stored
    encode : In(1)
    offset : In(``encoded.bits``), what a stored 0 is
    level : Out(``encoded.bits``), combinational
    """

    signal_parts = {r".*": "requantize"}

    def __init__(self, encoded: ActivationFormat):
        self._encoded, bits = encoded, encoded.bits
        super().__init__({"y": In(bits), "encode": In(1), "offset": In(bits), "level": Out(bits)})

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance(f"level_rounder_{self._encoded.bits}", self, self._encoded, clocked=False)
        m, bits = Module(), self._encoded.bits
        value, magnitude, nearest = Signal(signed(bits + 1)), Signal(bits), Signal(bits)
        negative = value[-1]
        m.d.comb += [
            value.eq(self.y - self.offset),
            magnitude.eq(Mux(negative, -value, value)),
            self.level.eq(Mux(self.encode, self.offset + Mux(negative, -nearest, nearest), self.y)),
        ]
        with m.Switch(magnitude):
            for level, nearby in self._nearby().items():
                with m.Case(*nearby):
                    m.d.comb += nearest.eq(level)
        return m

    def _nearby(self) -> dict[int, list[int]]:
        """Each level, and the magnitudes that it is the nearest one to."""
        levels = self._encoded.levels
        assert levels is not None
        found: dict[int, list[int]] = {}
        for magnitude in range(1 << self._encoded.bits):
            found.setdefault(levels.nearest(magnitude), []).append(magnitude)
        return found
