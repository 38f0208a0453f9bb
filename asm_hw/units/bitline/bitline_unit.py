"""Unit ``bitline``: an array of bit cells, and what computes around it."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from .bitline_cells import BitlineArray
from .bitline_config import BitlineConfig
from .bitline_core import Core
from .bitline_instructions import ADDRESSES
from .bitline_ports import stream_ports
from .serial_core import SerialCore


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
        super().__init__(stream_ports(config))

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = make_core(self._config)
        m.submodules.array = array = BitlineArray(self._config)
        connect(m, core.cells, array.cells)
        connect(m, flipped(self.i_row), core.i_row)
        connect(m, core.o_words, flipped(self.o_words))
        m.d.comb += [
            core.i_op.valid.eq(self.i_op.valid),
            self.i_op.ready.eq(core.i_op.ready),
            *(core.i_op.payload[name].eq(self.i_op.payload[name]) for name in core.i_op.payload.shape().members),
            *(getattr(array, name).eq(self.i_op.payload[name]) for name in ADDRESSES),
        ]
        if self._config.counter_bits:
            m.d.comb += self.counts.eq(core.counts)
        return m


def make_core(config: BitlineConfig) -> wiring.Component:
    """What stands around the cells: of the ASM array, or of its bit-serial baseline."""
    return SerialCore(config) if config.arithmetic == "exact" else Core(config)
