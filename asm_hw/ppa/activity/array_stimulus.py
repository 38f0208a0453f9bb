"""A recorded layer at the ports of a near-memory array, cycle by cycle, and whether what comes out is right.

The array runs open loop: beats and commands are always offered, outputs always taken. When each is taken and
which row is read is the gateware's own control, simulated without the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.sim import Simulator

from asm_hw.errors import ParameterError
from asm_hw.formats.requantize_format import MAX_SHIFT
from asm_hw.numbers.bit_fields import pack
from asm_hw.units.near_memory.near_control import Control
from asm_hw.units.near_memory.near_memory_config import Block, NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import program

from .level_rounding import Integers, codes_of, level_array, nearest_levels
from .port_stimulus import WARM_UP_BEATS, Stimulus, Words, framed
from .recorded_layers import WIDE, recorded_convolution


@dataclass(frozen=True)
class Layer:
    """A layer as a configuration encodes it, values: w [outputs, inputs], x [vectors, inputs]; parameters a channel."""

    w: Integers
    x: Integers
    channels: list[dict[str, int]]


@dataclass(frozen=True)
class ArrayStimulus:
    """The stimulus, how many cycles are measured, the products of the layer in them, and the words of ``o``."""

    ports: Stimulus
    cycles: int
    macs: int
    expected: list[int]


def encoded_layer(config: NearMemoryConfig) -> Layer:
    """The recorded layer, each operand rounded to the nearest level that ``config`` has."""
    real_x, real_w = recorded_convolution(WIDE)
    w_levels, x_levels = (level_array(table) for table in (config.weight.table, config.activation.table))
    w, x = nearest_levels(w_levels, real_w, real_w), nearest_levels(x_levels, real_x, real_x)
    # By output: the scales make it the largest that the output can hold.
    largest = np.abs(x @ w.T).max(0)
    unit = config.requantize
    high = unit.out_range[1]
    # A larger shift allows finer scales; the largest scale is that of the output with the smallest sums.
    fitting = (s for s in range(MAX_SHIFT) if (high << s) / largest.min() <= unit.scale.levels.max)
    shift = max(fitting, default=0)  # outputs wider than any sum need no shift; the largest scale does
    scales = [unit.scale.levels.nearest((high << shift) / float(value)) for value in largest]
    return Layer(w, x, [{"scale": scale, "bias": 0, "shift": shift} for scale in scales])


def array_stimulus(config: NearMemoryConfig) -> ArrayStimulus:
    """A whole block of ``hold`` vectors in steady state: from its first beat to the first beat of the next block.

    Of the layer's outputs the first ``columns`` are computed; inputs fill all their tiles. So the measured cycles
    hold as many tile loads as tiles, and the requantization of every sum.
    """
    recorded = encoded_layer(config)
    vectors = config.hold
    check_hold(vectors, config.columns)
    w = recorded.w[: config.columns]
    x = recorded.x[np.arange(vectors) % len(recorded.x)]
    channels = recorded.channels[: config.columns]
    w_codes, x_codes = codes_of(config.weight.table, w), codes_of(config.activation.table, x)
    made = program(config, w_codes.tolist(), x_codes.tolist(), [config.requantize.encode(c) for c in channels])
    tiles = made.blocks[0].tiles
    # The block before fills all accumulators: registers without a reset are unknown until then.
    before = min(2, tiles)
    blocks = [Block(0, before, vectors, True), Block(0, tiles, vectors, False), Block(0, before, vectors, False)]
    beats = [*made.x[: before * vectors], *made.x, made.x[0]]
    inputs_by_port, taken = _port_values(config, blocks, beats, made.rows)
    first = taken[before * vectors]
    # `Run` measures from `WARM_UP_BEATS` after the beat that a stimulus calls its first.
    stimulus, expected = framed(inputs_by_port, first - WARM_UP_BEATS), _expected(config, w, x, channels)
    return ArrayStimulus(stimulus, taken[-1] - first, w.size * vectors, expected)


def check_hold(hold: int, columns: int) -> None:
    """Raise `ParameterError` where blocks are too short for `array_stimulus` with so many columns."""
    # A tile takes columns + 2 cycles to load, a new command one more (`NearMemoryConfig.cycles`).
    if hold < columns + 3:
        raise ParameterError(f"hold must be at least {columns + 3} to be measured, not {hold}")


def _expected(config: NearMemoryConfig, w: Integers, x: Integers, channels: list[dict[str, int]]) -> list[int]:
    """The words of ``o``."""
    import torch

    from asm_hw.units.memory_model import expected_outputs

    rows = expected_outputs(config, torch.from_numpy(w), torch.from_numpy(np.ascontiguousarray(x)), channels)
    return [pack(row, config.out_bits) for row in rows.tolist()]


def _port_values(
    config: NearMemoryConfig, blocks: list[Block], beats: list[list[int]], rows: list[int]
) -> tuple[dict[str, Words], list[int]]:
    """Port values by cycle, and the cycle in which each beat is taken."""
    commands = [config.command_word(block) for block in blocks]
    payloads = [pack(beat, config.activation.code_bits) for beat in beats]
    taken: list[int] = []
    cycles: list[dict[str, int]] = []
    top = Module()
    top.submodules.control = control = Control(config)

    async def bench(context: Any) -> None:
        given, row = 0, 0
        while len(taken) < len(beats):
            values = {
                "i_command__payload": commands[min(given, len(commands) - 1)],
                "i_command__valid": int(given < len(commands)),
                "i__payload": payloads[len(taken)],
                "i__valid": 1,
                "row": row,
                "o__ready": 1,
            }
            _offer(context, control, values)
            given += context.get(control.command.ready) & values["i_command__valid"]
            if context.get(control.x_ready):
                taken.append(len(cycles))
            if context.get(control.read):
                # At the port from the next cycle on until the next read: so the memory gives it.
                row = rows[context.get(control.address)]
            cycles.append(values)
            await context.tick()

    simulator = Simulator(top)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    # `framed` repeats the last values in idle cycles: no beat may be offered there.
    cycles.append(cycles[-1] | {"i__valid": 0})
    return {name: [values[name] for values in cycles] for name in cycles[0]}, taken


def _offer(context: Any, control: Control, values: Mapping[str, int]) -> None:
    """What the control sees of a cycle's values."""
    context.set(control.command.payload, control.command.payload.shape().from_bits(values["i_command__payload"]))
    context.set(control.command.valid, values["i_command__valid"])
    context.set(control.x_valid, values["i__valid"])
    context.set(control.o_ready, values["o__ready"])


def matches_golden(outputs: Mapping[str, Words], expected: list[int]) -> bool:
    """Whether the settled ``outputs`` end with the words of the measured block."""
    words = [word for word, valid in zip(outputs["o__payload"], outputs["o__valid"], strict=True) if valid]
    return words[-len(expected) :] == expected
