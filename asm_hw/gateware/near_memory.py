"""Unit ``near_memory``: a weight memory whose wide rows feed lanes x columns products a cycle."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..config import NearMemoryConfig
from .datapath import Datapath
from .near_column import NearColumn
from .near_loader import Loader, tile_layout
from .requantize import Requantize
from .shapes import layout, weight_shape
from .weight_memory import WeightMemory


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
        m.submodules.loader = loader = Loader(config)
        row = self._memory(m, loader)
        codes = [row[i * config.w_bits : (i + 1) * config.w_bits] for i in range(config.lanes)]
        weights = Signal(data.ArrayLayout(weight_shape(config), config.lanes))
        m.d.comb += [weights[i].eq(datapath.add_weight(m, f"weight_{i}", code)) for i, code in enumerate(codes)]
        shared = [datapath.add_activation(m, f"x_{lane}", self.i.payload[lane]) for lane in range(config.lanes)]

        entry, write, finish = self._control(m, loader)
        sums, channels = [], []
        for index in range(config.columns):
            column = NearColumn(config, datapath, shared[0].shape(), len(entry))
            m.submodules[f"column_{index}"] = column
            m.d.comb += [
                column.load.eq(loader.weights & (loader.column == index)), column.weights.eq(weights),
                column.swap.eq(loader.take), column.entry.eq(entry), column.clear.eq(self._tile.first),
                column.write.eq(write), column.finish.eq(finish),
                *(column.x[lane].eq(x) for lane, x in enumerate(shared)),
            ]  # fmt: skip
            sums.append(column.acc)
            channels.append(self._channel(m, loader, index, row))
        self._requantize(m, sums, channels)
        return m

    def _memory(self, m: Module, loader: Loader):
        """The row that the memory read last; the loader goes before the rows that are written."""
        m.submodules.memory = memory = WeightMemory(self._config)
        m.d.comb += [
            self.i_weight.ready.eq(~loader.read),
            memory.read.eq(loader.read),
            memory.write.eq(self.i_weight.valid & ~loader.read),
            memory.address.eq(Mux(loader.read, loader.address, self.i_weight.payload.row)),
            memory.data.eq(self.i_weight.payload.data),
            loader.command.payload.eq(self.i_command.payload),
            loader.command.valid.eq(self.i_command.valid),
            self.i_command.ready.eq(loader.command.ready),
        ]
        return memory.row

    def _control(self, m: Module, loader: Loader):
        """Takes beats and tiles: the accumulator in use, and which of them and whether the output takes the sum."""
        config, groups = self._config, self._config.columns // self._config.beat_columns
        self._tile = tile = Signal(tile_layout(config))
        self._group = group = Signal(range(groups))
        held, add, done = Signal(), Signal(), Signal()
        entry = Signal(bits_for(config.hold - 1))
        free = Signal()  # the output register is, or becomes free on this edge
        m.d.comb += [
            free.eq(~self.o.valid | (self.o.ready & (group == groups - 1))),
            self.i.ready.eq(held & (~tile.last | (loader.ready & free))),
            add.eq(self.i.valid & self.i.ready),
            done.eq(add & (entry == (tile.vectors - 1)[: len(entry)])),
            loader.take.eq(loader.full & (~held | done)),
            loader.drained.eq(~self.o.valid),
        ]
        m.d.sync += held.eq(loader.take | (held & ~done))
        with m.If(add):
            m.d.sync += entry.eq(Mux(done, 0, entry + 1))
        with m.If(loader.take):
            m.d.sync += tile.eq(loader.tile)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += group.eq(Mux(group == groups - 1, 0, group + 1))
        m.d.sync += self.o.valid.eq((add & tile.last) | ~free)
        write, finish = Signal(config.hold), Signal()
        with m.If(add & ~tile.last):
            m.d.comb += write.eq(1 << entry)
        m.d.comb += finish.eq(add & tile.last)
        return entry, write, finish

    def _channel(self, m: Module, loader: Loader, index: int, row):
        """The registers of a column's requantize parameters."""
        shape = layout(self._config.requantize.fields)
        channel = Signal(shape, name=f"channel_{index}", reset_less=True)
        bits, width = channel.as_value(), self._config.row_bits
        for part in range(self._config.rows_a_channel):
            piece = bits[part * width : (part + 1) * width]
            with m.If(loader.parameters & (loader.column == index) & (loader.part == part)):
                m.d.sync += piece.eq(row[: len(piece)])
        return channel

    def _requantize(self, m: Module, sums: list, channels: list) -> None:
        """``outputs`` requantize units; each serves the columns of its place in every group."""
        count = self._config.beat_columns
        for index in range(count):
            m.submodules[f"requantize_{index}"] = unit = Requantize(self._config.requantize)
            m.d.comb += [
                unit.acc.eq(data_select(sums[index::count], self._group)),
                unit.channel.eq(data_select(channels[index::count], self._group)),
                self.o.payload[index].eq(unit.y),
            ]


def data_select(values: list, index):
    """``values[index]``; the one value where there is no choice."""
    chosen = values[-1]
    for i, value in reversed(list(enumerate(values[:-1]))):
        chosen = Mux(index == i, value, chosen)
    return chosen
