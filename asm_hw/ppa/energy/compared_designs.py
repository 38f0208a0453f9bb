"""The designs that stand beside a unit with a memory: the same shape or the same operands in other units."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from asm_hw.errors import ParameterError
from asm_hw.ppa.baselines.unit_baselines import baselines_of
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.memory_config import DEPTH
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.operands_config import OperandsConfig
from asm_hw.units.parameters import parameters_of
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

from .memory_system import Work

# 576 inputs are 64 channels under a kernel of 3 x 3, 256 vectors the places of 16 images of 4 x 4; a vector stores the
# 64 values of its own place, which the vectors around it take as well.
LAYER = Work(outputs=64, inputs=576, vectors=256, resident=64, stored=64)
"""The recorded layer of near-memory and von Neumann machines (``operands_wide.json``)."""

C = TypeVar("C", bound=OperandsConfig)


def with_exact(config: C) -> list[C]:
    """``config`` and, if it is another, its exact baseline."""
    return [unit for name, unit in baselines_of(config).items() if unit is config or name == "exact"]


def converted(unit: type[C], config: OperandsConfig, **others: object) -> C:
    """A unit with the parameters that it shares with ``config``, and ``others``; its memory is as deep as can be."""
    names = parameters_of(unit)
    shared = {name: value for name, value in config.parameters.items() if name in names} | others
    return unit(**shared | ({"depth": DEPTH[1]} if "depth" in names else {}))


def near_array(config: NearMemoryConfig) -> NearMemoryConfig:
    """The near-memory array of a shape; its addresses are measured, so it is as deep as the layer needs."""
    made = converted(NearMemoryConfig, config)
    return replace(made, depth=min(made.depth, made.rows(LAYER.outputs, LAYER.inputs)))


def array_on_bus(config: NearMemoryConfig, bus_bits: int) -> VnArrayConfig | None:
    """The array behind a bus; None where no memory of words holds what it must."""
    try:
        return converted(VnArrayConfig, config, bus_bits=bus_bits)
    except ParameterError:
        return None


def scalar_of(config: OperandsConfig, out_bits: int, bus_bits: int) -> VnScalarConfig:
    """The exact MAC before one memory with the operands and the accumulator of ``config``."""
    # A word of the bus holds at least one operand or output.
    widest = max(config.weight_bits, config.act_bits, out_bits)
    exact = {"arithmetic": "exact", "act_alphabets": None, "weight_code": "packed", "weight_form": None}
    return converted(VnScalarConfig, config, **exact, bus_bits=max(bus_bits, widest))


def design_title(config: OperandsConfig) -> str:
    """How a row calls its design."""
    weights = f"{{{config.alphabets}}}" if config.arithmetic == "asm" else config.arithmetic
    words = f"{config.unit} {weights} W={config.weight_bits} A={config.act_bits}"
    if config.act_signed:
        words += " signed"
    if config.act_alphabets:
        words += f" on {{{config.act_alphabets}}}"
    # Loads and outputs of the bit-serial array are not charged (`serial_energy`).
    sums_alone = isinstance(config, BitlineConfig) and config.arithmetic == "exact"
    return f"{words}, sums alone" if sums_alone else words
