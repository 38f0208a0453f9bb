"""Files that hand a unit to other tools, all made from its configuration and its manifest."""

from __future__ import annotations

from importlib.resources import files as package_files
from typing import Any

from asm_hw import __version__
from asm_hw.units.unit_config import UnitConfig

from .netlist_bench import bench
from .sram_wrappers import FAMILIES, wrapper
from .timing_constraints import sdc
from .tool_projects import filelist, fusesoc, librelane, vivado


def handoff_files(config: UnitConfig, ports: list[dict[str, Any]], name: str, clock_mhz: float) -> dict[str, str]:
    """The text of every hand-off file of the unit ``name``, by file name.

    ``ports`` are those of the manifest; ``clock_mhz`` is the clock of constraints and test bench.
    """
    waivers = package_files(__package__).joinpath("waivers.vlt").read_text(encoding="utf-8")
    return {
        **_wrappers(config, name),
        **config.own_files,
        f"{name}.f": filelist(name),
        f"{name}.sdc": sdc(ports, clock_mhz),
        f"{name}.vlt": waivers + config.own_waivers,
        f"{name}.core": fusesoc(name, __version__),
        "config.json": librelane(name, config.latency > 0, clock_mhz),
        f"{name}_vivado.tcl": vivado(name),
        f"{name}_tb.v": bench(config, ports, name, clock_mhz),
    }


def _wrappers(config: UnitConfig, name: str) -> dict[str, str]:
    """Wrappers of named macros for a unit with memories behind macro boundaries."""
    if not config.macro_shapes:
        return {}
    return {
        f"{name}_sram_{family}.v": "".join(wrapper(*shape, family) for shape in config.macro_shapes)
        for family in FAMILIES
    }
