"""Unit ``near_memory``."""

from asm_hw.units.registry import Unit

from .near_memory_config import NearMemoryConfig

UNIT = Unit(
    NearMemoryConfig,
    component="asm_hw.units.near_memory.near_memory_unit:NearMemory",
    checks="asm_hw.units.near_memory.near_memory_checks:CHECKS",
    netlist_bench="asm_hw.units.near_memory.near_memory_stimulus:near_memory_bench",
    energy="asm_hw.ppa.energy.memory_comparison:array_rows",
)
