"""Parameters of unit ``vn_array``: the near-memory array behind one memory and a bus, its cycles and accesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from asm_hw.numbers.bit_fields import join_fields, place_fields
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.memory_config import bus_bits_field, depth_field
from asm_hw.units.near_memory.near_memory_config import Block, NearMemoryConfig


@dataclass(frozen=True)
class BusBlock(Block):
    """A block whose activations and outputs lie in the memory too; all addresses are those of words.

    Vector v begins ``activation_stride`` * v words after ``activations``, its outputs ``result_stride`` * v
    after ``results``.
    """

    activations: int
    activation_stride: int
    results: int
    result_stride: int


@dataclass(frozen=True, kw_only=True)
class VnArrayConfig(NearMemoryConfig):
    """Unit ``vn_array``: the array of ``near_memory`` and its reuse, but one memory of ``bus_bits`` words for all.

    A row of weights or parameters, the activations of a beat and the outputs of a beat begin with a word of
    their own. ``depth`` counts words.
    """

    unit: ClassVar[str] = "vn_array"
    waits: ClassVar[bool] = True
    min_content: ClassVar[str] = "a tile, its parameters and a vector"
    memory_map: ClassVar[str] = (
        f"rows as words, lowest part first: {NearMemoryConfig.memory_map}; activations of a beat, lane 0 lowest, and"
        " outputs of a beat, column 0 lowest; rows and beats begin with a word of their own"
    )
    port_meanings: ClassVar[Mapping[str, str]] = {
        "i_memory__payload": "an access to the memory: write data to address, or (write 0) offer its word on o",
        "i_memory__valid": "an access is offered",
        "i_memory__ready": "the access is done on this edge if valid; never while a block runs",
        "i_command__payload": "a block: vectors (1 to hold) at activations times tiles of weights at row, packed to"
        " results; parameters: load the requantize parameters behind the first tile",
        "i_command__valid": "a command is offered",
        "i_command__ready": "the command is taken on this edge if valid; never while a block runs",
        "o__payload": "a word of the memory that was asked for",
        "o__valid": "a word is offered",
        "o__ready": "the word is taken on this edge if valid",
    }

    depth: int = depth_field(8192)
    bus_bits: int = bus_bits_field()

    @property
    def memory_bits(self) -> int:
        return self.bus_bits

    @property
    def row_words(self) -> int:  # type: ignore[override]
        """Words of a row of weights or parameters."""
        return ceil_div(self.row_bits, self.bus_bits)

    @property
    def beat_words(self) -> int:
        """Words of the activations of a beat."""
        return ceil_div(self.lanes * self.activation.code_bits, self.bus_bits)

    @property
    def output_words(self) -> int:
        """Words of the outputs of a beat."""
        return ceil_div(self.beat_columns * self.out_bits, self.bus_bits)

    @property
    def vector_words(self) -> int:
        """Words of the outputs of all columns."""
        return self.columns // self.beat_columns * self.output_words

    @property
    def min_depth(self) -> int:
        return super().min_depth * self.row_words + self.beat_words + self.vector_words

    @property
    def max_inputs(self) -> int:
        room = self.depth - self.vector_words - self.parameter_rows * self.row_words
        return room // (self.columns * self.row_words + self.beat_words) * self.lanes

    def words(self, outputs: int, inputs: int, vectors: int) -> int:
        """Words that weights, parameters, activations and outputs take."""
        tiles, passes = ceil_div(inputs, self.lanes), ceil_div(outputs, self.columns)
        vector = tiles * self.beat_words + passes * self.vector_words
        return self.rows(outputs, inputs) * self.row_words + vectors * vector

    def accesses(self, blocks: Iterable[Block]) -> dict[str, int]:
        """Words that blocks read and, of outputs, write."""
        found = dict.fromkeys(("weights", "parameters", "activations", "outputs"), 0)
        for block in blocks:
            found["weights"] += block.tiles * self.columns * self.row_words
            found["parameters"] += block.parameters * self.parameter_rows * self.row_words
            found["activations"] += block.tiles * block.vectors * self.beat_words
            found["outputs"] += block.vectors * self.vector_words
        return found

    def cycles(self, blocks: Iterable[Block]) -> int:
        """Clock cycles from the first command's offer until the memory may be accessed, where no command is late."""
        return sum(self._block_cycles(block) for block in blocks)

    def _block_cycles(self, block: Block) -> int:
        """Cycles from one command to the next.

        A word a cycle: a tile, its parameters, then in turn the next tile and the beats of the one before,
        each computed when its last word arrives. In the last tile the outputs of a beat are written before the
        next one is read.
        """
        load = self.columns * self.row_words
        time = load + 3  # the first tile has been taken: a cycle each for command, arrival and swap
        if block.parameters:
            # The loader's DRAIN takes the first cycle, though nothing is left to wait for.
            time += 1 + self.parameter_rows * self.row_words
        # Two cycles more for each tile: its last row arrives, and so does the last beat of the tile before.
        time += (block.tiles - 1) * (load + 2 + block.vectors * self.beat_words)
        # The words of a beat, the cycle in which it is added, the words of its outputs.
        return time + block.vectors * (self.beat_words + 1 + self.vector_words)

    def _slug_words(self) -> list[str]:
        return [*super()._slug_words(), f"bus{self.bus_bits}"]

    @property
    def job_fields(self) -> dict[str, int]:
        """Widths of the parts of a command: those of the array, addresses and strides."""
        names = ("activations", "activation_stride", "results", "result_stride")
        return self.command_fields | dict.fromkeys(names, self.row_address_bits)

    def command_word(self, block: Block) -> int:
        parts = self.command_parts(block) | {name: getattr(block, name) for name in self.job_fields}
        return join_fields(place_fields(self.job_fields.items()), parts)
