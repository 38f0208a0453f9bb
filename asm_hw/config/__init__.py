"""Frozen parameter objects of every unit: validation, derived widths, latency, slug.

Everything a unit needs to know is here once: the gateware, the golden model, the manifest and the
benches read it, none computes a width or a latency again.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..errors import ParameterError, check_choice
from .accumulating import DotConfig, MacConfig
from .bitline import BitlineConfig
from .multiplier import (
    ARITHMETIC,
    LIMITS,
    OVERFLOW,
    STRUCTURES,
    WEIGHT_CODES,
    WEIGHT_FORMS,
    MultiplierConfig,
    integer_range,
    signed_bits,
)
from .near_memory import Block, NearMemoryConfig
from .requantize import MAX_SHIFT, SCALE_BITS, RequantizeConfig
from .stored import MEMORIES, StoredConfig
from .vn_array import BusBlock, VnArrayConfig
from .vn_scalar import Job, VnScalarConfig

__all__ = [
    "ARITHMETIC", "CONFIGS", "LIMITS", "MAX_SHIFT", "MEMORIES", "OVERFLOW", "SCALE_BITS", "STRUCTURES", "UNITS",
    "WEIGHT_CODES", "WEIGHT_FORMS",
    "BitlineConfig", "Block", "BusBlock", "DotConfig", "Job", "MacConfig", "MultiplierConfig", "NearMemoryConfig",
    "RequantizeConfig", "StoredConfig", "VnArrayConfig", "VnScalarConfig",
    "counterpart", "integer_range", "make_config", "signed_bits",
]  # fmt: skip

CONFIGS: dict[str, type[MultiplierConfig]] = {
    c.unit: c
    for c in (MultiplierConfig, MacConfig, DotConfig, NearMemoryConfig, BitlineConfig, VnScalarConfig, VnArrayConfig)
}
UNITS = tuple(CONFIGS)


def make_config(unit: str, **parameters: Any) -> MultiplierConfig:
    """The configuration of ``unit`` from its parameters; ones that the unit does not have are refused."""
    config = CONFIGS[check_choice("unit", unit, UNITS)]
    allowed = {f.name for f in fields(config)}
    for name, value in parameters.items():
        if name not in allowed:
            raise ParameterError(f"{name} {value!r} must be left out: unit {unit} has no such parameter")
    return config(**parameters)


def counterpart(config: MultiplierConfig, arithmetic: str) -> MultiplierConfig:
    """The twin of ``config`` in another arithmetic: same widths, same accumulator, binary activations.

    Where ``config`` takes weights that something before it has decoded, so does the twin. Its memory is deeper, its bus
    wider, if its codes need that. Raises `ParameterError` where there can be no such unit.
    """
    parameters = config.parameters | {
        "arithmetic": arithmetic,
        "weight_code": "packed" if config.weight_code == "packed" else "decoded",
        "act_alphabets": None,
        "weight_form": None,
    }
    if isinstance(config, BitlineConfig):  # a word of the serial array is a column
        parameters["word_bits"] = None
    if isinstance(config, VnScalarConfig):
        parameters["bus_bits"] = max(config.bus_bits, config.weight_bits, config.act_bits)
    if isinstance(config, StoredConfig):
        deepest = type(config)(**parameters | {"depth": LIMITS["depth"][1]})
        parameters["depth"] = max(config.depth, deepest.least_depth)
    return type(config)(**parameters)
