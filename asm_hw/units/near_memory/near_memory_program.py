"""How a matrix product is cut into rows, commands and beats of a ``near_memory`` unit. Codes, not values.

The product is ``activations [vectors, inputs] @ weights [outputs, inputs].T``. Inputs are cut into tiles of
``lanes``, outputs into tiles of ``columns``, both padded with code 0; vectors into blocks of up to ``hold``.
All weights lie in the memory at once; for each tile of outputs every block passes all tiles of inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import pack, unpack
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.memory_config import MemoryConfig

from .near_memory_config import Block, NearMemoryConfig

Matrix = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Program:
    """What to stream into a ``near_memory`` unit.

    Attributes
    ----------
    rows : words of the weight memory, from row 0
    blocks : the commands
    x : activation codes [beats][lanes]
    vectors, outputs : of the product
    """

    rows: list[int]
    blocks: list[Block]
    x: list[list[int]]
    vectors: int
    outputs: int

    def gather(self, beats: Matrix) -> list[list[int]]:
        """The unit's output beats [beats][columns a beat] as [vectors][outputs]."""
        flat = [value for beat in beats for value in beat]
        # Each group of columns loads its parameters once, so that these commands count the groups.
        columns = len(flat) // self.vectors // sum(block.parameters for block in self.blocks)
        rows = [flat[i : i + columns] for i in range(0, len(flat), columns)]
        # Rows come group after group, in each of them vector after vector.
        return [
            [value for row in rows[vector :: self.vectors] for value in row][: self.outputs]
            for vector in range(self.vectors)
        ]


def program(config: NearMemoryConfig, w: Matrix, x: Matrix, channels: Sequence[int], start: int = 0) -> Program:
    """The streams that compute ``x @ w.T`` and requantize it.

    ``w``: weight codes [outputs][inputs]; ``x``: activation codes [vectors][inputs]; ``channels``: the word of
    each output's parameters (`RequantizeFormat.encode`); the first row is written to ``start``. Raises
    `ParameterError` where the weights do not fit the memory, and for what `check_product` refuses.
    """
    outputs, inputs = check_product(config, w, x, channels)
    needed = start + config.rows(outputs, inputs)
    if needed > config.depth:
        raise ParameterError(f"depth must be at least {needed} for {outputs} x {inputs} weights, not {config.depth}")
    blocks = [replace(block, row=start + block.row) for block in config.blocks(outputs, inputs, len(x))]
    rows: list[int] = []
    for first in range(0, outputs, config.columns):
        tiles = [_tile(config, w[first : first + config.columns], i) for i in range(0, inputs, config.lanes)]
        # The loader expects the parameters of a group behind its first tile.
        rows += tiles[0] + _parameters(config, channels[first : first + config.columns])
        rows += [row for tile in tiles[1:] for row in tile]
    # Every group of columns is given all activations again.
    passes = ceil_div(outputs, config.columns)
    return Program(rows, blocks, _beats(config, x, config.block_lengths(len(x))) * passes, len(x), outputs)


def check_product(config: MemoryConfig, w: Matrix, x: Matrix, channels: Sequence[int]) -> tuple[int, int]:
    """Outputs and inputs. Raises `ParameterError` for rows of unlike lengths, codes too wide, missing parameters."""
    outputs, inputs = len(w), len(w[0]) if w else 0
    if not (inputs and x):
        raise ParameterError(f"w and x must not be empty, not {outputs} x {inputs} weights and {len(x)} vectors")
    for name, rows, bits in (("w", w, config.weight.code_bits), ("x", x, config.activation.code_bits)):
        for row in rows:
            if len(row) != inputs:
                raise ParameterError(f"{name} must have {inputs} codes a row, as the first of w, not {len(row)}")
            # The extremes stand for all codes; a negative one shifts to -1, not to 0.
            for code in (min(row), max(row)):
                if code >> bits:
                    raise ParameterError(f"{name} must hold codes from 0 to {(1 << bits) - 1}, not {code}")
    if len(channels) != outputs:
        raise ParameterError(f"channels must be {outputs}, one an output, not {len(channels)}")
    return outputs, inputs


def _tile(config: NearMemoryConfig, w: Matrix, first: int) -> list[int]:
    """The rows of one tile: a column's codes side by side, the first lane lowest."""
    rows = [pack(row[first : first + config.lanes], config.weight.code_bits) for row in w]
    return rows + [0] * (config.columns - len(rows))


def _parameters(config: NearMemoryConfig, channels: Sequence[int]) -> list[int]:
    """The rows of the requantize parameters, the lowest part of a channel first."""
    words = [*channels, *[0] * (config.columns - len(channels))]
    return [part for word in words for part in unpack(word, config.row_bits, config.rows_per_channel)]


def _beats(config: NearMemoryConfig, x: Matrix, lengths: list[int]) -> list[list[int]]:
    """The beats of all blocks for one tile of outputs."""
    beats, first = [], 0
    for length in lengths:
        for lane in range(0, len(x[0]), config.lanes):
            taken = (vector[lane : lane + config.lanes] for vector in x[first : first + length])
            beats += [[*codes, *[0] * (config.lanes - len(codes))] for codes in taken]
        first += length
    return beats
