"""The window registers of an engine: the words that the lanes see."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.numbers.integers import ceil_div

from .engine_config import BANKS, SIDES, EngineConfig
from .engine_layouts import window_layout


class WindowRegisters(wiring.Component):
    """Three columns of words that new ones push to the left; or words of a point. Padding takes the place of words
    beyond the map.

    Members
    -------
    window : In(`window_layout`)
    pad : In(2 * ``act_bits``), the padding of the channels in the lower and in the upper half of a word
    words : In(array[6] of words), what was read
    x : Out(array[lanes] of ``act_bits``), tap by tap
    """

    signal_parts = {r".*": "activations"}

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "window": In(window_layout()),
                "pad": In(2 * config.act_bits),
                "words": In(data.ArrayLayout(config.word_bits, BANKS)),
                "x": Out(data.ArrayLayout(config.act_bits, config.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, window = self._config, self.window
        low, high = self.pad[: config.act_bits], self.pad[config.act_bits :]
        lower = ceil_div(config.group, 2)
        pad = Cat(low.replicate(lower), high.replicate(config.group - lower))
        slots = [Signal(config.word_bits, name=f"slot_{slot}") for slot in range(BANKS)]
        m.d.comb += [s.eq(Mux(window.padded[i], pad, self.words[i])) for i, s in enumerate(slots)]
        taps = [Signal(config.word_bits, name=f"tap_{tap}", reset_less=True) for tap in range(config.taps)]
        for row in range(config.window_rows if config.taps > 1 else 0):
            self._shift(m, taps[3 * row : 3 * row + 3], slots[SIDES * row : SIDES * row + 2], pad)
        with m.If(window.point):
            m.d.sync += [taps[tap].eq(slots[slot]) for tap, slot in self.point_taps(config)]
        m.d.comb += Cat(self.x).eq(Cat(taps))
        return m

    def _shift(self, m: Module, taps: list[Signal], new: list[Signal], pad: Value) -> None:
        with m.If(self.window.one):
            m.d.sync += [taps[0].eq(taps[1]), taps[1].eq(taps[2]), taps[2].eq(new[0])]
        with m.If(self.window.two):
            m.d.sync += [taps[0].eq(Mux(self.window.left_pad, pad, taps[2])), taps[1].eq(new[0]), taps[2].eq(new[1])]

    @staticmethod
    def point_taps(config: EngineConfig) -> list[tuple[int, int]]:
        """(tap, slot) of the words of a point, in the order of their groups."""
        if config.taps == 1:
            return [(0, 0)]
        if config.taps == 3:
            return [(i, SIDES * i) for i in range(3)]
        return [(3 * i + 1 + j, SIDES * i + j) for j in range(SIDES) for i in range(3)]
