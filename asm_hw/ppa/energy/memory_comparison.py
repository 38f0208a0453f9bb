"""Energy of an array with its memories beside its exact twin and von Neumann machines, on a recorded layer.

What `asm_hw.ppa.energy.memory_system` and `asm_hw.ppa.energy.bitline_energy` say of each, in two regimes: memories of
`asm_hw.ppa.energy.memory_system.FIXED_KBIT`, and as large as the layer. A bitline array has its own size in both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asm_hw.emission.emit_folder import check_clock
from asm_hw.errors import ParameterError, check_choice
from asm_hw.formats.weight_format import WEIGHT_FORMS
from asm_hw.ppa.activity.array_stimulus import check_hold
from asm_hw.ppa.activity.gate_simulation import icarus, simulator
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.baselines.area_comparison import baselines_of, why_alone
from asm_hw.ppa.technology.cell_library import Library, compact_library
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.memory_config import MemoryConfig
from asm_hw.units.multiplier.multiplier_config import LIMITS, MultiplierConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import Job, VnScalarConfig

from . import bitline_core_energy as bitline_core
from . import bitline_energy as bitline
from . import memory_system as system
from .array_energy import per_column
from .energy_comparison import min_energy

TECHNOLOGY = "sg13g2"
"""The one whose memories have figures."""
LAYER = system.Work(outputs=64, inputs=576, vectors=256, resident=64, stored=64)
"""The recorded layer of near-memory and von Neumann machines (``operands_wide.json``)."""
FEW, MANY = 1, 2
"""Columns of the arrays that are simulated gate by gate; what one more costs carries to ``columns``."""
STREAM = StreamOptions(weights="streaming", hold=64, cycles=300)
"""What a MAC of ``vn_scalar`` sees: both operands new in each cycle, sums of 64."""
REGIMES = {f"{system.FIXED_KBIT} kbit": False, "the layer's size": True}
RECIPE = "balanced"
"""Of the logic of arrays."""
BUILT = ("structure", "weight_form", "recipe", "min_period_ns")
"""How the logic of a row is built."""
CHOSEN = ("structure", "weight_form", "depth")
"""Parameters that the comparison sets itself."""
Rows = list[dict[str, Any]]
Way = tuple[dict[str, Any], dict[str, Any]]
"""One way to build some logic: what `asm_hw.ppa.energy.memory_system` takes for it, and `BUILT`."""


def compare(config: Any, clock_mhz: float = 100.0, technology: str | None = None) -> dict[str, Any]:
    """Energy per MAC of an array unit and its counterparts, in fJ; plain JSON.

    A row is a ``design`` in a ``regime`` of memories with what goes to memory, movement, control and compute;
    ``energy_ratio_to_this`` is what the unit that was asked for takes of it. Heaps are greedy; weights are measured
    in every form, the best kept. ``busy_percent``, not of bitline arrays and what is beside them: MACs of what the
    lanes could do in all cycles; logic that waits takes nothing. ``min_period_ns`` is of the logic alone, but of
    a bitline array with its access; ``access_time_ns`` of the slowest memory must be within a cycle.
    Raises `ParameterError` for a unit without a memory, a technology whose memories have no figures, a shape that
    cannot be measured, before anything is, and a clock that a netlist does not meet.
    """
    check_clock(clock_mhz)
    technology = check_choice("technology of memories", technology or TECHNOLOGY, (TECHNOLOGY,))
    measure = _MEASURES.get(config.unit)
    if measure is None:
        raise ParameterError(f"unit must be one of {', '.join(MEASURED)} for this comparison, not {config.unit!r}")
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(config, compact_library(Path(scratch), technology), clock_mhz)
    own = {row["regime"]: row["energy_per_mac_fj"] for row in rows if row["design"] == _title(config)}
    for row in rows:
        row["energy_ratio_to_this"] = round(own[row["regime"]] / row["energy_per_mac_fj"], 4)
    tools = {name: version(name) for name in ("asm-hw", "pyosys", "numpy")} | {"iverilog": icarus()}
    given = {name: value for name, value in config.parameters.items() if name not in CHOSEN}
    head = {"design": _title(config), "technology": technology, "parameters": given, "clock_mhz": clock_mhz}
    return head | {"activity": simulator(), "why_alone": why_alone(config), "rows": rows, "tools": tools}


def _arrays(config: NearMemoryConfig, library: Library, clock_mhz: float) -> Rows:
    """Near-memory and von Neumann arrays of one shape, and one exact MAC before one memory."""
    check_hold(config.hold, MANY)
    bus = getattr(config, "bus_bits", VnArrayConfig.bus_bits)
    arrays = _twins(_as(NearMemoryConfig, config))
    scalar = _scalar_of(config)
    rows: Rows = []
    for array in arrays:
        logic = [_array_logic(form, library, clock_mhz) for form in _forms(array)]
        rows += _least(array, system.near_memory, logic, clock_mhz)
        if shared := _shared(array, bus):
            rows += _least(shared, system.vn_array, logic, clock_mhz)
    return rows + _scalars(scalar, library, clock_mhz)


def _scalars(config: VnScalarConfig, library: Library, clock_mhz: float) -> Rows:
    """One MAC before one memory."""
    rows: Rows = []
    for twin in _twins(config):
        rows += _least(twin, system.vn_scalar, [_mac_logic(_as(MacConfig, twin), library, clock_mhz)], clock_mhz)
    return rows


def _bitline(config: BitlineConfig, library: Library, clock_mhz: float) -> Rows:
    """The array, its serial twin if one can exist, and exact MACs before one memory; on the layer of 64 x 64."""
    arrays = _twins(config)
    for array in arrays:
        bitline.check_size(array)
    scalars = {_title(scalar): scalar for scalar in (bitline.INT8, _scalar_of(config))}.values()
    priced = [(array, _bitline_prices(array, library, clock_mhz)) for array in arrays]
    for scalar in scalars:
        parts, built = _mac_logic(_as(MacConfig, scalar), library, clock_mhz)
        energies = [bitline.scalar_energy(parts, sized, clock_mhz, scalar) for sized in REGIMES.values()]
        priced.append((scalar, [_from_pj(row) | built for row in energies]))
    return [
        {"design": _title(unit), "regime": regime} | row
        for unit, rows in priced
        for regime, row in zip(REGIMES, rows, strict=True)
    ]


def _bitline_prices(config: BitlineConfig, library: Library, clock_mhz: float) -> Rows:
    """A row for each regime. Raises `ParameterError` where access and core together take longer than the clock."""
    core = bitline.measure_core(config, library, clock_mhz)
    period = bitline.cells(config).figure("access_time_ns") + core.min_period_ns
    _check_access(period, config.slug, clock_mhz)
    if config.arithmetic == "exact":
        energies = [bitline.serial_energy(config, core, clock_mhz)] * len(REGIMES)
    else:
        energies = [bitline.layer_energy(config, core, sized, clock_mhz) for sized in REGIMES.values()]
    built = {"recipe": bitline_core.RECIPE, "min_period_ns": round(period, 5)}
    return [_from_pj(row) | built for row in energies]


_MEASURES: dict[str, Callable[[Any, Library, float], Rows]] = {
    "near_memory": _arrays, "vn_array": _arrays, "vn_scalar": _scalars, "bitline": _bitline,
}  # fmt: skip


MEASURED = tuple(_MEASURES)
"""The units that `compare` measures."""


def _array_logic(config: NearMemoryConfig, library: Library, clock_mhz: float) -> Way:
    """What a column and all columns take, from arrays of `FEW` and `MANY`."""
    logic = per_column(config, library, clock_mhz, RECIPE, FEW, MANY)
    return logic, {name: logic["measured"][-1][name] for name in BUILT}


def _mac_logic(config: MacConfig, library: Library, clock_mhz: float) -> Way:
    """Of the ways to build a MAC the one that takes least, fJ per MAC by part, weights new every cycle."""
    row = min_energy(config, library, STREAM, clock_mhz)[1]
    return row["parts_per_mac_fj"], {name: row[name] for name in BUILT}


def _least(config: Any, price: Callable[..., dict], logic: Sequence[Way], clock_mhz: float) -> Rows:
    """A row for each regime: of the ways to build the logic the one that takes least there."""
    layer = replace(LAYER, act_bits=config.activation.code_bits)
    busy = {"busy_percent": _busy(config, layer)}
    rows = []
    for regime, sized in REGIMES.items():
        ways = [price(config, parts, layer, sized, clock_mhz) | built for parts, built in logic]
        least = min(ways, key=lambda row: row["energy_per_mac_fj"])
        _check_access(least["access_time_ns"], f"the memories of {_title(config)}, {regime}", clock_mhz)
        rows.append({"design": _title(config), "regime": regime} | least | busy)
    return rows


def _check_access(access_ns: float, of: str, clock_mhz: float) -> None:
    """Raise `ParameterError` where an access takes longer than the clock's period."""
    if access_ns > 1000 / clock_mhz:
        raise ParameterError(f"clock_mhz must be at most {1000 / access_ns:.1f} for {of}, not {clock_mhz:g}")


