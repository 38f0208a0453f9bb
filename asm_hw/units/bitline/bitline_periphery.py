"""What stands under the columns of one word: sensed lines to sums, results to a row or to the accumulator."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.decoders import Decoder
from asm_hw.numbers.integers import ceil_log2

from .bitline_config import BitlineConfig
from .bitline_instructions import MOVE


def controls(config: BitlineConfig) -> dict[str, int]:
    """What the controller tells all words alike, with its bits.

    ``one``, ``two`` rows are open; ``fresh``: the sum starts; ``move`` the accumulator up before the addition
    (``shift`` of the weight, where {1} is on both sides); ``subtract`` the rows. A row is written from one
    of `ROW_SOURCES`, or with 0. The row that is ``read`` or the ``sum`` leaves.
    """
    flags = dict.fromkeys(("one", "fresh", "subtract", *ROW_SOURCES, "read", "sum"), 1)
    if config.product.is_power_of_two:
        return flags | {"shift": config.shift_bits}
    return flags | {"two": 1, "move": ceil_log2(MOVE + 1)}


ROW_SOURCES = ("offered", "line", "either", "differ", "neither", "result")


class Word(wiring.Component):
    """The periphery of one word: combinational but for its accumulator.

    With one row open the word on the lines is ``bl``. With two it is ``differ + 2 * bl``: their exclusive or,
    that is neither AND nor NOR, and their AND. A column of full adders takes both and the accumulator,
    and carries ripple inside the word. To subtract is to add to the complement and to complement the sum.

    Members
    -------
    each of `controls` : In
    en : In(1), the accumulator takes the result on this edge
    bl, blb, row : In(``word_bits``), sensed lines and the row that is offered
    data : Out(``word_bits``), what may be written into a row
    o : Out(``acc_bits``), the row or the sum that leaves, else 0
    """

    def __init__(self, config: BitlineConfig):
        self._config = config
        bits = config.columns_per_word
        super().__init__(
            {name: In(bits) for name, bits in controls(config).items()}
            | {"en": In(1), "bl": In(bits), "blb": In(bits), "row": In(bits)}
            | {"data": Out(bits), "o": Out(config.accumulator.bits)}
        )

    def elaborate(self, platform):
        m = Module()
        config, width = self._config, self._config.accumulator.bits
        differ = Signal(config.columns_per_word)
        accumulator = Signal(width)
        total = Signal(width)
        m.d.comb += differ.eq(~(self.bl | self.blb))
        kept = self._kept(m, accumulator)
        if config.product.is_power_of_two:
            m.d.comb += total.eq(self._one_hot_sum(m, kept))
        else:
            m.d.comb += total.eq(self._row_sum(m, kept, differ) ^ self.subtract.replicate(width))
        with m.If(self.en):
            m.d.sync += accumulator.eq(total)
        sources = {
            "offered": self.row,
            "line": self.bl,
            "either": ~self.blb,
            "differ": differ,
            "neither": self.blb,
            "result": total[: config.columns_per_word],
        }
        # No source at all gives a row of zeros: CLEAR.
        m.d.comb += self.data.eq(select([(getattr(self, name), value) for name, value in sources.items()]))
        m.d.comb += self.o.eq(select([(self.read, self.bl), (self.sum, accumulator)]))
        return m

    def _kept(self, m: Module, accumulator: Signal) -> Value:
        """The accumulator as the addition takes it: 0 where a sum starts, moved, complemented to subtract."""
        config = self._config
        started = Signal(config.accumulator.bits)
        m.d.comb += started.eq(Mux(self.fresh, 0, accumulator))
        if config.product.is_power_of_two:
            return started
        kept = Signal(config.accumulator.bits)
        # What is moved out at the top is lost, as in a sum that wraps.
        moved = (started << self.move)[: config.accumulator.bits]
        m.d.comb += kept.eq(moved ^ self.subtract.replicate(config.accumulator.bits))
        return kept

    def _row_sum(self, m: Module, kept: Value, differ: Value) -> Value:
        config = self._config
        bits = config.columns_per_word
        # a + b is (a ^ b) + 2 * (a & b) in two's complement too, as long as both terms are extended by their sign.
        half, carries = (Signal(signed(bits) if config.act_signed else bits, name=name) for name in ("half", "carries"))
        m.d.comb += [
            half.eq(select([(self.one, self.bl), (self.two, differ)])),
            carries.eq(self.bl & self.two.replicate(bits)),
        ]
        return (kept + half + (carries << 1))[: config.accumulator.bits]

    def _one_hot_sum(self, m: Module, kept: Value) -> Value:
        """The accumulator plus or minus one bit for each digit of the activation, at the sum of both shifts."""
        config = self._config
        code = config.activation.levels
        assert code is not None
        m.submodules.decoder = decoder = Decoder(code)
        m.d.comb += Value.cast(decoder.code).eq(self.bl[: code.packed_bits])
        fields = decoder.fields
        products: list[Value] = []
        for i, digit in enumerate(code.digits):
            place = self.shift + (fields[f"shift{i}"] if digit.shift_bits else Const(0))
            opened = self.one & ~fields[f"zero{i}"]
            products.append((opened << place) << digit.position)
        # The sign of an activation comes out of the decoder of its word, so that each word complements by itself.
        negative = Signal()
        m.d.comb += negative.eq(self.subtract ^ (fields.sign if code.signed else 0))
        return sum(products, kept ^ negative.replicate(config.accumulator.bits))[
            : config.accumulator.bits
        ] ^ negative.replicate(config.accumulator.bits)


def select(choices: list[tuple[Value, Value]]) -> Value:
    """The value whose flag is set, 0 if none is: an AND-OR, which is quiet while no flag is."""
    result: Value = Const(0)
    for flag, value in choices:
        result |= value & flag.replicate(len(value))
    return result
