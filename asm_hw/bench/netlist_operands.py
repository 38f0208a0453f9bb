"""Operands of netlist test benches, in plain Python integers: the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat

MAX_VECTORS = 1024
TEXT_BITS = 200_000
"""Of the streams of a large unit, so that its bench stays readable."""

Operand = tuple[int, int]
"""A code and its value."""


class Picker:
    """Draws operands. Only ``Random.random`` is promised to stay the same in every Python."""

    def __init__(self, weight: WeightFormat, activation: ActivationFormat):
        self._weights, self._activations = weight.table, activation.table
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

    def pairs(self, max_pairs: int) -> Iterator[tuple[Operand, Operand]]:
        """All (weight, activation) where at most ``max_pairs``, else the corners and random ones."""
        if len(self._weights) * len(self._activations) <= max_pairs:
            yield from product(self._weights, self._activations)
            return
        corners = self.corners()
        yield from corners
        for _ in range(max_pairs - len(corners)):
            yield self.weight(), self.activation()


def _corners(table: list[Operand]) -> list[Operand]:
    by_value = sorted(table, key=lambda row: row[1])
    return [by_value[0], by_value[-1], min(by_value, key=lambda row: abs(row[1]))]
