"""Stimulus and expected responses of a bitline unit's netlist test bench, in plain Python integers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from asm_hw.bench.netlist_operands import Picker
from asm_hw.bench.netlist_text import NetlistBench, Ports, widths_of, word_memories
from asm_hw.numbers.bit_fields import pack
from asm_hw.units.dot.dot_stimulus import STREAMS_BODY, STREAMS_VARIABLES

from .bitline_config import BitlineConfig
from .bitline_instructions import End, Instruction, Operation

ROWS = 12  # that are written and used
SUMS = 24

Beats = tuple[list[int], list[int], list[int]]
"""Micro-operations, rows and words, as raw beats."""


def bitline_bench(config: BitlineConfig, ports: Ports) -> NetlistBench:
    """The streams of micro-operations, rows and words, played as those of a ``dot`` unit."""
    names = {"i_op": "beats", "i_row": "weights", "o_words": "sums"}
    beats = zip(names.items(), bitline_streams(config), strict=True)
    rows = [(memory, f"{name}__payload", raw) for (name, memory), raw in beats]
    body = STREAMS_BODY.format(**{memory: len(raw) for memory, _, raw in rows})
    for old, new in (("i_weight__", "i_row__"), ("i__", "i_op__"), ("o__", "o_words__")):
        body = re.sub(rf"\b{old}", new, body)
    return NetlistBench(word_memories(widths_of(ports), rows), body, STREAMS_VARIABLES)


def bitline_streams(config: BitlineConfig) -> Beats:
    """Rows of activations, sums of random digits and operations on rows, and what leaves."""
    steps = _serial(config) if config.arithmetic == "exact" else _sums(config)
    ops, rows, words = [], [], []
    for instruction, row, leaving in steps:
        ops.append(config.encode(instruction))
        rows += [] if row is None else [pack(row, config.columns_per_word)]
        words += [] if leaving is None else [pack(leaving, config.out_bits)]
    return ops, rows, words


Step = tuple[Instruction, list[int] | None, list[int] | None]
"""A micro-operation, the words of the row that it takes, and those that leave."""


def _sums(config: BitlineConfig) -> Iterator[Step]:
    picker, count = Picker(config.weight, config.activation), min(ROWS, config.rows - 1)
    mask = (1 << config.columns_per_word) - 1
    drawn = [[picker.activation() for _ in range(config.words)] for _ in range(count)]
    cells = [[code if config.product.is_power_of_two else value & mask for code, value in row] for row in drawn]
    for d, row in enumerate(cells):
        yield Instruction(Operation.WRITE, d=d), row, None
    for number in range(SUMS):
        total = [0] * config.words
        shifts = sorted((picker.below(config.max_shift + 1) for _ in range(number % 4)), reverse=True)
        # The last digit has shift 0, so that the sum ends in its place.
        digits = [_digit(config, picker, shift, count) for shift in (*shifts, 0)]
        for digit in digits:
            factor = (-1 if digit.sign else 1) << digit.shift
            for opened in (digit.a, digit.b)[: digit.opened]:
                total = [old + factor * value for old, (_, value) in zip(total, drawn[opened], strict=True)]
        yield from ((digit, None, None) for digit in digits[:-1])
        words = [config.accumulator.fit(value) for value in total]
        if number % 8 == 7:
            # Row ``count`` is the first one behind the activations: its contents are not needed.
            yield replace(digits[-1], end=End.STORED, d=count), None, None
            yield Instruction(Operation.READ, a=count, opened=1), None, [word & mask for word in words]
        else:
            yield replace(digits[-1], end=End.LEAVES), None, words
    yield from _logic(cells, mask, count)
    yield from _masked(config, cells, [[value for _, value in row] for row in drawn])


def _masked(config: BitlineConfig, cells: list[list[int]], values: list[list[int]]) -> Iterator[Step]:
    """Every other word, then the others: written, and added to a sum that the rest keeps."""
    bits, kept = config.columns_per_word, list(cells[0])
    total = [config.accumulator.fit(value) for value in values[1]]
    # Before the first mask every accumulator holds a known sum, which masked words then keep.
    yield Instruction(Operation.ACCUMULATE, a=1, opened=1, end=End.LEAVES), None, total
    for first in (0, 1):
        chosen = [word for word in range(config.words) if word % 2 == first]
        flags = sum(1 << word for word in chosen)
        beat = [flags >> word * bits & (1 << bits) - 1 for word in range(config.words)]
        kept = [cells[1][word] if word in chosen else kept[word] for word in range(config.words)]
        total = [
            config.accumulator.fit(values[2][word]) if word in chosen else total[word] for word in range(config.words)
        ]
        yield Instruction(Operation.MASK), beat, None
        yield Instruction(Operation.COPY, a=1, d=0, opened=1), None, None
        yield Instruction(Operation.READ, a=0, opened=1), None, list(kept)
        yield Instruction(Operation.ACCUMULATE, a=2, opened=1, end=End.LEAVES), None, list(total)


def _digit(config: BitlineConfig, picker: Picker, shift: int, count: int) -> Instruction:
    """A random digit of up to two rows."""
    a, b, sign, opened = (
        picker.below(limit) for limit in (count, count, 2, 2 if config.product.is_power_of_two else 3)
    )
    return Instruction(Operation.ACCUMULATE, a=a, b=b, opened=opened, shift=shift, sign=sign)


def _logic(cells: list[list[int]], mask: int, d: int) -> Iterator[Step]:
    results: dict[Operation, Any] = {
        Operation.COPY: lambda a, b: a,
        Operation.AND: lambda a, b: a & b,
        Operation.OR: lambda a, b: a | b,
        Operation.XOR: lambda a, b: a ^ b,
        Operation.NOR: lambda a, b: ~(a | b) & mask,
        Operation.CLEAR: lambda a, b: 0,
    }
    opened = {Operation.COPY: 1, Operation.CLEAR: 0}
    for op, result in results.items():
        yield Instruction(op, a=0, b=1, d=d, opened=opened.get(op, 2)), None, None
        words = [result(a, b) for a, b in zip(cells[0], cells[1], strict=True)]
        yield Instruction(Operation.READ, a=d, opened=1), None, words


def _serial(config: BitlineConfig) -> Iterator[Step]:
    """Additions under a tag, bit by bit, of numbers of a quarter of the rows."""
    picker, bits = Picker(config.weight, config.activation), config.rows // 4
    x, y, tags = ([picker.below(1 << width) for _ in range(config.cols)] for width in (bits, bits, 1))
    places = {0: x, bits: y}
    for first, numbers in places.items():
        for i in range(bits):
            yield Instruction(Operation.WRITE, d=first + i), [number >> i & 1 for number in numbers], None
    yield Instruction(Operation.WRITE, d=2 * bits), tags, None
    yield Instruction(Operation.TAG, a=2 * bits, opened=1), None, None
    for carry in (0, 1):
        for i in range(bits):
            yield (
                Instruction(
                    Operation.ADD, a=i, b=bits + i, d=bits + i, opened=2, start=int(i == 0), carry=carry, tagged=1
                ),
                None,
                None,
            )
        # No row is opened: the carries alone become a row, with 0 where the tag is.
        yield Instruction(Operation.ADD, d=3 * bits), None, None
        total = [b + (a + carry) * tag for a, b, tag in zip(x, y, tags, strict=True)]
        y = [number % (1 << bits) for number in total]
        for i in range(bits):
            yield Instruction(Operation.READ, a=bits + i, opened=1), None, [number >> i & 1 for number in y]
        yield Instruction(Operation.READ, a=3 * bits, opened=1), None, [number >> bits for number in total]
    cells = [[number & 1 for number in x], [number & 1 for number in y]]
    moved = [(0, 0), (bits, 1)]
    yield from ((Instruction(Operation.COPY, a=row, d=d, opened=1), None, None) for row, d in moved)
    yield from _logic(cells, 1, 3 * bits)
