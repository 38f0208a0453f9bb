"""The bit-serial baseline: the same array, one full adder, carry and tag a column."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring

from .bitline_config import BitlineConfig
from .bitline_controller import SOURCES, add_counters, any_of, decoded
from .bitline_instructions import LOGIC, Operation
from .bitline_periphery import select
from .bitline_ports import core_ports


class SerialCore(wiring.Component):
    """Adds one bit of every column in a cycle, as Neural Cache does (Eckert et al., ISCA 2018).

    ``ADD`` senses two rows, adds them and the carry of each column, and writes the sum into a row in the same
    cycle; ``tagged``, only columns whose tag is set take part: the others keep their cell, and their carry is
    0. A carry may be started anew (``start``, at ``carry``). The other micro-operations and the streams are
    those of `Bitline`; a word is one column.

    Members
    -------
    As of `Bitline`, ``i_op`` without its addresses, and ``cells`` (`cells_signature`).
    """

    def __init__(self, config: BitlineConfig):
        self._config = config
        super().__init__(core_ports(config))

    def elaborate(self, platform):
        m = Module()
        config, op, array = self._config, self.i_op.payload, self.cells
        is_op = decoded(m, config, op.op)
        writes, reads = is_op[Operation.WRITE], is_op[Operation.READ]
        step = Signal()  # a micro-operation is done on this edge
        m.d.comb += [
            step.eq(self.i_op.valid & (~writes | self.i_row.valid) & (~reads | self.o_words.ready)),
            self.i_op.ready.eq(step),
            self.i_row.ready.eq(self.i_op.valid & writes),
            self.o_words.valid.eq(self.i_op.valid & reads),
            self.o_words.payload.eq(array.bl & self.o_words.valid.replicate(config.cols)),
            array.open_a.eq(self.i_op.valid & op.opened.any()),
            array.open_b.eq(self.i_op.valid & op.opened[1]),
        ]
        differ, taken, total = self._add_columns(m, array, step, is_op)
        values = {"offered": self.i_row.payload.as_value(), "line": array.bl, "either": ~array.blb, "differ": differ}
        values |= {"neither": array.blb, "total": total}
        sources = SOURCES | {Operation.ADD: "total"}
        choices = [(any_of(is_op, [o for o, n in sources.items() if n == name]), v) for name, v in values.items()]
        changes = any_of(is_op, (*sources, Operation.CLEAR))
        m.d.comb += [array.data.eq(select(choices)), array.write.eq(taken & (step & changes).replicate(config.cols))]
        if config.counter_bits:
            kinds = {name: is_op[Operation[name.upper()]] for name in config.counted if name != "logic"}
            kinds["logic"] = any_of(is_op, LOGIC)
            add_counters(m, self.counts, {name: step & kinds[name] for name in config.counted})
        return m

    def _add_columns(self, m: Module, array, step, is_op):
        """Exclusive or of the open rows, columns that take part, and the sum bit of each column."""
        config, op = self._config, self.i_op.payload
        differ, taken, total, tag, carry, kept = (
            Signal(config.cols, name=name) for name in ("differ", "taken", "total", "tag", "carry", "kept")
        )
        half, both = Signal(config.cols), Signal(config.cols)
        adds = is_op[Operation.ADD]
        m.d.comb += [
            differ.eq(~(array.bl | array.blb)),
            # ``half`` and ``both`` are sum and carry of the open rows; ``kept`` is the carry that comes in.
            half.eq(Mux(op.opened[1], differ, Mux(op.opened[0], array.bl, 0))),
            both.eq(Mux(op.opened[1], array.bl, 0)),
            kept.eq(Mux(op.start, op.carry.replicate(config.cols), carry)),
            total.eq(half ^ kept),
            taken.eq(tag | (~(adds & op.tagged)).replicate(config.cols)),
        ]
        # Columns that take no part lose their carry, so that no later row gets it from them.
        with m.If(step & adds):
            m.d.sync += carry.eq((both | (half & kept)) & taken)
        with m.If(step & is_op[Operation.TAG]):
            m.d.sync += tag.eq(array.bl)
        return differ, taken, total
