"""Unit ``bitline``: controller, array of bit cells, periphery."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from ...config import BitlineConfig
from .array import BitlineArray
from .controller import ADDRESSES, Controller, controller_fields, counts_port
from .periphery import Word, controls
from .streams import streams


class Bitline(wiring.Component):
    """Sums of weights times activations inside a memory, for all words of a row at once.

    ``i_op`` brings micro-operations (`Instruction`): row pairs with the digit of a weight that both
    activations share, and operations on whole rows. ``WRITE`` and ``MASK`` take a beat of ``i_row``. A row that is
    read leaves on ``o_words`` in the cycle of its access, zero-extended; a sum in the cycle after its last
    addition, and the next sum may start in the cycle that takes it.

    One micro-operation a cycle; a digit more than `MOVE` places below the one before takes more.
    ``i_op.ready`` depends combinationally on ``i_row.valid`` and ``o_words.ready``, ``i_row.ready`` on ``i_op``,
    ``o_words.valid`` on ``i_op.valid``. Reset ends sums, opens the mask and clears the counters; the
    cells keep their contents.

    Members
    -------
    i_op : In(stream of ``config.op_fields``)
    i_row : In(stream of array[words] of ``word_bits``)
    o_words : Out(stream of array[words] of ``acc_bits``; sums are signed)
    counts : Out(struct of ``counter_bits`` each), if there are counters
    """

    def __init__(self, config: BitlineConfig):
        self._config = config
        super().__init__(streams(config) | counts_port(config))

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.array = array = BitlineArray(config)
        m.submodules.controller = controller = Controller(config)
        mask = Signal(config.words, init=-1)
        op = self.i_op.payload
        shared = {name: getattr(controller, name, None) for name in controls(config)}
        if config.one_hot:
            shared["shift"] = op.shift
        m.d.comb += [
            controller.op_valid.eq(self.i_op.valid),
            self.i_op.ready.eq(controller.op_ready),
            controller.row_valid.eq(self.i_row.valid),
            self.i_row.ready.eq(controller.row_ready),
            self.o_words.valid.eq(controller.o_valid),
            controller.o_ready.eq(self.o_words.ready),
            *(getattr(controller, field.name).eq(op[field.name]) for field in controller_fields(config)),
            *(getattr(array, name).eq(op[name]) for name in ADDRESSES),
            *(getattr(array, name).eq(getattr(controller, name)) for name in ("open_a", "open_b")),
            array.write.eq(mask & controller.write.replicate(config.words)),
        ]
        with m.If(controller.set_mask):
            m.d.sync += mask.eq(self.i_row.payload.as_value())
        for index in range(config.words):
            m.submodules[f"word_{index}"] = word = Word(config)
            columns = slice(index * config.columns_a_word, (index + 1) * config.columns_a_word)
            m.d.comb += [
                *(getattr(word, name).eq(value) for name, value in shared.items()),
                word.en.eq(controller.accumulate & mask[index]),
                word.bl.eq(array.bl[columns]),
                word.blb.eq(array.blb[columns]),
                word.row.eq(self.i_row.payload[index]),
                array.data[columns].eq(word.data),
                self.o_words.payload[index].eq(word.o),
            ]
        if config.counter_bits:
            m.d.comb += self.counts.eq(controller.counts)
        return m
