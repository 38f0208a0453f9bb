"""Unit ``engine``."""

from asm_hw.units.registry import Unit

from .engine_config import EngineConfig

UNIT = Unit(
    EngineConfig,
    component="asm_hw.units.engine.axi_lite_engine:engine_component",
    checks="asm_hw.units.engine.engine_checks:CHECKS",
    netlist_bench="asm_hw.units.engine.engine_netlist_bench:engine_bench",
)
