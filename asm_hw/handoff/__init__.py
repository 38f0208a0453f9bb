"""Files that hand a unit to other tools, all made from its configuration and its manifest."""

from __future__ import annotations

from importlib.resources import files as package_files
from typing import Any

from .. import __version__
from ..config import MultiplierConfig, StoredConfig
from .bench import bench
from .constraints import sdc
from .flows import filelist, fusesoc, librelane, vivado
from .sram import FAMILIES, wrapper


def handoff_files(config: MultiplierConfig, ports: list[dict[str, Any]], name: str, clock_mhz: float) -> dict[str, str]:
    """The text of every hand-off file of the unit ``name``, by file name.

    ``ports`` are those of the manifest; ``clock_mhz`` is the clock of constraints and test bench.
    """
    return _wrappers(config, name) | {
        f"{name}.f": filelist(name),
        f"{name}.sdc": sdc(ports, clock_mhz),
        f"{name}.vlt": package_files("asm_hw.sim").joinpath("waivers.vlt").read_text(encoding="utf-8"),
        f"{name}.core": fusesoc(name, __version__),
        "config.json": librelane(name, config.latency > 0, clock_mhz),
        f"{name}_vivado.tcl": vivado(name),
        f"{name}_tb.v": bench(config, ports, name, clock_mhz),
    }


def _wrappers(config: MultiplierConfig, name: str) -> dict[str, str]:
    """Wrappers of named macros for a unit with a memory behind a macro boundary."""
    if not isinstance(config, StoredConfig) or config.memory != "macro":
        return {}
    return {f"{name}_sram_{family}.v": wrapper(config.depth, config.memory_bits, family) for family in FAMILIES}
