"""Unit ``multiplier``."""

from asm_hw.units.registry import Unit

from .multiplier_config import MultiplierConfig

UNIT = Unit(
    MultiplierConfig,
    component="asm_hw.units.multiplier.multiplier_unit:Multiplier",
    checks="asm_hw.units.multiplier.multiplier_checks:CHECKS",
    netlist_bench="asm_hw.units.multiplier.multiplier_stimulus:multiplier_bench",
)
