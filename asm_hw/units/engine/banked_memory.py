"""The activation memory of an engine: segments of six banks, each with one access a cycle."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.unit_memory import Memory
from asm_hw.numbers.integers import ceil_log2

from .engine_config import BANKS, ROWS, SIDES, EngineConfig
from .engine_layouts import PLACES, request_layout


class BankedMemory(wiring.Component):
    """Words of activations. Requests that meet in a bank of a segment in one cycle must not be: programs see to it.

    Members
    -------
    source, skip : In(`request_layout`), words to read on this edge
    source_words, skip_words : Out(array[6] of words), what was read, by slot
    out, also : In(`request_layout`), words to write on this edge
    data, also_data : In(array[6] of words), by slot
    host : In(1), the host writes or reads ``host_address`` of ``host_bank`` instead; ``host_write``, ``host_data``
    host_word : Out(word), what it read
    """

    signal_parts = {r".*": "activations"}

    def __init__(self, config: EngineConfig):
        self._config = config
        request, words = request_layout(config), data.ArrayLayout(config.word_bits, BANKS)
        super().__init__(
            {
                **{name: In(request) for name in ("source", *PLACES)},
                **{f"{name}_words": Out(words) for name in ("source", "skip")},
                "data": In(words),
                "also_data": In(words),
                "host": In(1),
                "host_write": In(1),
                "host_address": In(config.address_bits),
                "host_bank": In(3),
                "host_data": In(config.word_bits),
                "host_word": Out(config.word_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        row_bits = ceil_log2(config.bank_rows)
        reads: dict[str, list[Value]] = {name: [] for name in ("source", "skip")}
        for bank in range(BANKS):
            asks = {name: self._of_bank(m, name, bank) for name in ("source", *PLACES)}
            # The host takes the ways of source and outputs: each more would be one to every bank of every segment.
            for name, host in (("source", self.host & ~self.host_write), ("out", self.host & self.host_write)):
                asked, address, word = asks[name]
                here = asked | (host & (self.host_bank == bank))
                asks[name] = here, Mux(host, self.host_address, address), Mux(host, self.host_data, word)
            segments = []
            for segment in range(config.segments):
                m.submodules[f"bank_{segment}_{bank}"] = memory = Memory(
                    (config.bank_rows, config.word_bits), macro=False
                )
                hits = {name: Signal(name=f"{name}_{segment}_{bank}") for name in asks}
                m.d.comb += [
                    hit.eq(asks[name][0] & (asks[name][1][row_bits:] == segment)) for name, hit in hits.items()
                ]
                m.d.comb += [
                    memory.read.eq(hits["source"] | hits["skip"]),
                    memory.write.eq(hits["out"] | hits["also"]),
                    memory.address.eq(_one_of([(hits[name], asks[name][1][:row_bits]) for name in hits])),
                    memory.data.eq(_one_of([(hits[name], asks[name][2]) for name in ("out", "also")])),
                ]
                segments.append(memory.row)
            for name, words in reads.items():
                read = Signal(range(config.segments), name=f"{name}_segment_{bank}")
                m.d.sync += read.eq(asks[name][1][row_bits:])
                word = Signal(config.word_bits, name=f"{name}_read_{bank}")
                m.d.comb += word.eq(_one_of([(read == segment, row) for segment, row in enumerate(segments)]))
                words.append(word)
        for name in ("source", "skip"):
            self._to_slots(m, name, reads[name])
        bank = Signal.like(self.host_bank)
        m.d.sync += bank.eq(self.host_bank)
        m.d.comb += self.host_word.eq(_one_of([(bank == i, word) for i, word in enumerate(reads["source"])]))
        return m

    def _of_bank(self, m: Module, name: str, bank: int) -> tuple[Value, Value, Value]:
        """Whether a request meets a bank, its address, and the word to write."""
        request, a = getattr(self, name), self._config.address_bits
        hits = Signal(BANKS, name=f"{name}_hits_{bank}")
        m.d.comb += hits.eq(request.enable & Cat(_slots_of(request, bank)))
        enable, address = Signal(name=f"{name}_{bank}"), Signal(a, name=f"{name}_address_{bank}")
        word = Signal(self._config.word_bits, name=f"{name}_word_{bank}")
        m.d.comb += [
            enable.eq(hits.any()),
            address.eq(_one_of([(hit, request.address[slot]) for slot, hit in enumerate(hits)])),
        ]
        if name in ("out", "also"):
            words = self.data if name == "out" else self.also_data
            m.d.comb += word.eq(_one_of([(hit, words[slot]) for slot, hit in enumerate(hits)]))
        return enable, address, word

    def _to_slots(self, m: Module, name: str, words: list[Value]) -> None:
        request = getattr(self, name)
        numbers = Signal.like(request, name=f"{name}_last")
        m.d.sync += [numbers.m3.eq(request.m3), numbers.m2.eq(request.m2), numbers.enable.eq(request.enable)]
        for slot in range(BANKS):
            chosen = [(_slots_of(numbers, bank)[slot], word) for bank, word in enumerate(words)]
            word = _one_of(chosen)
            if name == "skip":  # planes that a tensor lacks are 0; the window has padding instead
                word &= numbers.enable[slot].replicate(len(word))
            m.d.comb += getattr(self, f"{name}_words")[slot].eq(word)


def _slots_of(request, bank: int) -> list[Value]:
    """By slot, whether it lies in ``bank``: number ``2 * (row modulo 3) + parity``."""
    row, side = divmod(bank, SIDES)
    return [
        (request.m3 == (row - i) % ROWS) & (request.m2 == side ^ (i + j) % SIDES)
        for i in range(ROWS)
        for j in range(SIDES)
    ]


def _one_of(choices: list[tuple[Value, Value]]) -> Value:
    """The value whose condition holds; 0 if none does."""
    parts = [value & condition.replicate(len(value)) for condition, value in choices]
    return reduce(or_, parts)
