"""The activations of the von Neumann array: words from the memory to beats."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from asm_hw.numbers.integers import ceil_div

from .vn_array_config import VnArrayConfig


class Assembler(wiring.Component):
    """Words of a bus side by side, the first lowest.

    Members
    -------
    ask : In(1), the next word is read on this edge
    part : Out(bits_for(words - 1)), which one it is
    ends : Out(1), it is the last one
    word : In(``bus_bits``, ``bits`` if fewer), what the memory read
    whole : Out(``bits``), all words, from the cycle after the last was asked for until the memory reads again
    """

    def __init__(self, bits: int, bus_bits: int):
        self._count = ceil_div(bits, bus_bits)
        super().__init__(
            {
                "ask": In(1),
                "part": Out(bits_for(self._count - 1)),
                "ends": Out(1),
                "word": In(min(bits, bus_bits)),
                "whole": Out(bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.ends.eq(self.ask & (self.part == self._count - 1))
        with m.If(self.ask):
            m.d.sync += self.part.eq(Mux(self.ends, 0, self.part + 1))
        kept = []
        for index in range(self._count - 1):
            word, arrives = (
                Signal(len(self.word), name=f"word_{index}", reset_less=True),
                Signal(name=f"arrives_{index}"),
            )
            # What was asked for is on ``word`` in the next cycle.
            m.d.sync += arrives.eq(self.ask & (self.part == index))
            with m.If(arrives):
                m.d.sync += word.eq(self.word)
            kept.append(word)
        # The last word is taken from the memory itself, and seen while it is there: not others on the bus.
        here, rest = Signal(), len(self.whole) - len(self.word) * len(kept)
        m.d.sync += here.eq(self.ends | (here & ~self.ask))
        m.d.comb += self.whole.eq(Cat(*kept, self.word[:rest] & here.replicate(rest)))
        return m


class Beats(wiring.Component):
    """Reads the beats of a block, vector after vector of a tile, tile after tile.

    Members
    -------
    start : In(1), take ``job`` on this edge; only when all beats of the last one are taken
    job : In(struct of tiles, vectors, activations, activation_stride)
    port : In(1), the memory may be read in this cycle
    read : Out(1), ``address`` is
    address : Out(``config.row_address_bits``)
    word : In(``config.bus_bits``, those of a beat if fewer), what the memory read
    valid, ready : Out(1), In(1), a beat is offered, and taken on this edge
    beat : Out(``config.lanes`` * ``config.activation.code_bits``)
    """

    def __init__(self, config: VnArrayConfig):
        self._config = config
        names = ("tiles", "vectors", "activations", "activation_stride")
        super().__init__(
            {
                "start": In(1),
                "job": In(data.StructLayout({name: config.job_fields[name] for name in names})),
                "port": In(1),
                "read": Out(1),
                "address": Out(config.row_address_bits),
                "word": In(min(config.lanes * config.activation.code_bits, config.bus_bits)),
                "valid": Out(1),
                "ready": In(1),
                "beat": Out(config.lanes * config.activation.code_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, job = self._config, self.job
        m.submodules.assembler = assembler = Assembler(len(self.beat), config.bus_bits)
        # Still to be read: tiles, and vectors of this one; then, how many each tile has.
        tiles, vector, vectors = Signal.like(job.tiles), Signal.like(job.vectors), Signal.like(job.vectors)
        # Addresses: of the first beat of the tile, of the beat that is read; from one vector to the next.
        tile, at, stride = Signal.like(job.activations), Signal.like(job.activations), Signal.like(job.activations)
        # In the last tile outputs follow a beat: they are written before the next one is read.
        following = self.valid & self.ready & ~(tiles == 1)
        m.d.comb += [
            self.read.eq(self.port & (tiles != 0) & (~self.valid | following)),
            self.address.eq(at + assembler.part),
            assembler.ask.eq(self.read),
            assembler.word.eq(self.word),
            self.beat.eq(assembler.whole),
        ]
        m.d.sync += self.valid.eq(assembler.ends | (self.valid & ~self.ready))
        with m.If(assembler.ends):
            m.d.sync += [at.eq(at + stride), vector.eq(vector - 1)]
        # The beats of a vector lie side by side: each vector's part of the next tile is one beat further on.
        with m.If(assembler.ends & (vector == 1)):
            following_tile = (tile + config.beat_words)[: len(tile)]
            m.d.sync += [tile.eq(following_tile), at.eq(following_tile), vector.eq(vectors), tiles.eq(tiles - 1)]
        with m.If(self.start):
            m.d.sync += [
                tiles.eq(job.tiles),
                vector.eq(job.vectors),
                vectors.eq(job.vectors),
                tile.eq(job.activations),
                at.eq(job.activations),
                stride.eq(job.activation_stride),
            ]
        return m
