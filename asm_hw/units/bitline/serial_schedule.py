"""The bit-serial baseline's schedule: multiply by AND and add, one bit a cycle. Plain Python.

After Neural Cache (Eckert et al., ISCA 2018, arXiv 1805.03718): words lie in columns, one bit a row; a bit of
the weight is the tag under which a column adds the activation to its product. The weights lie in the array
like the activations, so each product takes the same cycles whatever its operands. Signs are the same in
all columns: products of positive and of negative weights are summed apart and subtracted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import pack

from .bitline_config import BitlineConfig
from .bitline_instructions import Instruction, Operation

Step = tuple[Instruction, int | None]
"""A micro-operation with the row that it takes."""


def mac_cycles(config: BitlineConfig) -> int:
    """Cycles of one multiply-accumulate, done by every column at once.

    The first bit of the weight is an AND a bit of the activation, each further one a tag, an addition and its
    carry; then the product is added to a sum of ``acc_bits``.
    """
    return config.act_bits + 1 + (config.magnitude_bits - 1) * (config.act_bits + 2) + config.accumulator.bits


@dataclass(frozen=True)
class _Rows:
    """Where the bits lie, lowest first: activations and weight magnitudes by term, a product, two sums."""

    x: list[range]
    w: list[range]
    product: range
    sums: tuple[range, range]


def place(config: BitlineConfig, terms: int) -> _Rows:
    """Rows for a sum of so many terms. Raises `ParameterError` where they do not fit."""
    act, magnitude = config.act_bits, config.magnitude_bits
    needed = config.serial_rows(terms)
    if needed > config.rows:
        raise ParameterError(f"rows must be at least {needed} for {terms} terms in bit-serial form, not {config.rows}")
    sizes = [act] * terms + [magnitude] * terms + [act + magnitude] + [config.accumulator.bits] * 2
    starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    rows = [range(start, start + size) for start, size in zip(starts[:-1], sizes, strict=True)]
    return _Rows(rows[:terms], rows[terms : 2 * terms], rows[2 * terms], (rows[-2], rows[-1]))


def max_terms(config: BitlineConfig) -> int:
    """Terms whose activations and weights fit the rows."""
    return (config.rows - config.serial_rows(0)) // (config.act_bits + config.magnitude_bits)


def serial_program(
    config: BitlineConfig, weights: Sequence[Sequence[int]], vectors: Sequence[Sequence[int]]
) -> list[Step]:
    """Sums of ``weights`` [outputs][terms] times ``vectors`` [columns][terms]: loads, sums, reads of their bits."""
    rows = place(config, len(weights[0]))
    steps: list[Step] = []
    for term, places in enumerate(rows.x):
        for bit, d in enumerate(places):
            steps.append((Instruction(Operation.WRITE, d=d), pack((vector[term] >> bit for vector in vectors), 1)))
    ones = (1 << config.cols) - 1
    for output in weights:
        for weight, places in zip(output, rows.w, strict=True):
            steps += [
                (Instruction(Operation.WRITE, d=d), ones * (abs(weight) >> bit & 1)) for bit, d in enumerate(places)
            ]
        steps += [(instruction, None) for instruction in serial_sum(config, rows, output)]
    return steps


def serial_sum(config: BitlineConfig, rows: _Rows, weights: Sequence[int]) -> Iterator[Instruction]:
    """The micro-operations of one output, from cleared sums to their bits on ``o_words``."""
    positive, negative = rows.sums
    yield from (Instruction(Operation.CLEAR, d=d) for d in (*positive, *negative))
    for weight, x, w in zip(weights, rows.x, rows.w, strict=True):
        yield from _product(x, w, rows.product)
        yield from _add_product(rows.product, negative if weight < 0 else positive)
    # Subtracted by the complement and a first carry of 1.
    yield from (Instruction(Operation.NOR, a=row, opened=1, d=row) for row in negative)
    for i, (a, d) in enumerate(zip(negative, positive, strict=True)):
        yield Instruction(Operation.ADD, a=a, b=d, d=d, opened=2, start=int(i == 0), carry=1)
    yield from (Instruction(Operation.READ, a=row, opened=1) for row in positive)


def _product(x: range, w: range, product: range) -> Iterator[Instruction]:
    # The lowest bit of the weight: an AND overwrites what an earlier product left, and needs no tag.
    for a, d in zip(x, product, strict=False):
        yield Instruction(Operation.AND, a=a, b=w[0], opened=2, d=d)
    # The additions of the next bit reach one row further up; those of later bits find a carry there.
    yield Instruction(Operation.CLEAR, d=product[len(x)])
    for j in range(1, len(w)):
        yield Instruction(Operation.TAG, a=w[j], opened=1)
        for i, a in enumerate(x):
            d = product[j + i]
            yield Instruction(Operation.ADD, a=a, b=d, d=d, opened=2, start=int(i == 0), tagged=1)
        yield Instruction(Operation.ADD, d=product[j + len(x)])  # the carry, 0 where the tag is


def _add_product(product: range, total: range) -> Iterator[Instruction]:
    # Above the product only the carry is added; a sum that is shorter than the product wraps.
    used = product[: len(total)]
    for i, d in enumerate(total):
        if i < len(used):
            yield Instruction(Operation.ADD, a=used[i], b=d, d=d, opened=2, start=int(i == 0))
        else:
            yield Instruction(Operation.ADD, a=d, d=d, opened=1)
