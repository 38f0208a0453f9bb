"""Schedules of a bitline array: weights of one output to micro-operations. Plain Python.

The order of the terms of a sum is free. They are sorted by shift, largest first, so that the
accumulators move once for each group and not once for each term (Horner's rule over the shifts), and by
sign; one access opens two rows of a group at once and adds both. Zero digits have no access at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.bit_fields import pack
from asm_hw.numbers.integers import ceil_div

from .bitline_config import BitlineConfig
from .bitline_instructions import MOVE, End, Instruction, Operation

Term = tuple[int, int, int]
"""(row, shift, sign): the words of a row count ``+-(value << shift)``."""
Multiples = dict[int, int]
"""The row of each multiple of one activation."""


def accumulate(config: BitlineConfig, terms: Iterable[Term], end: End = End.LEAVES, d: int = 0) -> list[Instruction]:
    """The micro-operations of one sum.

    Their number is ``accesses`` plus one where no term has shift 0 (the accumulators still must move to
    their place). Where {1} is on both sides products need no moves, and a row is opened alone.
    """
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, shift, sign in terms:
        groups[shift, sign].append(row)
    at_once = 1 if config.product.is_power_of_two else 2
    made = []
    for (shift, sign), rows in sorted(groups.items(), key=lambda item: (-item[0][0], item[0][1])):
        for first in range(0, len(rows), at_once):
            opened = rows[first : first + at_once]
            made.append(
                Instruction(Operation.ACCUMULATE, a=opened[0], b=opened[-1], opened=len(opened), shift=shift, sign=sign)
            )
    # One that opens no row: it brings the sum to its place, or is the end of a sum without terms.
    if not made or (made[-1].shift and not config.product.is_power_of_two):
        made.append(Instruction(Operation.ACCUMULATE))
    made[-1] = replace(made[-1], end=end, d=d)
    return made


def accesses(config: BitlineConfig, weights: Iterable[int]) -> int:
    """Array accesses that the terms of one output need: half of each group of equal shift and sign."""
    groups: dict[tuple[int, int], int] = defaultdict(int)
    for weight in weights:
        for _, shift in digits(config, weight):
            groups[shift, int(weight < 0)] += 1
    at_once = 1 if config.product.is_power_of_two else 2
    return sum(ceil_div(size, at_once) for size in groups.values())


def gaps(config: BitlineConfig, instructions: Iterable[Instruction]) -> int:
    """Extra cycles of one sum in which the accumulators move by `MOVE`, where neighbouring shifts are farther apart."""
    if config.product.is_power_of_two:
        return 0
    shifts = [instruction.shift for instruction in instructions]
    return sum(max(0, high - low - 1) // MOVE for high, low in pairwise(shifts))


def digits(config: BitlineConfig, weight: int) -> list[tuple[int, int]]:
    """(alphabet, shift) of each digit of a level that is not 0."""
    found = []
    for digit, value in config.weight.levels.cut(weight):
        if value:
            alphabet, shift = digit.split(value)
            found.append((digit.multiples[alphabet], shift + digit.position))
    return found


@dataclass(frozen=True)
class Tile:
    """Terms whose activations, and their multiples, lie in the array at once.

    Attributes
    ----------
    first : number of the first term; its neighbours follow
    rows : the rows of each term: alphabet to row; 1 is the activation itself
    bank : micro-operations that compute the multiples, once for all outputs
    sums : micro-operations of each output
    """

    first: int
    rows: list[Multiples]
    bank: list[Instruction]
    sums: list[list[Instruction]]


def tiles(config: BitlineConfig, weights: Sequence[Sequence[int]]) -> list[Tile]:
    """Cut ``weights`` [outputs][terms] into tiles that fit the rows; the sums of an output's tiles add up.

    Only multiples that some output uses get a row. Raises `ParameterError` where one term does not fit.
    """
    if not (weights and weights[0]) or any(len(row) != len(weights[0]) for row in weights):
        lengths = sorted({len(row) for row in weights})
        raise ParameterError(f"weights must be rows of one length, at least one term, not of {lengths}")
    made, start, used = [], 0, 0
    needed = [_multiples(config, [row[term] for row in weights]) for term in range(len(weights[0]))]
    for term, multiples in enumerate(needed):
        if len(multiples) > config.rows:
            raise ParameterError(f"rows must be at least {len(multiples)} for one activation, not {config.rows}")
        if used + len(multiples) > config.rows:
            made.append(_tile(config, weights, start, needed[start:term]))
            start, used = term, 0
        used += len(multiples)
    return [*made, _tile(config, weights, start, needed[start:])]


def _multiples(config: BitlineConfig, weights: Iterable[int]) -> tuple[int, ...]:
    """1, and every multiple that these weights use or that helps to compute one, in the order of computation."""
    used = {alphabet for weight in weights for alphabet, _ in digits(config, weight)} | {1}
    return (1, *(step.multiple for step in AlphabetSet(tuple(sorted(used))).bank_steps))


def _tile(config: BitlineConfig, weights: Sequence[Sequence[int]], first: int, needed: list[tuple[int, ...]]) -> Tile:
    rows: list[Multiples] = []
    bank: list[Instruction] = []
    next_row = 0
    for multiples in needed:
        rows.append({multiple: next_row + i for i, multiple in enumerate(multiples)})
        next_row += len(multiples)
        for step in AlphabetSet(tuple(sorted(multiples))).bank_steps:
            left = (rows[-1][step.left], step.left_shift, 0)
            right = (rows[-1][step.right], step.right_shift, int(step.subtract))
            # A multiple is a sum of two terms like any other, but ends in a row.
            bank += accumulate(config, (left, right), End.STORED, rows[-1][step.multiple])
    sums = []
    for row in weights:
        tile = row[first : first + len(needed)]
        terms = [
            (multiples[alphabet], shift, int(weight < 0))
            for weight, multiples in zip(tile, rows, strict=True)
            for alphabet, shift in digits(config, weight)
        ]
        sums.append(accumulate(config, terms))
    return Tile(first, rows, bank, sums)


def packed_row(config: BitlineConfig, values: Sequence[int]) -> int:
    """A beat of ``i_row``: the code of one activation for each word; words without one hold 0."""
    mask = (1 << config.columns_per_word) - 1  # two's complement over the whole word
    encode = config.activation.levels.encode if config.activation.levels else mask.__and__
    return pack(map(encode, values), config.columns_per_word)


def loads(config: BitlineConfig, tile: Tile, activations: Sequence[Sequence[int]]) -> list[tuple[Instruction, int]]:
    """Writes of the activations [vectors][terms] of a tile, at most one vector a word: (micro-operation, row)."""
    return [
        (
            Instruction(Operation.WRITE, d=multiples[1]),
            packed_row(config, [vector[tile.first + i] for vector in activations]),
        )
        for i, multiples in enumerate(tile.rows)
    ]
