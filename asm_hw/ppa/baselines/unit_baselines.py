"""The baselines of a unit: the same unit in other arithmetics, which every figure stands beside.

Which: ``baseline_names`` of its configuration (`asm_hw/units/operands_config.py`). Comparisons of area add ``plain``.
"""

from __future__ import annotations

from typing import TypeVar

from asm_hw.errors import ParameterError
from asm_hw.formats.product_format import ProductFormat
from asm_hw.units.unit_config import UnitConfig

C = TypeVar("C", bound=UnitConfig)


def baselines_of(config: C) -> dict[str, C]:
    """``config`` and its baselines, by arithmetic. Raises `ParameterError` where it can have none.

    A two's complement weight that an activation on {1} shifts is ``shift``, beside a multiplying baseline. The
    baseline of a bitline array is the bit-serial one; nothing there is bare. Arrays may have no exact baseline
    (`why_alone`), and units that multiply no weights have none at all: theirs is the name of the unit.
    """
    names = [name for name in config.baseline_names if name != "exact" or not why_alone(config)]
    own = _own_name(config)
    return {own: config} | {name: config.baseline(name) for name in names if name != own}


def _own_name(config: UnitConfig) -> str:
    if config.weight is None or config.activation is None:
        return config.unit
    return "shift" if ProductFormat(config.weight, config.activation).shifts_weight else config.weight.arithmetic


def why_alone(config: UnitConfig) -> str | None:
    """Why a unit that could have an exact baseline has none of its shape; None where it has one, or never has."""
    if "exact" not in config.baseline_names:
        return None
    try:
        config.baseline("exact")
    except ParameterError as error:
        return str(error)
    return None
