"""The header of an engine's program: for which engine it is, a checksum of its rows, and how long it may run."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import join_fields, place_fields
from asm_hw.numbers.integers import ceil_div

if TYPE_CHECKING:
    from .engine_config import EngineConfig

HEADER = {"engine": 12, "limit": 20, "checksum": 32}
"""Widths of its fields: a row of program memory, the first one."""
STREAM = {"rows": 24, "checksum": 32}
"""Of the second row: how many rows of weights arrive while the program runs (0: all are there before), and theirs."""
HEADER_ROWS = 2
PATIENCE_BITS = 16
"""So many bits count the cycles in which the engine waits for a row that does not come before it gives up."""
LIMIT_CYCLES = 64
"""Cycles that a step of ``limit`` is worth."""
TARGETS = ("program", "weights", "activations", "tables")
"""The memories that the host writes, by number."""
ERRORS = ("none", "engine", "checksum", "limit", "stream")
"""Why a program ended early, by number: it is of another engine, its rows are not all there, it ran on, its stream of
weights stood still. Rows of a stream are found wrong only when the program has ended."""

SLICE_BYTES = 8
"""Bytes that the CRC takes of a row, its slices folded into one: of a whole row at once it would be deep logic."""
SLICE_TURN = 11
"""Bits that each slice is turned further than the one before, so that like bits of slices do not meet."""

Row = tuple[str, int, int]
"""Target, address and data."""


def engine_number(config: EngineConfig) -> int:
    """What tells programs of other engines: the low bits of a checksum of all parameters but those of `SHELL`."""
    return zlib.crc32(config.core.slug.encode()) & (1 << HEADER["engine"]) - 1


def payload(config: EngineConfig, row: Row) -> int:
    """A row as the stream ``i`` takes it."""
    target, address, data = row
    fields = place_fields(config.access_fields.items())
    return join_fields(fields, {"target": TARGETS.index(target), "address": address, "data": data})


def slices(config: EngineConfig) -> int:
    """Parts of `SLICE_BYTES` of a payload."""
    return ceil_div(sum(config.access_fields.values()), 8 * SLICE_BYTES)


def checksum(config: EngineConfig, rows: Iterable[Row]) -> int:
    """The CRC-32 over all rows, of each the exclusive or of its slices, turned left by multiples of `SLICE_TURN`."""
    size, count = 8 * SLICE_BYTES, slices(config)
    found, mask = 0, (1 << size) - 1
    for row in rows:
        content, folded = payload(config, row), 0
        for i in range(count):
            part, turn = content >> i * size & mask, SLICE_TURN * i % size
            folded ^= (part << turn | part >> size - turn) & mask
        found = zlib.crc32(folded.to_bytes(SLICE_BYTES, "little"), found)
    return found


def header(config: EngineConfig, rows: Iterable[Row], cycles: int) -> int:
    """The header of a program whose other rows are written in this order, and which takes so many cycles."""
    # A quarter more, and what a small program needs to begin.
    limit = ceil_div(cycles + cycles // 4, LIMIT_CYCLES) + 1
    if limit >> HEADER["limit"]:
        raise ParameterError(f"cycles of a program must be below {(1 << HEADER['limit']) * LIMIT_CYCLES}, not {cycles}")
    parts = {"engine": engine_number(config), "limit": limit, "checksum": checksum(config, rows)}
    return join_fields(place_fields(HEADER.items()), parts)


def stream_rows(config: EngineConfig, weights: list[int]) -> list[Row]:
    """Rows of weights in the order in which they arrive while a program runs."""
    return [("weights", number % config.weight_rows, row) for number, row in enumerate(weights)]


def program_rows(
    config: EngineConfig,
    program: list[int],
    weights: list[int],
    streamed: list[Row],
    cycles: int,
    tables: Iterable[int] = (),
) -> list[Row]:
    """All rows of a program that the host writes before it runs, in this order: the header first, at address 0.

    Its ``weights`` are among them, ``streamed`` ones (`stream_rows`) are not: it has the ones or the others. The
    entries of ``tables`` come last, one table after another.
    """
    parts = {"rows": len(streamed), "checksum": checksum(config, streamed)}
    rows: list[Row] = [("program", 1, join_fields(place_fields(STREAM.items()), parts))]
    rows += [("program", address, row) for address, row in enumerate(program, HEADER_ROWS)]
    rows += [("weights", address, row) for address, row in enumerate(weights)]
    rows += [("tables", address, entry) for address, entry in enumerate(tables)]
    return [("program", 0, header(config, rows, cycles)), *rows]
