"""The end of the scalar von Neumann machine: sums are requantized, packed into words and written back."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from asm_hw.gateware.requantize_stage import RequantizeStage
from asm_hw.gateware.shapes import struct_of

from .vn_scalar_config import VnScalarConfig


class Results(wiring.Component):
    """Requantizes a sum in the cycle after its last product, or once its parameters are there.

    Outputs are packed into words, the first lowest; a full word, and the last one of a job, is written in the
    next cycle.

    Members
    -------
    start : In(1), take ``results`` and ``outputs`` on this edge; only while not ``busy``
    results : In(``config.row_address_bits``), the address of the first word
    outputs : In(``config.command_fields["outputs"]``), how many outputs the job has
    parameters : In(``config.rows_per_channel``), parts of the parameters that are read on this edge
    room : Out(1), the first part may be read
    word : In(``config.bus_bits``), what the memory read
    last : In(1), the last product of a sum is added on this edge
    acc : In(signed(``config.acc_bits``)), the sum, from the next cycle until its parameters are there
    write : Out(1), write ``data`` to ``address`` on this edge, whatever else wants the port
    address : Out(``config.row_address_bits``)
    data : Out(``config.outputs_per_word`` * ``config.out_bits``)
    busy : Out(1), the job goes on
    """

    def __init__(self, config: VnScalarConfig):
        self._config = config
        outputs = config.command_fields["outputs"]
        super().__init__(
            {
                "start": In(1),
                "results": In(config.row_address_bits),
                "outputs": In(outputs),
                "parameters": In(config.rows_per_channel),
                "room": Out(1),
                "word": In(config.bus_bits),
                "last": In(1),
                "acc": In(signed(config.accumulator.bits)),
                "write": Out(1),
                "address": Out(config.row_address_bits),
                "data": Out(config.outputs_per_word * config.out_bits),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        leave, left = Signal(), Signal.like(self.outputs)  # an output is made on this edge; outputs to come
        m.submodules.requantize = unit = RequantizeStage(config.requantize)
        # The last word is written a cycle after its last output was made.
        m.d.comb += [unit.acc.eq(self.acc), self.busy.eq((left != 0) | self.write)]
        self._wait(m, unit.channel, leave)
        places = [Signal(config.out_bits, name=f"output_{i}") for i in range(config.outputs_per_word)]
        place = Signal(bits_for(len(places) - 1))
        ends = (place == len(places) - 1) | (left == 1)
        m.d.comb += self.data.eq(Cat(places))
        # In the next cycle: then the last output is in its register, too.
        m.d.sync += self.write.eq(leave & ends)
        with m.If(leave):
            m.d.sync += [left.eq(left - 1), place.eq(Mux(ends, 0, place + 1))]
        for i, output in enumerate(places):
            with m.If(leave & (place == i)):
                m.d.sync += output.eq(unit.y)
            # The first output of a word clears the other places, which may stay unused.
            with m.Elif(leave & (place == 0)):
                m.d.sync += output.eq(0)
        with m.If(self.write):
            m.d.sync += self.address.eq(self.address + 1)
        with m.If(self.start):
            m.d.sync += [left.eq(self.outputs), self.address.eq(self.results)]
        return m

    def _wait(self, m: Module, channel, leave) -> None:
        """Parameters and sum wait for each other; both places are free again when the output leaves.

        The MAC need not wait: the operands of the next sum are read after the last of these parameters.
        """
        config = self._config
        due, there, taken = Signal(), Signal(), Signal()  # the sum is; the parameters are; their place is in use
        # A part that was read is on ``word`` in the next cycle.
        arrives = Signal.like(self.parameters)
        bits = Signal(struct_of(config.requantize.fields).size, name="channel", reset_less=True)
        m.d.comb += [leave.eq(due & there), self.room.eq(~taken | leave), channel.eq(bits)]
        m.d.sync += [
            due.eq(self.last | (due & ~leave)),
            there.eq(arrives[-1] | (there & ~leave)),
            taken.eq(self.parameters.any() | (taken & ~leave)),
            arrives.eq(self.parameters),
        ]
        for part in range(config.rows_per_channel):
            piece = bits[part * config.bus_bits : (part + 1) * config.bus_bits]
            with m.If(arrives[part]):
                m.d.sync += piece.eq(self.word[: len(piece)])
