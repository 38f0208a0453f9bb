"""Unit ``vn_array``."""

from asm_hw.units.registry import Unit

from .vn_array_config import VnArrayConfig

UNIT = Unit(
    VnArrayConfig,
    component="asm_hw.units.vn_array.vn_array_unit:VnArray",
    checks="asm_hw.units.vn_array.vn_array_checks:CHECKS",
    netlist_bench="asm_hw.units.vn_array.vn_array_stimulus:vn_array_bench",
    energy="asm_hw.ppa.energy.memory_comparison:array_rows",
)
