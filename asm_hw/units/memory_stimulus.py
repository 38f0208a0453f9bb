"""Products for the netlist test benches of units with a memory, in plain Python integers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from asm_hw.bench.netlist_operands import TEXT_BITS, Operand, Picker
from asm_hw.formats.requantize_format import MAX_SHIFT, RequantizeFormat

from .memory_config import MemoryConfig

MAX_ROUNDS = 16

Codes = list[list[int]]


def round_count(bits: int) -> int:
    """How many rounds of so many bits of text a bench has."""
    return max(2, min(MAX_ROUNDS, TEXT_BITS // bits))


def random_product(
    picker: Picker, config: MemoryConfig, outputs: int, inputs: int, vectors: int
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


def _channel(picker: Picker, unit: RequantizeFormat) -> dict[str, int]:
    """A scale, a shift and a bias: of about half the channels the quotient is one to a hundredth, else anything."""
    shift = picker.below(8 if picker.below(2) else MAX_SHIFT + 1)
    # Scales of either sign that the shift brings to 1 at most.
    low, high = bisect_left(unit.scale.levels.levels, -1 << shift), bisect_right(unit.scale.levels.levels, 1 << shift)
    # From -100 up, so that there are negative ones.
    bias = picker.below(min(1 << shift + 4, 1 << unit.bias_bits - 2)) - 100
    return {"scale": unit.scale.levels.levels[low + picker.below(high - low)], "bias": bias, "shift": shift}


def _output(config: MemoryConfig, w: list[Operand], x: list[Operand], channel: dict[str, int]) -> int:
    acc, (low, high), lanes = 0, config.requantize.out_range, config.array_shape[1]
    # Fitted once a beat, as the accumulator is.
    for first in range(0, len(w), lanes):
        tile = slice(first, first + lanes)
        acc = config.accumulator.fit(acc + sum(a * b for (_, a), (_, b) in zip(w[tile], x[tile], strict=True)))
    # Half a step; 0 where the shift is 0.
    half = 1 << channel["shift"] >> 1
    return max(low, min((acc * channel["scale"] + channel["bias"] + half) >> channel["shift"], high))
