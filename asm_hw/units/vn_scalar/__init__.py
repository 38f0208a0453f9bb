"""Unit ``vn_scalar``."""

from asm_hw.units.registry import Unit

from .vn_scalar_config import VnScalarConfig

UNIT = Unit(
    VnScalarConfig,
    component="asm_hw.units.vn_scalar.vn_scalar_unit:VnScalar",
    checks="asm_hw.units.vn_scalar.vn_scalar_checks:CHECKS",
    netlist_bench="asm_hw.units.vn_scalar.vn_scalar_stimulus:vn_scalar_bench",
    energy="asm_hw.ppa.energy.memory_comparison:scalar_rows",
)