def _busy(config: NearMemoryConfig | VnScalarConfig, layer: system.Work) -> float:
    """MACs of the layer in per cent of those that the lanes could do in its cycles."""
    if isinstance(config, VnScalarConfig):
        cycles = config.cycles([Job(0, 0, 0, layer.inputs, layer.outputs)]) * layer.vectors
        return round(100 * layer.macs / cycles, 1)
    cycles = config.cycles(config.blocks(layer.outputs, layer.inputs, layer.vectors))
    return round(100 * layer.macs / cycles / config.lanes / config.columns, 1)


def _from_pj(row: dict[str, Any]) -> dict[str, float]:
    """A row of `asm_hw.ppa.energy.bitline_energy` as one of `asm_hw.ppa.energy.memory_system`; control is in compute there."""
    parts = {
        "memory_fj": ("memory_pj", "sums_pj", "program_pj", "leakage_pj"),
        "movement_fj": ("movement_pj", "loads_pj", "outputs_pj"),
        "control_fj": (),
        "compute_fj": ("compute_pj",),
    }
    found = {name: round(1000 * sum(row.get(part, 0.0) for part in of), 2) for name, of in parts.items()}
    return {"energy_per_mac_fj": round(1000 * row["total_pj"], 2)} | found


def _twins(config: Any) -> list[Any]:
    """``config`` and, if it is another, its exact twin."""
    return [unit for name, unit in baselines_of(config).items() if unit is config or name == "exact"]


