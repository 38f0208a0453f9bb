"""Unit ``near_memory``: a weight memory whose wide rows feed lanes x columns products a cycle."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import NearMemoryConfig
from .datapath import Datapath
from .near_column import NearColumn
from .near_control import Control
from .requantize import Requantize
from .shapes import layout, weight_shape
from .weight_memory import WeightMemory

BRANCH = 8
"""Columns that share a gated copy of the decoded row."""


class NearMemory(wiring.Component):
    """Blocks of a matrix product: activation vectors times weight tiles, requantized.

    Rows are written through ``i_weight`` whenever the loader does not read. A command names a block:
    ``vectors`` activation vectors meet ``tiles`` tiles; tile t uses beats t * vectors to (t + 1) * vectors - 1
    of the block, lane i of every column taking activation i. Each memory row passes one decoder a lane on
    its way to the registers of the next weights. Partial sums stay in the accumulator files of the columns;
    the sums of the last tile leave through a register and the requantize units.

    One beat a cycle, except while weights or parameters are still loading (``config.cycles``) or an output
    is not taken. ``x`` is not registered: it must be stable before the edge that takes it. ``i.ready`` depends
    combinationally on ``o.ready``. Reset forgets commands and sums; the memory keeps its rows.

    Members
    -------
    i_weight : In(stream of row (address), data (``config.row_bits``)): codes by lane, lane 0 lowest, or a part of
        a column's requantize parameters (``config.requantize.fields``), lowest part first
    i_command : In(stream of row, tiles, vectors, parameters: see `asm_hw.config.Block`)
    i : In(stream of array[lanes] of ``config.x_bits``)
    o : Out(stream of array[outputs] of ``out_bits``), group after group of columns for each vector
    """

    def __init__(self, config: NearMemoryConfig):
        self._config = config
        row = data.StructLayout({"row": config.row_address_bits, "data": config.row_bits})
        out = data.ArrayLayout(Shape(config.out_bits, config.out_signed), config.beat_columns)
        super().__init__(
            {
                "i_weight": In(stream.Signature(row)),
                "i_command": In(stream.Signature(data.StructLayout(config.command_fields))),
                "i": In(stream.Signature(data.ArrayLayout(config.x_bits, config.lanes))),
                "o": Out(stream.Signature(out)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, datapath = self._config, Datapath(self._config)
        m.submodules.control = control = Control(config)
        row = self._memory(m, control)
        codes = [row[i * config.w_bits : (i + 1) * config.w_bits] for i in range(config.lanes)]
        weights = [datapath.add_weight(m, f"weight_{i}", code) for i, code in enumerate(codes)]
        shared = [datapath.add_activation(m, f"x_{lane}", self.i.payload[lane]) for lane in range(config.lanes)]
        self._streams(m, control)
        sums, channels = [], []
        for index in range(config.columns):
            if index % BRANCH == 0:
                branch = self._branch(m, index, weights, control)
            m.submodules[f"column_{index}"] = column = NearColumn(config, datapath, shared[0].shape())
            m.d.comb += [
                column.load.eq(control.load[index]), column.weights.eq(branch), column.swap.eq(control.swap),
                column.entry.eq(control.entry), column.clear.eq(control.clear), column.write.eq(control.write),
                column.finish.eq(control.finish), *(column.x[lane].eq(x) for lane, x in enumerate(shared)),
            ]  # fmt: skip
            sums.append(column.acc)
            channels.append(self._channel(m, index, row, control.parameters[index]))
        self._requantize(m, sums, channels, control.group)
        return m

    def _memory(self, m: Module, control: Control):
        """The row that the memory read last; what the lanes need goes before the rows that are written."""
        m.submodules.memory = memory = WeightMemory(self._config)
        m.d.comb += [
            self.i_weight.ready.eq(~control.read),
            memory.read.eq(control.read),
            memory.write.eq(self.i_weight.valid & ~control.read),
            memory.address.eq(Mux(control.read, control.address, self.i_weight.payload.row)),
            memory.data.eq(self.i_weight.payload.data),
        ]
        return memory.row

    def _streams(self, m: Module, control: Control) -> None:
        m.d.comb += [
            control.command.payload.eq(self.i_command.payload),
            control.command.valid.eq(self.i_command.valid),
            self.i_command.ready.eq(control.command.ready),
            control.x_valid.eq(self.i.valid),
            self.i.ready.eq(control.x_ready),
            self.o.valid.eq(control.o_valid),
            control.o_ready.eq(self.o.ready),
        ]

    def _branch(self, m: Module, index: int, weights: list, control: Control):
        """The decoded row for `BRANCH` columns, 0 while it is for others: their registers need not follow it."""
        shape = data.ArrayLayout(weight_shape(self._config), self._config.lanes)
        branch = Signal(shape, name=f"branch_{index}")
        here = control.load[index : index + BRANCH].any()
        bits = Cat(Value.cast(weight) for weight in weights)
        m.d.comb += branch.as_value().eq(bits & here.replicate(len(bits)))
        return branch

    def _channel(self, m: Module, index: int, row, parts):
        """The registers of a column's requantize parameters."""
        shape = layout(self._config.requantize.fields)
        channel = Signal(shape, name=f"channel_{index}", reset_less=True)
        bits, width = channel.as_value(), self._config.row_bits
        for part in range(self._config.rows_a_channel):
            piece = bits[part * width : (part + 1) * width]
            with m.If(parts[part]):
                m.d.sync += piece.eq(row[: len(piece)])
        return channel

    def _requantize(self, m: Module, sums: list, channels: list, group) -> None:
        """``outputs`` requantize units; each serves the columns of its place in every group."""
        count = self._config.beat_columns
        for index in range(count):
            m.submodules[f"requantize_{index}"] = unit = Requantize(self._config.requantize)
            m.d.comb += [
                unit.acc.eq(_chosen(sums[index::count], group)),
                unit.channel.eq(_chosen(channels[index::count], group)),
                self.o.payload[index].eq(unit.y),
            ]


def _chosen(values: list, index):
    """``values[index]``; the one value where there is no choice."""
    chosen = values[-1]
    for i, value in reversed(list(enumerate(values[:-1]))):
        chosen = Mux(index == i, value, chosen)
    return chosen
