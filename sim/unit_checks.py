"""The checks that a configuration must undergo, whatever simulates it."""

from __future__ import annotations

import sys

from asm_hw.bench.driver import Check, applicable
from asm_hw.errors import ParameterError
from asm_hw.units.registry import unit_of
from asm_hw.units.unit_config import UnitConfig


def checks_of(config: UnitConfig) -> tuple[Check, ...]:
    """The checks of the registry that apply to ``config``.

    Raises `ParameterError` where none does, and under ``python -O``, which removes what checks assert.
    """
    if sys.flags.optimize:
        raise ParameterError(
            f"PYTHONOPTIMIZE (python -O) must be 0 to simulate, not {sys.flags.optimize}: it removes what checks assert"
        )
    found = applicable(unit_of(config).load("checks"), config)
    if not found:
        raise ParameterError(f"unit {config.unit!r} must have checks to be simulated, but its entry has none")
    return found
