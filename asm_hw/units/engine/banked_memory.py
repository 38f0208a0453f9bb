"""The activation memory of an engine: segments of six banks, each with one access a cycle."""

from functools import reduce
from operator import or_

from amaranth.hdl import Const, Module, Mux, Signal, Value
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
    host : In(1), it is the host's, and there are no requests
    host_read, host_write : In(1), the host reads or writes ``host_address`` of ``host_bank``; ``host_data``
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
                "host_read": In(1),
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
        of_banks = {name: self._of_banks(m, name) for name in ("source", *PLACES)}
        for bank in range(BANKS):
            asks = {name: of_banks[name][bank] for name in of_banks}
            # The host takes the ways of source and outputs: each more would be one to every bank of every segment.
            host = self.host
            for name, access in (("source", self.host_read), ("out", self.host_write)):
                asked, address, word = asks[name]
                here = asked | (access & (self.host_bank == bank))
                asks[name] = here, Mux(host, self.host_address, address), Mux(host, self.host_data, word)
            segments = []
            for segment in range(config.segments):
                m.submodules[f"bank_{segment}_{bank}"] = memory = Memory(
                    (config.bank_rows, config.word_bits), macro=config.memory == "macro"
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

    def _of_banks(self, m: Module, name: str) -> list[tuple[Value, Value, Value]]:
        """By bank, whether a request meets it, its address, and the word to write."""
        request = getattr(self, name)
        words = {"out": self.data, "also": self.also_data}.get(name)
        slots = {"enable": request.enable, "address": request.address} | ({"word": words} if words is not None else {})
        banks = [
            _to_banks(m, f"{name}_{part}", request, [values[slot] for slot in range(BANKS)])
            for part, values in slots.items()
        ]
        return [(enable, address, word[0] if word else Const(0)) for enable, address, *word in zip(*banks, strict=True)]

    def _to_slots(self, m: Module, name: str, words: list[Value]) -> None:
        request = getattr(self, name)
        numbers = Signal.like(request, name=f"{name}_last")
        m.d.sync += [numbers.m3.eq(request.m3), numbers.m2.eq(request.m2), numbers.enable.eq(request.enable)]
        for i in range(ROWS):
            sides = [
                _chosen(
                    m, f"{name}_{i}_{side}", numbers.m3, [words[SIDES * ((i + k) % ROWS) + side] for k in range(ROWS)]
                )
                for side in range(SIDES)
            ]
            for j in range(SIDES):
                slot, side = SIDES * i + j, (i + j) % SIDES
                word = Mux(numbers.m2, sides[1 - side], sides[side])
                if name == "skip":  # planes that a tensor lacks are 0; the window has padding instead
                    word &= numbers.enable[slot].replicate(len(word))
                m.d.comb += getattr(self, f"{name}_words")[slot].eq(word)


def _to_banks(m: Module, name: str, request, slots: list[Value]) -> list[Value]:
    """By bank, number ``2 * (row modulo 3) + parity``, the value of the slot that lies in it."""
    sides = [Signal.like(slots[0], name=f"{name}_{bank}") for bank in range(BANKS)]  # of each row, in its bank's order
    for i in range(ROWS):
        for side in range(SIDES):
            straight = SIDES * i + (i + side) % SIDES
            m.d.comb += sides[SIDES * i + side].eq(Mux(request.m2, slots[straight ^ 1], slots[straight]))
    return [
        _chosen(
            m, f"{name}_of_{row}_{side}", request.m3, [sides[SIDES * ((row - k) % ROWS) + side] for k in range(ROWS)]
        )
        for row in range(ROWS)
        for side in range(SIDES)
    ]


def _chosen(m: Module, name: str, m3: Value, rows: list[Value]) -> Signal:
    """The value whose number is ``m3``."""
    chosen = Signal.like(rows[0], name=name)
    m.d.comb += chosen.eq(Mux(m3[1], rows[2], Mux(m3[0], rows[1], rows[0])))
    return chosen


def _one_of(choices: list[tuple[Value, Value]]) -> Value:
    """The value whose condition holds; 0 if none does."""
    parts = [value & condition.replicate(len(value)) for condition, value in choices]
    return reduce(or_, parts)
