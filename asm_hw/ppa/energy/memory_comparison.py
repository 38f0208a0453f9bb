"""Rows of energy of units with a memory: a unit, its exact baseline and von Neumann machines, on a recorded layer.

What `asm_hw.ppa.energy.memory_system` and `asm_hw.ppa.energy.bitline_energy` say of each, in two regimes: memories of
`FIXED_KBIT`, and as large as the layer. A bitline array has its own size in both. The registry names the function
of a unit; `asm_hw.ppa.energy.system_comparison` calls it. Energies are in fJ per MAC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NotRequired, TypeVar

from asm_hw.ppa.activity.array_stimulus import check_hold
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.baselines.design_points import PointForm
from asm_hw.ppa.netlist.clock_limit import check_clock_limit
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.operands_config import OperandsConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import Job, VnScalarConfig

from .array_energy import ArrayRow, per_column
from .bitline_accesses import cells
from .bitline_core_energy import RECIPE as CORE_RECIPE
from .bitline_energy import (
    INT8,
    ArrayEnergy,
    ScalarEnergy,
    check_size,
    layer_energy,
    measure_core,
    scalar_energy,
    serial_energy,
)
from .compared_designs import LAYER, array_on_bus, converted, design_title, near_array, scalar_of, with_exact
from .energy_comparison import min_energy
from .energy_figures import EnergyRow
from .memory_system import FIXED_KBIT, EnergySplit, LogicEnergy, MemoryRow, Work, near_memory, vn_array, vn_scalar

FEW, MANY = 1, 2
"""Columns of the arrays that are simulated gate by gate; what one more costs carries to ``columns``."""
STREAM = StreamOptions(weights="streaming", hold=64, cycles=300)
"""What a MAC of ``vn_scalar`` sees: both operands new in each cycle, sums of 64."""
REGIMES = {f"{FIXED_KBIT} kbit": False, "the layer's size": True}
RECIPE = "balanced"
"""Of the logic of arrays."""

C = TypeVar("C", bound=OperandsConfig)
L = TypeVar("L", LogicEnergy, dict[str, float])


class Built(PointForm):
    """How the logic of a row is built."""

    recipe: str
    min_period_ns: float


class DesignRow(EnergySplit, Built):
    """A ``design`` in a ``regime`` of memories, and what it takes per MAC.

    ``busy_percent``: MACs of what the lanes could do in all cycles. ``energy_ratio_to_this``: what the unit that was
    asked for takes of it.
    """

    design: str
    regime: str
    access_time_ns: NotRequired[float]
    memory_parts_fj: NotRequired[dict[str, float]]
    busy_percent: NotRequired[float]
    energy_ratio_to_this: NotRequired[float]


def array_rows(config: NearMemoryConfig, library: Library, clock_mhz: float) -> list[DesignRow]:
    """Near-memory and von Neumann arrays of one shape, and one exact MAC before one memory."""
    check_hold(config.hold, MANY)
    # A unit on a bus has its own width; beside others stands vn_array with its default one.
    bus_bits = config.memory_bits if config.waits else VnArrayConfig.bus_bits
    arrays = with_exact(near_array(config))
    scalar = scalar_of(config, config.out_bits, bus_bits)
    rows: list[DesignRow] = []
    for array in arrays:
        logic = [_array_logic(point, library, clock_mhz) for point in _greedy_points(array)]
        rows += _cheapest_rows(array, near_memory, logic, _array_busy(array), clock_mhz)
        if shared := array_on_bus(array, bus_bits):
            rows += _cheapest_rows(shared, vn_array, logic, _array_busy(shared), clock_mhz)
    return rows + scalar_rows(scalar, library, clock_mhz)


def scalar_rows(config: VnScalarConfig, library: Library, clock_mhz: float) -> list[DesignRow]:
    """One MAC before one memory."""
    rows: list[DesignRow] = []
    for unit in with_exact(config):
        logic = [_mac_logic(converted(MacConfig, unit), library, clock_mhz)]
        rows += _cheapest_rows(unit, vn_scalar, logic, _scalar_busy(unit), clock_mhz)
    return rows


def bitline_rows(config: BitlineConfig, library: Library, clock_mhz: float) -> list[DesignRow]:
    """The array, its serial baseline if one can exist, and exact MACs before one memory; on the layer of 64 x 64."""
    arrays = with_exact(config)
    # All sizes before anything is measured, which takes long.
    for array in arrays:
        check_size(array)
    rows: list[DesignRow] = []
    for array in arrays:
        rows += _bitline_array(array, library, clock_mhz)
    own = scalar_of(config, VnScalarConfig.out_bits, VnScalarConfig.bus_bits)
    # By title: INT8 stands there once, where the array's own operands are INT8 too.
    for scalar in {design_title(scalar): scalar for scalar in (INT8, own)}.values():
        parts, built = _mac_logic(converted(MacConfig, scalar), library, clock_mhz)
        for regime, sized in REGIMES.items():
            energy = _scalar_split(scalar_energy(parts, sized, clock_mhz, scalar))
            rows.append({"design": design_title(scalar), "regime": regime, **energy, **built})
    return rows


def _bitline_array(config: BitlineConfig, library: Library, clock_mhz: float) -> list[DesignRow]:
    """A row for each regime. Raises `ParameterError` where access and core together take longer than the clock."""
    core = measure_core(config, library, clock_mhz)
    period = cells(config).figure("access_time_ns") + core.min_period_ns
    check_clock_limit(period, clock_mhz, config.slug)
    built: Built = {"recipe": CORE_RECIPE, "min_period_ns": round(period, 5)}
    rows: list[DesignRow] = []
    for regime, sized in REGIMES.items():
        if config.arithmetic == "exact":
            energy = _serial_split(serial_energy(config, core, clock_mhz))
        else:
            found = layer_energy(config, core, sized, clock_mhz)
            energy = _serial_split(found)
            # The serial array is charged for its sums alone; this one for its program, loads and outputs as well.
            energy["memory_fj"] = _rounded(found["sums_fj"], found["program_fj"], found["leakage_fj"])
            energy["movement_fj"] = _rounded(found["loads_fj"], found["outputs_fj"])
        rows.append({"design": design_title(config), "regime": regime, **energy, **built})
    return rows


def _serial_split(row: ArrayEnergy) -> EnergySplit:
    """Sums alone; control is in compute."""
    memory, compute = _rounded(row["sums_fj"], row["leakage_fj"]), _rounded(row["compute_fj"])
    return _split(_rounded(row["total_fj"]), memory, 0.0, compute)


def _scalar_split(row: ScalarEnergy) -> EnergySplit:
    """A scalar machine's energies as those of arrays: control is in compute."""
    memory = _rounded(row["memory_fj"], row["leakage_fj"])
    return _split(_rounded(row["total_fj"]), memory, _rounded(row["movement_fj"]), _rounded(row["compute_fj"]))


