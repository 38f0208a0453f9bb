"""The netlist test bench of unit ``vn_scalar``."""

from __future__ import annotations

from asm_hw.bench.netlist_operands import Picker
from asm_hw.bench.netlist_text import NetlistBench, Ports
from asm_hw.units.memory_stimulus import random_product, round_count
from asm_hw.units.von_neumann.vn_stimulus import von_neumann_bench
from asm_hw.units.von_neumann.word_program import WordProgram, scalar_output_words, word_program

from .vn_scalar_config import VnScalarConfig


def vn_scalar_bench(config: VnScalarConfig, ports: Ports) -> NetlistBench:
    """Words, jobs and outputs of a few products."""
    return von_neumann_bench(config, ports, vn_scalar_rounds(config))


def vn_scalar_rounds(config: VnScalarConfig) -> list[tuple[WordProgram, list[int]]]:
    """Products of more outputs and inputs than words hold where they fit the memory, each with the words it gives."""
    operands, packed = config.weights_per_word + config.activations_per_word, config.outputs_per_word
    shapes = [*((packed + 1, operands + 1, vectors) for vectors in (8, 4, 2)), (2, operands, 2), (1, 1, 1)]
    shape = next(shape for shape in shapes if config.words(*shape) <= config.depth)
    picker, rounds = Picker(config.weight, config.activation), []
    for _ in range(round_count(config.words(*shape) * config.bus_bits)):
        w, x, channels, outputs = random_product(picker, config, *shape)
        rounds.append((word_program(config, w, x, channels), scalar_output_words(config, outputs)))
    return rounds
