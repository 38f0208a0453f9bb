"""The control of the near-memory array: which tile meets which beat, and where the sum goes. No data."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from asm_hw.gateware.datapath import BRANCH
from asm_hw.numbers.integers import ceil_div

from .bus_loader import BusLoader, bus_members
from .near_loader import Loader
from .near_memory_config import NearMemoryConfig


class Control(wiring.Component):
    """Takes commands, beats and outputs; `Loader` reads the memory.

    Members
    -------
    command : In(stream of row, tiles, vectors, parameters)
    x_valid, x_ready : a beat of activations is offered (In), is taken on this edge if valid (Out)
    o_valid, o_ready : outputs are offered (Out), are taken on this edge if valid (In)
    read, address : Out, as `Loader`
    load : Out(``columns``), columns whose next weights the row that was read holds
    parameters : Out(array[columns][rows a channel] of 1), the same for parts of requantize parameters
    swap : Out(1), the next weights become those in use on this edge
    entry : Out(bits_for(``hold`` - 1)), the accumulator in use
    clear : Out(1), start it
    add : Out(1), a beat is taken on this edge
    write : Out(``hold``), accumulators that take the last sum on this edge
    open : Out(ceil_div(``hold``, `BRANCH`)), branches of accumulators that one of them is in
    finish : Out(1), the output registers take it
    group : Out(bits_for(``columns`` / ``outputs`` - 1)), the group of columns whose outputs are offered
    grant, settled : as `BusLoader`, where ``config.waits``
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: NearMemoryConfig):
        self._config = config
        self._groups = config.columns // config.beat_columns
        super().__init__(
            {
                "command": In(stream.Signature(data.StructLayout(config.command_fields))),
                "x_valid": In(1),
                "x_ready": Out(1),
                "o_valid": Out(1),
                "o_ready": In(1),
                "read": Out(1),
                "address": Out(config.row_address_bits),
                "load": Out(config.columns),
                "parameters": Out(data.ArrayLayout(config.rows_per_channel, config.columns)),
                "swap": Out(1),
                "entry": Out(bits_for(config.hold - 1)),
                "clear": Out(1),
                "add": Out(1),
                "write": Out(config.hold),
                "open": Out(ceil_div(config.hold, BRANCH)),
                "finish": Out(1),
                "group": Out(bits_for(self._groups - 1)),
            }
            | bus_members(config)
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = (BusLoader if self._config.waits else Loader)(self._config)
        tile, entry = Signal.like(loader.tile), Signal.like(self.entry)
        # A tile is in use; its last beat is taken; the output registers are free; their last group leaves.
        held, done, free, drain = Signal(), Signal(), Signal(), Signal()
        due, place = Signal(), Signal.like(self.entry)  # a sum is written on this edge, and where
        written = Signal()  # it is there; the next tile of a block of one vector could come too early for it
        m.d.comb += [
            written.eq(~due | (place != entry) | tile.first),
            drain.eq(self.o_ready & (self.group == self._groups - 1)),
            free.eq(~self.o_valid | drain),  # the output registers are, or become free on this edge
            # The last tile needs what follows it too: its parameters, and room for its sums.
            self.x_ready.eq(held & written & (~tile.last | (loader.ready & free))),
            self.add.eq(self.x_valid & self.x_ready),
            # ``vectors`` may be ``hold`` itself: a bit more than ``entry`` has, where that is a power of two.
            done.eq(self.add & (entry == (tile.vectors - 1)[: len(entry)])),
            # On the edge of the last beat, so that the next tile meets its first beat in the cycle after.
            self.swap.eq(loader.full & (~held | done)),
            self.entry.eq(entry),
            self.clear.eq(tile.first),
            self.finish.eq(self.add & tile.last),
        ]
        # Sums of the last tile leave: they are not written back.
        m.d.sync += [
            held.eq(self.swap | (held & ~done)),
            self.o_valid.eq(self.finish | ~free),
            due.eq(self.add & ~tile.last),
        ]
        with m.If(self.add):
            m.d.sync += [entry.eq(Mux(done, 0, entry + 1)), place.eq(entry)]
        with m.If(self.swap):
            m.d.sync += tile.eq(loader.tile)
        with m.If(self.o_valid & self.o_ready):
            m.d.sync += self.group.eq(Mux(drain, 0, self.group + 1))
        with m.If(due):
            # Decoded here, once for all columns; `BRANCH` is a power of two, so that a shift divides by it.
            m.d.comb += [self.write.eq(1 << place), self.open.eq(1 << (place >> BRANCH.bit_length() - 1))]
        self._connect(m, loader)
        return m

    def _connect(self, m: Module, loader: Loader) -> None:
        m.d.comb += [
            loader.command.payload.eq(self.command.payload),
            loader.command.valid.eq(self.command.valid),
            self.command.ready.eq(loader.command.ready),
            loader.take.eq(self.swap),
            # A sum that waits is requantized on its way out, with the parameters of its own block.
            loader.drained.eq(~self.o_valid),
            self.read.eq(loader.read),
            self.address.eq(loader.address),
        ]
        if self._config.waits:
            m.d.comb += [loader.grant.eq(self.grant), self.settled.eq(loader.settled)]
        with m.If(loader.weights):
            m.d.comb += self.load.eq(1 << loader.column)
        with m.If(loader.parameters):
            m.d.comb += self.parameters[loader.column].eq(1 << loader.part)
