"""Cycles of an engine's run in which its energy is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from asm_hw.compiler.engine_program import EngineProgram, ProgramLayer
from asm_hw.numbers.bit_fields import Field, pack, split_fields
from asm_hw.units.engine.engine_records import PROGRAM_BITS
from asm_hw.units.engine.engine_schedule import Record, Timeline


def middle_windows(program: EngineProgram, layers: Sequence[str], cycles: int) -> list[range]:
    """So many cycles in the middle of each of ``layers``."""
    return [_middle(span, cycles) for layer, span in _spans(program) if layer.name in layers]


def quiet_windows(program: EngineProgram, layers: Sequence[str], cycles: int) -> list[range]:
    """So many cycles in which no sum ends and nothing is written, of those of ``layers`` whose tiles last so long."""
    timeline, found = Timeline(program.config, len(program.streamed)), []
    for layer, records in zip(program.layers, _records(program), strict=True):
        timeline.layer(*records)
        if layer.name in layers and len(timeline.quiet) >= cycles:
            found.append(_middle(timeline.quiet, cycles))
    return found


def layer_at(program: EngineProgram, cycle: int) -> ProgramLayer:
    """The layer that computes in ``cycle``."""
    for layer, span in _spans(program):
        if cycle in span:
            return layer
    raise ValueError(f"cycle {cycle} must be before the program's last, {program.cycles}")


def _spans(program: EngineProgram) -> Iterator[tuple[ProgramLayer, range]]:
    """Each layer, and the cycles since the start that are its own."""
    end = 0
    for layer in program.layers:
        begin, end = end, end + layer.predicted.cycles
        yield layer, range(begin, end)


def _middle(found: range, cycles: int) -> range:
    first = (found.start + found.stop - cycles) // 2
    return range(first, first + cycles)


def _records(program: EngineProgram) -> Iterator[tuple[Record, list[Record]]]:
    """The record of each layer and those of its tiles, out of the rows of the program."""
    records, rows = program.config.records, iter(program.program)

    def following(fields: tuple[Field, ...], count: int) -> Record:
        return split_fields(fields, pack(islice(rows, count), PROGRAM_BITS))

    for _ in program.layers:
        layer = following(records.layer, records.layer_rows)
        tiles = layer["tiles"] * (layer["passes"] if layer["own_tiles"] else 1)
        yield layer, [following(records.tile, records.tile_rows) for _ in range(tiles)]
