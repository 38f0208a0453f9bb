"""Energy of a unit with its memories beside its exact baseline and von Neumann machines: the command's comparison."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

from asm_hw.emission.emit_folder import check_clock
from asm_hw.errors import ParameterError, check_choice
from asm_hw.ppa.activity.gate_simulation import icarus, simulator
from asm_hw.ppa.baselines.unit_baselines import why_alone
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.units.operands_config import OperandsConfig
from asm_hw.units.registry import unit_of, units
from asm_hw.units.unit_config import DEFAULT_CLOCK_MHZ

from .compared_designs import design_title
from .memory_comparison import DesignRow

TECHNOLOGY = "sg13g2"
"""The one whose memories have figures."""
CHOSEN = ("structure", "weight_form", "depth")
"""Parameters that the comparison sets itself."""


class SystemComparison(TypedDict):
    """What ``asm-hw energy --json`` prints for a unit with a memory."""

    design: str
    technology: str
    parameters: dict[str, Any]
    clock_mhz: float
    activity: str
    wires: bool
    why_alone: str | None
    rows: list[DesignRow]
    tools: dict[str, str | None]


def compare_with_memories(
    config: OperandsConfig,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    technology: str | None = None,
    wires: bool = True,
) -> SystemComparison:
    """Energy per MAC of an array unit and what it is compared with, in fJ; plain JSON.

    A row is a ``design`` in a ``regime`` of memories with what goes to memory, movement, control and compute;
    ``energy_ratio_to_this`` is what the unit that was asked for takes of it. Heaps are greedy; weights are measured
    in every form, the best kept. ``busy_percent``, not of bitline arrays and what is beside them: MACs of what the
    lanes could do in all cycles; logic that waits takes nothing. ``min_period_ns`` is of the logic alone, but of
    a bitline array with its access; ``wires``: those of a placement load nets (of an array, of one and of two columns:
    what the second adds carries to all). ``access_time_ns`` of the slowest memory must be within a cycle.
    Raises `ParameterError` for a unit without a memory, a technology whose memories have no figures, a shape that
    cannot be measured, before anything is, and a clock that a netlist does not meet.
    """
    check_clock(clock_mhz)
    technology = check_choice("technology of memories", technology or TECHNOLOGY, (TECHNOLOGY,))
    measure = unit_of(config).load("energy")
    if measure is None:
        known = ", ".join(name for name, unit in units().items() if unit.energy)
        raise ParameterError(f"unit must be one of {known} for this comparison, not {config.unit!r}")
    with tempfile.TemporaryDirectory() as scratch:
        rows: list[DesignRow] = measure(config, compact_library(Path(scratch), technology, wires), clock_mhz)
    own = {row["regime"]: row["energy_per_mac_fj"] for row in rows if row["design"] == design_title(config)}
    for row in rows:
        row["energy_ratio_to_this"] = round(own[row["regime"]] / row["energy_per_mac_fj"], 4)
    return {
        "design": design_title(config),
        "technology": technology,
        "parameters": {name: value for name, value in config.parameters.items() if name not in CHOSEN},
        "clock_mhz": clock_mhz,
        "activity": simulator(),
        "wires": wires,
        "why_alone": why_alone(config),
        "rows": rows,
        "tools": {**{name: version(name) for name in ("asm-hw", "pyosys", "numpy")}, "iverilog": icarus()},
    }
