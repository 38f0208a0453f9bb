"""Operands and expected responses of the netlist test bench, in plain Python integers.

Everything is fixed by the configuration: the same vectors on every machine.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from ..config import (
    DotConfig,
    MacConfig,
    MultiplierConfig,
    NearMemoryConfig,
    RequantizeConfig,
    StoredConfig,
    VnArrayConfig,
    VnScalarConfig,
)
from ..config.requantize import MAX_SHIFT
from ..network.tiles import Program, program
from ..network.words import WordProgram, array_program, pack, split, word_program

MOST_VECTORS = 1024
RUN = 64  # equal products in a row, which carry far into the accumulator
FEWEST_SUMS, MOST_SUMS = 8, 64
MOST_ROUNDS = 16
TEXT_BITS = 200_000  # of the streams of a large array, so that its bench stays readable

Operand = tuple[int, int]  # code, value
Codes = list[list[int]]


class Picker:
    """Draws operands. Only ``Random.random`` is promised to stay the same in every Python."""

    def __init__(self, config: MultiplierConfig):
        self._weights, self._activations = config.weight_table, config.act_table
        self._random = random.Random(0)  # noqa: S311 - stimuli, not secrets

    def below(self, limit: int) -> int:
        """An integer from 0 to ``limit - 1``."""
        return int(self._random.random() * limit)

    def weight(self) -> Operand:
        """Any legal weight."""
        return self._weights[self.below(len(self._weights))]

    def activation(self) -> Operand:
        """Any legal activation."""
        return self._activations[self.below(len(self._activations))]

    def corners(self) -> list[tuple[Operand, Operand]]:
        """Every pair of the smallest, largest and least-magnitude operands, by ascending product."""
        pairs = product(_corners(self._weights), _corners(self._activations))
        return sorted(pairs, key=lambda pair: pair[0][1] * pair[1][1])

    def pairs(self, most: int) -> Iterator[tuple[Operand, Operand]]:
        """All (weight, activation) where at most ``most``, else the corners and random ones."""
        if len(self._weights) * len(self._activations) <= most:
            yield from product(self._weights, self._activations)
            return
        corners = self.corners()
        yield from corners
        for _ in range(most - len(corners)):
            yield self.weight(), self.activation()


def _corners(table: list[Operand]) -> list[Operand]:
    by_value = sorted(table, key=lambda row: row[1])
    return [by_value[0], by_value[-1], min(by_value, key=lambda row: abs(row[1]))]


def multiplier_vectors(config: MultiplierConfig) -> list[tuple[int, int, int]]:
    """(w code, x code, product)."""
    return [(w, x, w_value * x_value) for (w, w_value), (x, x_value) in Picker(config).pairs(MOST_VECTORS)]


def mac_vectors(config: MacConfig) -> list[tuple[int, int, int, int, int]]:
    """(en, clear, w code, x code, acc after the edge), one a cycle, from an accumulator of 0."""
    picker = Picker(config)
    steps = [(i % 5 != 3, i % 8 == 0, *pair) for i, pair in enumerate(picker.pairs(MOST_VECTORS - 2 * RUN))]
    corners = picker.corners()
    for pair in (corners[0], corners[-1]):
        steps += [(True, i == 0, *pair) for i in range(RUN)]
    vectors, acc = [], 0
    for en, clear, (w, w_value), (x, x_value) in steps:
        if en:
            acc = fit((0 if clear else acc) + w_value * x_value, config)
        vectors.append((int(en), int(clear), w, x, acc))
    return vectors


@dataclass(frozen=True)
class DotStreams:
    """The three streams of a ``dot`` unit.

    Attributes
    ----------
    beats : (x codes by lane, release, last)
    weights : w codes [column][lane]; each serves until a beat releases it
    sums : by column, one entry a beat with ``last``
    """

    beats: list[tuple[list[int], int, int]]
    weights: list[list[list[int]]]
    sums: list[list[int]]


def dot_streams(config: DotConfig) -> DotStreams:
    """Sums of one to four beats; the first ones hold every lane at a corner, the others are random."""
    picker, streams = Picker(config), DotStreams([], [], [])
    bits = (config.columns * config.w_bits + config.x_bits) * config.lanes + config.columns * config.acc_width
    corners = picker.corners()
    corners = [corners[0], corners[-1], *corners[1:-1]]
    held: list[list[Operand]] = []
    for index in range(max(FEWEST_SUMS, min(MOST_SUMS, TEXT_BITS // bits))):
        corner = corners[index] if index < len(corners) else None
        sums, beats = [0] * config.columns, 4 if corner else 1 + index % 4
        for beat in range(beats):
            if not held:
                held = [
                    [corner[0] if corner else picker.weight() for _ in range(config.lanes)]
                    for _ in range(config.columns)
                ]
                streams.weights.append([[code for code, _ in column] for column in held])
            x = [corner[1] if corner else picker.activation() for _ in range(config.lanes)]
            products = [sum(w * v for (_, w), (_, v) in zip(column, x, strict=True)) for column in held]
            sums = [fit(old + new, config) for old, new in zip(sums, products, strict=True)]
            last = beat == beats - 1
            release = picker.below(2) == 1 or (last and index < len(corners))
            streams.beats.append(([code for code, _ in x], int(release), int(last)))
            held = [] if release else held
        streams.sums.append(sums)
    return streams


def fit(total: int, config: MacConfig) -> int:
    """``total`` brought into the accumulator: wrapped or saturated."""
    top = 1 << config.acc_width - 1
    if config.overflow == "saturate":
        return max(-top, min(total, top - 1))
    return (total + top) % (2 * top) - top


def near_memory_rounds(config: NearMemoryConfig) -> list[tuple[Program, list[list[int]]]]:
    """Products of several tiles and blocks where they fit memory and text, each with its outputs by beat."""
    columns, lanes, count = config.columns, config.lanes, config.beat_columns
    shapes = ((o * columns, i * lanes) for o, i in ((2, 2), (1, 2)))
    outputs, inputs = next((shape for shape in shapes if config.rows(*shape) <= config.depth), (columns, lanes))
    vector = outputs // columns * inputs * config.x_bits + outputs * config.out_bits
    vectors = min(config.hold + 1, max(2, TEXT_BITS // vector // 4))
    picker, rounds = Picker(config), []
    for _ in range(_round_count(config.rows(outputs, inputs) * config.row_bits + vectors * vector)):
        w, x, channels, expected = _product(picker, config, outputs, inputs, vectors)
        beats = [
            row[first : first + count]
            for tile in range(0, outputs, columns)
            for row in expected
            for first in range(tile, tile + columns, count)
        ]
        rounds.append((program(config, w, x, channels), beats))
    return rounds


def vn_scalar_rounds(config: VnScalarConfig) -> list[tuple[WordProgram, list[int]]]:
    """Products of more outputs and inputs than words hold where they fit the memory, each with the words it gives."""
    operands, packed = config.weights_a_word + config.activations_a_word, config.outputs_a_word
    shapes = [*((packed + 1, operands + 1, vectors) for vectors in (8, 4, 2)), (2, operands, 2), (1, 1, 1)]
    shape = next(shape for shape in shapes if config.words(*shape) <= config.depth)
    picker, rounds, mask = Picker(config), [], (1 << config.out_bits) - 1
    for _ in range(_round_count(config.words(*shape) * config.bus_bits)):
        w, x, channels, outputs = _product(picker, config, *shape)
        words = [pack([value & mask for value in row], config.out_bits, config.bus_bits) for row in outputs]
        rounds.append((word_program(config, w, x, channels), [word for row in words for word in row]))
    return rounds


def vn_array_rounds(config: VnArrayConfig) -> list[tuple[WordProgram, list[int]]]:
    """Products of several tiles and blocks where they fit memory and text, each with the words that it gives."""
    columns, lanes = config.columns, config.lanes
    vectors = min(
        config.hold + 1, max(2, TEXT_BITS // ((config.beat_words + config.vector_words) * config.bus_bits) // 8)
    )
    shapes = ((o * columns, i * lanes, vectors) for o, i in ((2, 2), (1, 2), (1, 1)))
    shape = next((shape for shape in shapes if config.words(*shape) <= config.depth), (columns, lanes, 1))
    picker, rounds, count, mask = Picker(config), [], config.beat_columns, (1 << config.out_bits) - 1
    for _ in range(_round_count(config.words(*shape) * config.bus_bits)):
        w, x, channels, outputs = _product(picker, config, *shape)
        beats = [row[first : first + count] for row in outputs for first in range(0, shape[0], count)]
        raw = [sum((value & mask) << i * config.out_bits for i, value in enumerate(beat)) for beat in beats]
        words = [word for beat in raw for word in split(beat, config.bus_bits, config.output_words)]
        rounds.append((array_program(config, w, x, channels), words))
    return rounds


def _round_count(bits: int) -> int:
    """How many rounds of so many bits of text a bench has."""
    return max(2, min(MOST_ROUNDS, TEXT_BITS // bits))


def _product(
    picker: Picker, config: StoredConfig, outputs: int, inputs: int, vectors: int
) -> tuple[Codes, Codes, list[int], Codes]:
    """Codes of weights and of activations, words of parameters, and the outputs by vector."""
    unit = config.requantize
    w = [[picker.weight() for _ in range(inputs)] for _ in range(outputs)]
    x = [[picker.activation() for _ in range(inputs)] for _ in range(vectors)]
    channels = [_channel(picker, unit) for _ in range(outputs)]
    w_codes, x_codes = ([[code for code, _ in row] for row in rows] for rows in (w, x))
    expected = [
        [_output(config, row, vector, channel) for row, channel in zip(w, channels, strict=True)] for vector in x
    ]
    return w_codes, x_codes, [unit.encode(channel) for channel in channels], expected


def _channel(picker: Picker, unit: RequantizeConfig) -> dict[str, int]:
    """A scale, a shift and a bias: of about half the channels the quotient is one to a hundredth, else anything."""
    shift = picker.below(8 if picker.below(2) else MAX_SHIFT + 1)
    low, high = bisect_left(unit.scale.levels, -1 << shift), bisect_right(unit.scale.levels, 1 << shift)
    bias = picker.below(min(1 << shift + 4, 1 << unit.bias_bits - 2)) - 100
    return {"scale": unit.scale.levels[low + picker.below(high - low)], "bias": bias, "shift": shift}


def _output(config: StoredConfig, w: list[Operand], x: list[Operand], channel: dict[str, int]) -> int:
    acc, (low, high), lanes = 0, config.requantize.out_range, getattr(config, "lanes", 1)
    for first in range(0, len(w), lanes):
        tile = slice(first, first + lanes)
        acc = fit(acc + sum(a * b for (_, a), (_, b) in zip(w[tile], x[tile], strict=True)), config)
    half = 1 << channel["shift"] >> 1
    return max(low, min((acc * channel["scale"] + channel["bias"] + half) >> channel["shift"], high))