def _split(total: float, memory: float, movement: float, compute: float) -> EnergySplit:
    return {
        "energy_per_mac_fj": total,
        "memory_fj": memory,
        "movement_fj": movement,
        "control_fj": 0,
        "compute_fj": compute,
    }


def _rounded(*energies: float) -> float:
    return round(sum(energies), 2)


def _array_logic(config: NearMemoryConfig, library: Library, clock_mhz: float) -> tuple[LogicEnergy, Built]:
    """What a column and all columns take, from arrays of `FEW` and `MANY`."""
    logic = per_column(config, library, clock_mhz, RECIPE, FEW, MANY)
    return logic, _built(logic["measured"][-1])


def _mac_logic(config: MacConfig, library: Library, clock_mhz: float) -> tuple[dict[str, float], Built]:
    """Of the design points of a MAC the one that takes least, fJ per MAC by part, weights new every cycle."""
    row = min_energy(config, library, STREAM, clock_mhz)[1]
    return row["parts_per_mac_fj"], _built(row)


def _built(row: ArrayRow | EnergyRow) -> Built:
    return {
        "structure": row["structure"],
        "weight_form": row["weight_form"],
        "recipe": row["recipe"],
        "min_period_ns": row["min_period_ns"],
    }


def _cheapest_rows(
    config: C,
    price: Callable[[C, L, Work, bool, float], MemoryRow],
    logic: Sequence[tuple[L, Built]],
    busy_percent: float,
    clock_mhz: float,
) -> list[DesignRow]:
    """A row for each regime: of the design points of the logic the one that takes least there."""
    layer = replace(LAYER, act_bits=config.activation.code_bits)
    title = design_title(config)
    rows: list[DesignRow] = []
    for regime, sized in REGIMES.items():
        priced = [(price(config, energy, layer, sized, clock_mhz), built) for energy, built in logic]
        cheapest, built = min(priced, key=lambda one: one[0]["energy_per_mac_fj"])
        check_clock_limit(cheapest["access_time_ns"], clock_mhz, f"the memories of {title}, {regime}")
        rows.append({"design": title, "regime": regime, **cheapest, **built, "busy_percent": busy_percent})
    return rows


def _array_busy(config: NearMemoryConfig) -> float:
    """MACs of the layer in per cent of those that the lanes could do in its cycles."""
    cycles = config.cycles(config.blocks(LAYER.outputs, LAYER.inputs, LAYER.vectors))
    return round(100 * LAYER.macs / cycles / config.lanes / config.columns, 1)


def _scalar_busy(config: VnScalarConfig) -> float:
    cycles = config.cycles([Job(0, 0, 0, LAYER.inputs, LAYER.outputs)]) * LAYER.vectors
    return round(100 * LAYER.macs / cycles, 1)


def _greedy_points(config: NearMemoryConfig) -> list[NearMemoryConfig]:
    """``config`` with greedy heaps in few forms of weights (`few_forms`)."""
    return [replace(config, structure="greedy", weight_form=form) for form in config.few_forms]
