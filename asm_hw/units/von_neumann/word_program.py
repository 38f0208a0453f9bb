"""How a matrix product is laid out in the one memory of a ``vn_scalar`` or ``vn_array`` unit. Codes, not values.

The product is ``activations [vectors, inputs] @ weights [outputs, inputs].T``. Each row of weights begins with
a word of its own, and so does each vector; the requantize parameters of an output follow its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import pack, unpack
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.near_memory.near_memory_program import check_product, program
from asm_hw.units.vn_array.vn_array_config import BusBlock, VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import Job, VnScalarConfig

Matrix = Sequence[Sequence[int]]


@dataclass(frozen=True)
class WordProgram:
    """What to write, to start and to read back.

    Attributes
    ----------
    start : the address of the first word
    words : operands and parameters
    jobs : the commands: `Job`, one a vector, or `BusBlock`
    results : addresses of the words of outputs, vector after vector
    """

    start: int
    words: list[int]
    jobs: Sequence[Any]
    results: range

    def gather(self, config: VnScalarConfig, words: Sequence[int]) -> list[list[int]]:
        """The words read back as raw outputs [vectors][outputs]."""
        each, count = len(words) // len(self.jobs), config.outputs_per_word
        flat = [unpack(word, config.out_bits, count) for word in words]
        return [
            [raw for word in flat[vector * each : (vector + 1) * each] for raw in word][: job.outputs]
            for vector, job in enumerate(self.jobs)
        ]


def word_program(config: VnScalarConfig, w: Matrix, x: Matrix, channels: Sequence[int], start: int = 0) -> WordProgram:
    """The layout from address ``start``: rows of weights with parameters, vectors, outputs.

    ``w``: weight codes [outputs][inputs]; ``x``: activation codes [vectors][inputs]; ``channels``: the word of
    each output's parameters (`RequantizeFormat.encode`). Raises `ParameterError` where they do not fit, and for what
    `asm_hw.units.near_memory.near_memory_program.check_product` refuses.
    """
    outputs, inputs = check_product(config, w, x, channels)
    _check_depth(config, start, outputs, inputs, len(x))
    words: list[int] = []
    for row, channel in zip(w, channels, strict=True):
        words += pack_words(row, config.weight.code_bits, config.bus_bits) + unpack(
            channel, config.bus_bits, config.rows_per_channel
        )
    vectors = [pack_words(vector, config.activation.code_bits, config.bus_bits) for vector in x]
    first_vector, each = start + len(words), ceil_div(outputs, config.outputs_per_word)
    words += [word for vector in vectors for word in vector]
    results = range(start + len(words), start + len(words) + each * len(x))
    jobs = [
        Job(start, first_vector + i * len(vector), results.start + i * each, inputs, outputs)
        for i, vector in enumerate(vectors)
    ]
    return WordProgram(start, words, jobs, results)


def _check_depth(config: VnScalarConfig | VnArrayConfig, start: int, outputs: int, inputs: int, vectors: int) -> None:
    needed = start + config.words(outputs, inputs, vectors)
    if needed > config.depth:
        shape = f"{outputs} x {inputs} weights and {vectors} vectors"
        raise ParameterError(f"depth must be at least {needed} for {shape}, not {config.depth}")


def pack_words(codes: Sequence[int], bits: int, bus_bits: int) -> list[int]:
    """Words of as many codes as fit, the first lowest."""
    count = bus_bits // bits
    return [pack(codes[first : first + count], bits) for first in range(0, len(codes), count)]


def scalar_output_words(config: VnScalarConfig, outputs: Sequence[Sequence[int]]) -> list[int]:
    """Outputs [vectors][outputs] as the words in which ``vn_scalar`` leaves them."""
    return [word for row in outputs for word in pack_words(row, config.out_bits, config.bus_bits)]


def array_output_words(config: VnArrayConfig, outputs: Sequence[Sequence[int]]) -> list[int]:
    """Outputs [vectors][outputs] as the words in which ``vn_array`` leaves them, beats padded with zeros."""
    count, words = config.beat_columns, list[int]()
    for row in outputs:
        padded = [*row, *[0] * (-len(row) % config.columns)]
        for first in range(0, len(padded), count):
            beat = pack(padded[first : first + count], config.out_bits)
            words += unpack(beat, config.bus_bits, config.output_words)
    return words


def array_program(config: VnArrayConfig, w: Matrix, x: Matrix, channels: Sequence[int], start: int = 0) -> WordProgram:
    """The same for a ``vn_array`` unit: rows of tiles and parameters, beats vector by vector, outputs.

    The rows are those of a ``near_memory`` unit (`near_memory_program.program`), each from a word of its own.
    """
    (outputs, inputs), bus = check_product(config, w, x, channels), config.bus_bits
    _check_depth(config, start, outputs, inputs, len(x))
    # Its addresses count rows from 0; below they become words from ``start``.
    made = program(config, w, x, channels)
    words = [word for row in made.rows for word in unpack(row, bus, config.row_words)]
    stride = ceil_div(inputs, config.lanes) * config.beat_words
    activations = start + len(words)
    for vector in x:
        for first in range(0, inputs, config.lanes):
            beat = pack(vector[first : first + config.lanes], config.activation.code_bits)
            words += unpack(beat, bus, config.beat_words)
    each = ceil_div(outputs, config.columns) * config.vector_words
    results = range(start + len(words), start + len(words) + each * len(x))
    blocks, done = [], 0  # vectors that the blocks so far compute, group after group of columns
    for block in made.blocks:
        # A group of columns passes all vectors before the next one begins.
        group, first = divmod(done, len(x))
        place = results.start + first * each + group * config.vector_words
        row, done = start + block.row * config.row_words, done + block.vectors
        arguments = vars(block) | {"row": row, "activations": activations + first * stride, "results": place}
        blocks.append(BusBlock(**arguments, activation_stride=stride, result_stride=each))
    return WordProgram(start, words, blocks, results)
