"""Unit ``dot``."""

from asm_hw.units.registry import Unit

from .dot_config import DotConfig

UNIT = Unit(
    DotConfig,
    component="asm_hw.units.dot.dot_unit:Dot",
    checks="asm_hw.units.dot.dot_checks:CHECKS",
    netlist_bench="asm_hw.units.dot.dot_stimulus:dot_bench",
)
