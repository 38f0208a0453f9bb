"""From the stream of row pairs and digits to what the array and its words do in each cycle."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.numbers.bit_fields import Field
from asm_hw.numbers.integers import ceil_log2

from .bitline_config import BitlineConfig
from .bitline_instructions import LOGIC, MOVE, Operation
from .bitline_periphery import controls
from .bitline_ports import stream_ports

SOURCES = {
    Operation.WRITE: "offered",
    Operation.COPY: "line",
    Operation.AND: "line",
    Operation.OR: "either",
    Operation.XOR: "differ",
    Operation.NOR: "neither",
}
"""What is written into a row, by operation; nothing is a row of zeros."""


class Controller(wiring.Component):
    """Decodes digits into micro-operations: add, subtract, shift-add.

    A digit says how far its activations count (``shift``). The accumulators hold the sum of the digits with
    larger shifts, in units of ``2**level``; they are shifted up to the units of the new digit, ``2**shift``, as its
    rows are added, by up to `MOVE` places a cycle: a wider gap takes cycles of its own, in which the instruction
    waits. One weight serves all words, so this is the only decoder and the only shift control of the array.

    Members
    -------
    each of `controller_fields` : In
    op_valid, op_ready : a micro-operation is offered, and is done on this edge
    row_valid, row_ready : a row to write or a mask is offered, and is taken on this edge
    o_valid, o_ready : words leave
    each of `controls` : Out
    open_a, open_b : Out(1), open row a, row b
    write, accumulate, set_mask : Out(1), the words that are not masked take part; the mask changes
    counts : Out(struct of ``counter_bits`` each), micro-operations since reset, if there are counters
    """

    def __init__(self, config: BitlineConfig):
        self._config = config
        inputs = {field.name: field.width for field in controller_fields(config)}
        inputs |= dict.fromkeys(("op_valid", "row_valid", "o_ready"), 1)
        flags = ("op_ready", "row_ready", "o_valid", "open_a", "open_b", "write", "accumulate", "set_mask")
        outputs = dict.fromkeys(flags, 1) | {name: bits for name, bits in controls(config).items() if name != "shift"}
        super().__init__(
            {name: In(bits) for name, bits in inputs.items()}
            | {name: Out(bits) for name, bits in outputs.items()}
            | {name: port for name, port in stream_ports(config).items() if name == "counts"}
        )

    def elaborate(self, platform):
        m = Module()
        is_op = decoded(m, self._config, self.op)
        accumulates, reads = is_op[Operation.ACCUMULATE], is_op[Operation.READ]
        takes = is_op[Operation.WRITE] | is_op[Operation.MASK]
        leaving = Signal()  # a sum is on o_words; it waits in the accumulators, and everything waits with it
        step = Signal()  # a micro-operation is done on this edge
        waits = self._add_moves(m, accumulates, step & accumulates)
        free = Signal()
        m.d.comb += [
            free.eq(Mux(reads, ~leaving & self.o_ready, ~leaving | self.o_ready)),
            step.eq(self.op_valid & free & (~takes | self.row_valid)),
            self.op_ready.eq(step & ~waits),
            self.row_ready.eq(self.op_valid & free & takes),
            self.o_valid.eq(leaving | (self.op_valid & reads)),
            self.sum.eq(leaving),
            self.read.eq(reads & self.op_valid & ~leaving),
        ]
        done = accumulates & ~waits  # while it waits accumulators only move: no row opens, nothing is subtracted
        m.d.sync += leaving.eq(Mux(step, done & self.end[0], leaving & ~self.o_ready))  # End.LEAVES is bit 0
        # Not while a sum is stalled: an access costs energy. But what a READ offers must not depend on its ready.
        opens = self.op_valid & ~waits & (reads | free)
        stored = done & self.end[1]  # End.STORED is bit 1
        row_ops = (*SOURCES, Operation.CLEAR)
        m.d.comb += [
            self.open_a.eq(opens & self.opened.any()),
            self.open_b.eq(opens & self.opened[1]),
            self.one.eq(opens & self.opened[0]),
            self.subtract.eq(done & self.sign),
            self.result.eq(stored),
            *(
                getattr(self, name).eq(any_of(is_op, [o for o, n in SOURCES.items() if n == name]))
                for name in set_of(SOURCES)
            ),
            self.accumulate.eq(step & accumulates),
            self.set_mask.eq(step & is_op[Operation.MASK]),
            self.write.eq(step & (any_of(is_op, row_ops) | stored)),
        ]
        if not self._config.product.is_power_of_two:
            m.d.comb += self.two.eq(opens & self.opened[1])
        if self._config.counter_bits:
            self._add_counters(m, step, is_op, waits)
        return m

    def _add_moves(self, m: Module, accumulates, step):
        """The shift of the accumulators in this cycle; whether the instruction waits for another one."""
        config = self._config
        fresh = Signal(init=1)
        m.d.comb += self.fresh.eq(fresh)
        if config.product.is_power_of_two:
            with m.If(step):
                m.d.sync += fresh.eq(self.end.any())
            # Never driven: each product is one bit in its place, so that no instruction waits.
            return Signal(name="waits")
        level = Signal(config.shift_bits)
        gap = Signal.like(level)
        waits = Signal()
        m.d.comb += [
            # At the start of a sum ``level`` is still that of the sum before.
            gap.eq(Mux(fresh | ~accumulates, 0, level - self.shift)),
            # `MOVE` is one below a power of two: any bit above says that the gap is wider.
            waits.eq(gap[ceil_log2(MOVE + 1) :].any()),
            self.move.eq(Mux(waits, MOVE, gap)),
        ]
        with m.If(step):
            m.d.sync += [
                level.eq(Mux(waits, level - MOVE, self.shift)),
                fresh.eq(~waits & self.end.any()),
            ]
        return waits

    def _add_counters(self, m: Module, step, is_op, waits) -> None:
        accumulates = is_op[Operation.ACCUMULATE]
        moves = Const(0, 1) if self._config.product.is_power_of_two else self.move.any()
        opened = self.opened.any() & ~waits
        kinds = {name: is_op[Operation[name.upper()]] for name in ("write", "read", "copy", "clear", "mask")}
        kinds |= {
            "logic": any_of(is_op, LOGIC),
            "add": accumulates & opened & ~moves & ~self.sign,
            "sub": accumulates & opened & ~moves & self.sign,
            "shift_add": accumulates & opened & moves,
            "shift": accumulates & ~opened,
        }
        add_counters(m, self.counts, {name: step & kinds[name] for name in self._config.counted})


def controller_fields(config: BitlineConfig) -> list[Field]:
    """The parts of a micro-operation that are decoded; with {1} on both sides words take the shift as it is."""
    return [field for field in config.core_fields if not (config.product.is_power_of_two and field.name == "shift")]


def decoded(m: Module, config: BitlineConfig, op: Value) -> dict[Operation, Value]:
    """One bit for each operation; other codes do nothing."""
    flags = {operation: Signal(name=f"is_{operation.name.lower()}") for operation in config.operations}
    m.d.comb += [flag.eq((1 << op)[operation]) for operation, flag in flags.items()]
    return flags


def add_counters(m: Module, counts, events: dict) -> None:
    """Count each event on its edges, modulo the counter's width."""
    for name, event in events.items():
        with m.If(event):
            m.d.sync += counts[name].eq(counts[name] + 1)


def set_of(sources: dict) -> list[str]:
    """The distinct sources, in order."""
    return list(dict.fromkeys(sources.values()))


def any_of(is_op: dict, operations):
    """Whether the operation is one of these."""
    result = 0
    for operation in operations:
        result |= is_op[operation]
    return result
