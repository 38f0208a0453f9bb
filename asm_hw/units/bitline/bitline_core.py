"""Controller and periphery of a bitline array, without its cells."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from .bitline_config import BitlineConfig
from .bitline_controller import Controller, controller_fields
from .bitline_periphery import Word, controls
from .bitline_ports import core_ports


class Core(wiring.Component):
    """All of `Bitline` but the cells.

    Members
    -------
    As of `Bitline`, ``i_op`` without its addresses, and ``cells`` (`cells_signature`).
    """

    def __init__(self, config: BitlineConfig):
        self._config = config
        super().__init__(core_ports(config))

    def elaborate(self, platform):
        m = Module()
        config, array = self._config, self.cells
        m.submodules.controller = controller = Controller(config)
        # All words take part until a MASK says otherwise.
        mask = Signal(config.words, init=-1)
        op = self.i_op.payload
        # With {1} on both sides ``shift`` does not pass the controller: words take it as it comes.
        shared = {name: getattr(controller, name, None) for name in controls(config)}
        if config.product.is_power_of_two:
            shared["shift"] = op.shift
        m.d.comb += [
            controller.op_valid.eq(self.i_op.valid),
            self.i_op.ready.eq(controller.op_ready),
            controller.row_valid.eq(self.i_row.valid),
            self.i_row.ready.eq(controller.row_ready),
            self.o_words.valid.eq(controller.o_valid),
            controller.o_ready.eq(self.o_words.ready),
            *(getattr(controller, field.name).eq(op[field.name]) for field in controller_fields(config)),
            *(getattr(array, name).eq(getattr(controller, name)) for name in ("open_a", "open_b")),
            array.write.eq(mask & controller.write.replicate(config.words)),
        ]
        with m.If(controller.set_mask):
            m.d.sync += mask.eq(self.i_row.payload.as_value())
        for index in range(config.words):
            m.submodules[f"word_{index}"] = word = Word(config)
            columns = slice(index * config.columns_per_word, (index + 1) * config.columns_per_word)
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
