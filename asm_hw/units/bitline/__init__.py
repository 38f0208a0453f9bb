"""Unit ``bitline``."""

from asm_hw.units.registry import Unit

from .bitline_config import BitlineConfig

UNIT = Unit(
    BitlineConfig,
    component="asm_hw.units.bitline.bitline_unit:Bitline",
    checks="asm_hw.units.bitline.bitline_checks:CHECKS",
    netlist_bench="asm_hw.units.bitline.bitline_stimulus:bitline_bench",
    energy="asm_hw.ppa.energy.memory_comparison:bitline_rows",
    energy_clock_mhz=50.0,  # an access and an addition take 10 ns and more
    on_fpga=False,  # no FPGA memory opens two rows at once
)
