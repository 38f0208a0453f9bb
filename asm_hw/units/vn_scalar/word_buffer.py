"""Two words of operands on their way from a memory to a MAC."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from asm_hw.gateware.multiplexers import choose


class WordBuffer(wiring.Component):
    """The word in use, which gives an operand after the other, lowest bits first, and the word after it.

    A word that is asked for arrives in the next cycle and serves in the one after. The word in use makes room
    on the edge that takes its last operand, so that the next one may be asked for on the same edge.

    Members
    -------
    ask : In(1), a word is asked for on this edge; only while ``room``
    room : Out(1), it has a place; depends on ``take``
    word : In(``count`` * ``bits``), what the memory read
    valid : Out(1), there is an operand
    operand : Out(``bits``)
    take : In(1), it is taken on this edge; only while ``valid``
    last : In(1), ... and is the last of its row: the rest of its word is padding
    """

    def __init__(self, bits: int, count: int):
        self._count = count
        super().__init__(
            {
                "ask": In(1),
                "room": Out(1),
                "word": In(count * bits),
                "valid": Out(1),
                "operand": Out(bits),
                "take": In(1),
                "last": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # No reset: ``held`` says which of them count.
        front, back = Signal(len(self.word), reset_less=True), Signal(len(self.word), reset_less=True)
        held, owed = Signal(2), Signal(2)  # words that are here; these, and those on their way
        operands = [front[i * len(self.operand) :][: len(self.operand)] for i in range(self._count)]
        place = Signal(bits_for(self._count - 1))
        arrives, done = Signal(), Signal()
        m.d.comb += [
            done.eq(self.take & ((place == self._count - 1) | self.last)),
            self.room.eq((owed != 2) | done),
            self.valid.eq(held != 0),
            self.operand.eq(choose(operands, place)),
        ]
        m.d.sync += [arrives.eq(self.ask), owed.eq(owed + self.ask - done), held.eq(held + arrives - done)]
        with m.If(self.take):
            m.d.sync += place.eq(Mux(done, 0, place + 1))
        # While both places hold a word none is on its way, so that ``front`` never has two to take.
        with m.If(done & (held == 2)):
            m.d.sync += front.eq(back)
        with m.Elif(arrives & (done | (held == 0))):
            m.d.sync += front.eq(self.word)
        with m.Elif(arrives):
            m.d.sync += back.eq(self.word)
        return m
