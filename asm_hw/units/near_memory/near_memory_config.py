"""Parameters of unit ``near_memory``: lanes beside a weight memory, and how many cycles a matrix product takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.formats.accumulator_format import STRUCTURES
from asm_hw.numbers.bit_fields import join_fields, place_fields
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.dot.dot_config import COLUMNS, DotConfig, columns_field, lanes_field
from asm_hw.units.memory_config import MemoryConfig, depth_field, memory_field, out_bits_field, out_signed_field
from asm_hw.units.parameters import integer

HOLD = (1, 1024)


@dataclass(frozen=True)
class Block:
    """Work of one command: ``vectors`` (1 to hold) meet ``tiles`` weight tiles that begin at ``row``.

    ``parameters``: load the requantize parameters that lie behind the first tile; a block that continues
    the columns of the one before has them already.
    """

    row: int
    tiles: int
    vectors: int
    parameters: bool


@dataclass(frozen=True, kw_only=True)
class NearMemoryConfig(MemoryConfig):
    """Unit ``near_memory``: a weight memory whose rows feed ``lanes`` x ``columns`` products a cycle.

    A memory row holds the packed codes of one column's lanes. A *tile* of weights is ``columns`` rows; it is
    decoded while it is loaded and held for up to ``hold`` activation vectors, whose partial sums stay in an
    accumulator file of ``hold`` entries a column, while the next tile loads. After the last tile of a block
    the sums are requantized, ``outputs`` columns a cycle (None: all), and leave.

    The memory has ``depth`` rows, ``inferred`` from a register array or as a ``macro`` (a module of its own
    that named macros may replace).
    """

    unit: ClassVar[str] = "near_memory"
    waits: ClassVar[bool] = False
    """Whether rows come over a bus, so that the array must wait for them."""
    row_words: ClassVar[int] = 1
    """How far the addresses of two neighbouring rows are apart."""
    min_content: ClassVar[str] = "a tile and its parameters"
    memory_map: ClassVar[str] = (
        "for each group of columns: a tile, the requantize words of its columns (rows each, lowest part first), then"
        " the other tiles; a tile is a row a column, the codes of its lanes side by side, lane 0 lowest, unused ones 0"
    )
    port_meanings: ClassVar[Mapping[str, str]] = {
        **DotConfig.port_meanings,
        "i__payload": "activations of one vector for one tile, tile after tile of a block",
        "i_weight__payload": "a row for the weight memory: codes of one column's lanes, or requantize parameters",
        "i_weight__valid": "a row is offered",
        "i_weight__ready": "the row is written on this edge if valid",
        "i_command__payload": "a block: vectors (1 to hold) times tiles of weights that begin at row; parameters: load"
        " the requantize parameters behind the first tile",
        "i_command__valid": "a command is offered; its rows must have been written",
        "i_command__ready": "the command is taken on this edge if valid",
        "o__payload": "requantized sums of neighbouring columns",
        "o__valid": "outputs are offered",
        "o__ready": "the outputs are taken on this edge if valid",
    }

    lanes: int = lanes_field(128)
    columns: int = columns_field(64)
    hold: int = integer(96, HOLD, "Vectors that a tile of weights is held for")
    depth: int = depth_field(1024)
    memory: str = memory_field()
    outputs: int | None = integer(None, COLUMNS, "Columns requantized a cycle", "all")
    out_bits: int = out_bits_field()
    out_signed: bool = out_signed_field()

    def __post_init__(self) -> None:
        if self.outputs is None:
            object.__setattr__(self, "outputs", self.columns)
        super().__post_init__()
        check_range("outputs", self.outputs, 1, self.columns)
        if self.columns % self.beat_columns:
            raise ParameterError(f"outputs must divide columns ({self.columns}), not {self.outputs}")
        # An accumulator file keeps one word an entry; a carry-save sum is two.
        kept = tuple(structure for structure in STRUCTURES if structure != "carry_save")
        check_choice(f"structure of unit {self.unit}", self.structure, kept)
        if self.depth < self.min_depth:
            raise ParameterError(f"depth must be at least {self.min_depth}, {self.min_content}, not {self.depth}")

    @property
    def array_shape(self) -> tuple[int, int]:
        return self.columns, self.lanes

    @property
    def beat_columns(self) -> int:
        """``outputs``, filled in."""
        assert self.outputs is not None
        return self.outputs

    @property
    def row_bits(self) -> int:
        """Bits of a memory row."""
        return self.lanes * self.weight.code_bits

    @property
    def parameter_rows(self) -> int:
        """Memory rows of requantize parameters behind the first tile of a block."""
        return self.columns * self.rows_per_channel

    @property
    def min_depth(self) -> int:
        """Rows of a memory that holds one tile: ``min_content``."""
        return self.columns + self.parameter_rows

    @property
    def max_tiles(self) -> int:
        """Tiles that fit the memory beside one set of parameters."""
        return (self.depth - self.parameter_rows) // self.columns

    @property
    def max_inputs(self) -> int:
        return self.max_tiles * self.lanes

    def rows(self, outputs: int, inputs: int) -> int:
        """Memory rows of a matrix of weights with its requantize parameters."""
        tiles = ceil_div(inputs, self.lanes)
        return ceil_div(outputs, self.columns) * (self.columns * tiles + self.parameter_rows)

    def block_lengths(self, vectors: int) -> list[int]:
        """``vectors`` cut into the fewest blocks, of lengths that differ by one at most.

        Equal blocks keep each long enough to hide the load of the next tile behind it.
        """
        blocks = ceil_div(vectors, self.hold)
        return [vectors // blocks + (i < vectors % blocks) for i in range(blocks)]

    def blocks(self, outputs: int, inputs: int, vectors: int) -> list[Block]:
        """The commands of a matrix product whose rows begin at 0: for each group of columns all vectors."""
        tiles = ceil_div(inputs, self.lanes)
        group = self.columns * tiles + self.parameter_rows
        return [
            Block(first * group, tiles, length, index == 0)
            for first in range(ceil_div(outputs, self.columns))
            for index, length in enumerate(self.block_lengths(vectors))
        ]

    def cycles(self, blocks: Iterable[Block]) -> int:
        """Clock cycles from the first command's offer until the last output has left, where no stream ever stalls.

        The weights are in the memory and nothing is written meanwhile. A tile takes ``columns`` + 2 cycles
        to load and the cycles of its vectors to compute, both at once; a new command costs the loader one
        cycle, parameters one a row and three.
        """
        beats = self.columns // self.beat_columns
        # All in cycles from the offer of the first command, which is taken in cycle 0.
        load, end, left, ready = 1, -1, -1, 0  # loader starts; last beat taken; last output out; parameters there
        for block in blocks:
            for tile in range(block.tiles):
                # A row a cycle, one for the last to arrive, then the swap: the tile before must have ended.
                taken = max(load + self.columns + 1, end)
                load = taken + 1
                if tile == 0 and block.parameters:
                    # DRAIN sees that no output waits; then a row a cycle, and one more until the last is there.
                    wait = max(load, left + 1)
                    load = wait + 1 + self.parameter_rows
                    ready = load + 1
                last = tile == block.tiles - 1
                # New sums may enter the output registers on the edge on which the last group of old ones leaves.
                first = max(taken + 1, ready, left) if last else taken + 1
                # In the last tile each beat waits until the outputs of the one before have left, group by group.
                end = first + (block.vectors - 1) * (beats if last else 1)
                if last:
                    left = end + beats
            load += 1  # the next command
        return left + 1

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"l{self.lanes}", f"c{self.columns}", f"h{self.hold}", f"d{self.depth}"]
        words.append(self._output_word())
        if self.outputs != self.columns:
            words.append(f"b{self.outputs}")
        return words + self._memory_words()

    @property
    def command_fields(self) -> dict[str, int]:
        """Widths of the parts of a command."""
        # Counts, not indices: the largest one itself must fit.
        tiles, vectors = self.max_tiles.bit_length(), self.hold.bit_length()
        return {"row": self.row_address_bits, "tiles": tiles, "vectors": vectors, "parameters": 1}

    def command_parts(self, block: Block) -> dict[str, int]:
        """The parts of a block's command. Raises `ParameterError` for one that has no meaning."""
        check_range("tiles of a block", block.tiles, 1, self.max_tiles)
        check_range("vectors of a block", block.vectors, 1, self.hold)
        return {name: int(getattr(block, name)) for name in self.command_fields}

    def command_word(self, block: Block) -> int:
        """A block's command as the payload of its stream."""
        return join_fields(place_fields(self.command_fields.items()), self.command_parts(block))
