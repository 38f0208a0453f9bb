"""The loader of the near-memory array: commands to memory rows, and what each row is when it arrives."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from .near_memory_config import NearMemoryConfig


def tile_layout(config: NearMemoryConfig) -> data.StructLayout:
    """What the lanes need to know of a tile: whether it is the first and the last of its block, and the vectors."""
    return data.StructLayout({"first": 1, "last": 1, "vectors": config.command_fields["vectors"]})


class Loader(wiring.Component):
    """Reads tile after tile of a block, one row a cycle, as soon as the one before was taken.

    Behind the first tile lie the rows of requantize parameters, which are read where a command asks for
    them, when all outputs of the block before have left, and skipped otherwise.

    Members
    -------
    command : In(stream of row, tiles, vectors, parameters: ``config.command_fields``)
    take : In(1), the lanes take the tile on this edge; only while ``full``
    drained : In(1), no output waits
    full : Out(1), a whole tile waits to be taken
    tile : Out(`tile_layout`), of the tile that waits
    read : Out(1), read ``address`` on this edge
    address : Out(``config.row_address_bits``)
    weights : Out(1), the row that was read holds the weights of ``column``
    parameters : Out(1), ... or ``part`` of the parameters of ``column``
    column : Out(bits_for(``columns`` - 1))
    part : Out(bits_for(``config.rows_per_channel`` - 1))
    ready : Out(1), the parameters of the block are there
    """

    def __init__(self, config: NearMemoryConfig):
        self._config = config
        super().__init__(
            {
                "command": In(stream.Signature(data.StructLayout(config.command_fields))),
                "take": In(1),
                "drained": In(1),
                "full": Out(1),
                "tile": Out(tile_layout(config)),
                "read": Out(1),
                "address": Out(config.row_address_bits),
                "weights": Out(1),
                "parameters": Out(1),
                "column": Out(bits_for(config.columns - 1)),
                "part": Out(bits_for(config.rows_per_channel - 1)),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        command = self.command.payload
        # Of the block in hand; ``tiles`` counts the one that loads or waits and those behind it.
        tiles, vectors = Signal.like(command.tiles), Signal.like(command.vectors)
        address, parameters, first = Signal.like(self.address), Signal(), Signal()
        column, part = Signal.like(self.column), Signal.like(self.part)
        m.d.comb += [
            self.address.eq(address),
            self.tile.first.eq(first), self.tile.last.eq(tiles == 1), self.tile.vectors.eq(vectors),
        ]  # fmt: skip
        # A row arrives in the cycle after it was asked for.
        m.d.sync += [self.weights.eq(0), self.parameters.eq(0), self.column.eq(column), self.part.eq(part)]
        with m.If(self.read):
            m.d.sync += address.eq(address + self._config.row_words)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.command.ready.eq(1)
                # They follow the payload in every idle cycle, and count from the edge that takes a command.
                m.d.sync += [
                    tiles.eq(command.tiles), vectors.eq(command.vectors), address.eq(command.row),
                    parameters.eq(command.parameters), first.eq(1),
                ]  # fmt: skip
                with m.If(self.command.valid):
                    m.next = "WEIGHTS"
            with m.State("WEIGHTS"):
                self._read_weights(m, column)
            with m.State("FULL"):
                m.d.comb += self.full.eq(~self.weights)  # else the last row is just arriving
                with m.If(self.take):
                    m.d.sync += [first.eq(0), tiles.eq(tiles - 1)]
                    self._leave_tile(m, address, tiles, first, parameters)
            # A column has registers for one set of parameters, and outputs that wait still need theirs.
            with m.State("DRAIN"), m.If(self.drained):
                m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                self._read_parameters(m, column, part, tiles)
        # The last part arrives in this cycle and is in its register in the next one.
        with m.If(self.parameters & self._is_last(self.column) & self._is_last_part(self.part)):
            m.d.sync += self.ready.eq(1)
        return m

    def _is_last(self, column: Value) -> Value:
        return column == self._config.columns - 1

    def _is_last_part(self, part: Value) -> Value:
        return part == self._config.rows_per_channel - 1

    def _read_weights(self, m: Module, column: Signal) -> None:
        """A row for each column; then the tile is whole."""
        m.d.comb += self.read.eq(1)
        m.d.sync += [self.weights.eq(1), column.eq(column + 1)]
        with m.If(self._is_last(column)):
            m.d.sync += column.eq(0)
            m.next = "FULL"

    def _leave_tile(self, m: Module, address: Signal, tiles: Signal, first: Signal, parameters: Signal) -> None:
        """Where reading goes on once a tile is taken: behind the first one lie the parameters."""
        config = self._config
        # Later statements win: the parameters of a block of one tile come before its end.
        m.next = "WEIGHTS"
        with m.If(tiles == 1):
            m.next = "IDLE"
        # Not sooner: the lanes wait for weights alone, and need parameters only in the last tile of a block.
        with m.If(first & parameters):
            m.d.sync += self.ready.eq(0)
            m.next = "DRAIN"
        with m.If(first & ~parameters):
            # Behind the only tile of a block this is useless but harmless: IDLE sets the address anew.
            m.d.sync += address.eq(address + config.parameter_rows * config.row_words)

    def _read_parameters(self, m: Module, column: Signal, part: Signal, tiles: Signal) -> None:
        """``config.rows_per_channel`` rows for each column; then the block's other tiles, if it has any."""
        m.d.comb += self.read.eq(1)
        m.d.sync += [self.parameters.eq(1), part.eq(part + 1)]
        last_part, last_column = self._is_last_part(part), self._is_last(column)
        with m.If(last_part):
            m.d.sync += [part.eq(0), column.eq(column + 1)]
        with m.If(last_part & last_column):
            m.d.sync += column.eq(0)
            m.next = "WEIGHTS"
            # The first tile was counted off when it was taken.
            with m.If(tiles == 0):
                m.next = "IDLE"