def _forms(config: NearMemoryConfig) -> list[NearMemoryConfig]:
    """``config`` with greedy heaps in every form of weights that it can have."""
    made = []
    for form in WEIGHT_FORMS[config.arithmetic]:
        try:
            made.append(replace(config, structure="greedy", weight_form=form))
        except ParameterError:
            continue  # not every form goes with encoded activations
    return made


def _as(unit: type, config: MultiplierConfig, **others: Any) -> Any:
    """A unit with the parameters that it shares with ``config``, and ``others``; the memory is as deep as can be.

    That of near-memory arrays, whose addresses are measured, is as deep as the layer needs.
    """
    names = {field.name for field in fields(unit)}
    shared = {name: value for name, value in config.parameters.items() if name in names} | others
    if "depth" in names:
        shared["depth"] = LIMITS["depth"][1]
    made = unit(**shared)
    if unit is not NearMemoryConfig:
        return made
    return replace(made, depth=min(made.depth, made.rows(LAYER.outputs, LAYER.inputs)))


def _shared(config: NearMemoryConfig, bus_bits: int) -> VnArrayConfig | None:
    """The array behind a bus; None where no memory of words holds what it must."""
    try:
        return _as(VnArrayConfig, config, bus_bits=bus_bits)
    except ParameterError:
        return None


def _scalar_of(config: MacConfig) -> VnScalarConfig:
    """The exact MAC before one memory with the operands and the accumulator of ``config``."""
    out_bits = config.out_bits if isinstance(config, MemoryConfig) else VnScalarConfig.out_bits
    least = max(config.weight_bits, config.act_bits, out_bits)
    bus = max(getattr(config, "bus_bits", VnScalarConfig.bus_bits), least)
    exact = {"arithmetic": "exact", "act_alphabets": None, "weight_code": "packed", "weight_form": None}
    return _as(VnScalarConfig, config, **exact, bus_bits=bus)


def _title(config: Any) -> str:
    weights = f"{{{config.alphabets}}}" if config.arithmetic == "asm" else config.arithmetic
    on = f" on {{{config.act_alphabets}}}" if config.act_alphabets else ""
    alone = ", sums alone" * (isinstance(config, BitlineConfig) and config.arithmetic == "exact")
    signed = " signed" * config.act_signed
    return f"{config.unit} {weights} W={config.weight_bits} A={config.act_bits}{signed}{on}{alone}"
