"""Unit ``mac``."""

from asm_hw.units.registry import Unit

from .mac_config import MacConfig

UNIT = Unit(
    MacConfig,
    component="asm_hw.units.mac.mac_unit:Mac",
    checks="asm_hw.units.mac.mac_checks:CHECKS",
    netlist_bench="asm_hw.units.mac.mac_stimulus:mac_bench",
)
