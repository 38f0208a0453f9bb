"""The netlist test bench of unit ``vn_array``."""

from __future__ import annotations

from asm_hw.bench.netlist_operands import TEXT_BITS, Picker
from asm_hw.bench.netlist_text import NetlistBench, Ports
from asm_hw.units.memory_stimulus import random_product, round_count
from asm_hw.units.von_neumann.vn_stimulus import von_neumann_bench
from asm_hw.units.von_neumann.word_program import WordProgram, array_output_words, array_program

from .vn_array_config import VnArrayConfig


def vn_array_bench(config: VnArrayConfig, ports: Ports) -> NetlistBench:
    """Words, blocks and outputs of a few products."""
    return von_neumann_bench(config, ports, vn_array_rounds(config))


def vn_array_rounds(config: VnArrayConfig) -> list[tuple[WordProgram, list[int]]]:
    """Products of several tiles and blocks where they fit memory and text, each with the words that it gives."""
    columns, lanes = config.columns, config.lanes
    vectors = min(
        config.hold + 1, max(2, TEXT_BITS // ((config.beat_words + config.vector_words) * config.bus_bits) // 8)
    )
    shapes = ((o * columns, i * lanes, vectors) for o, i in ((2, 2), (1, 2), (1, 1)))
    shape = next((shape for shape in shapes if config.words(*shape) <= config.depth), (columns, lanes, 1))
    picker, rounds = Picker(config.weight, config.activation), []
    for _ in range(round_count(config.words(*shape) * config.bus_bits)):
        w, x, channels, outputs = random_product(picker, config, *shape)
        rounds.append((array_program(config, w, x, channels), array_output_words(config, outputs)))
    return rounds
