"""Energy of an array with its memories beside its exact twin and von Neumann machines, on a recorded layer.

What `asm_hw.ppa.system` and `asm_hw.ppa.bitline` say of each, in two regimes: one memory of
`asm_hw.ppa.system.FIXED_KBIT` for everybody, and memories as large as the layer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..config import (
    WEIGHT_FORMS,
    BitlineConfig,
    MacConfig,
    MultiplierConfig,
    NearMemoryConfig,
    VnArrayConfig,
    VnScalarConfig,
    counterpart,
)
from ..emit import check_clock
from ..errors import ParameterError, check_choice
from . import bitline, system
from .activity import icarus, simulator
from .array_energy import per_column
from .cells import Library, compact_library
from .comparison import least_energy
from .contenders import contenders
from .streams import StreamOptions

TECHNOLOGY = "sg13g2"
"""The one whose memories have figures."""
LAYER = system.Work(outputs=64, inputs=576, vectors=256, resident=64, stored=64)
"""The recorded layer of near-memory and von Neumann machines (``operands_wide.json``)."""
FEW, MANY = 1, 2
"""Columns of the arrays that are simulated gate by gate; what one more costs carries to ``columns``."""
STREAM = StreamOptions(weights="streaming", hold=64, cycles=300)
"""What a MAC of ``vn_scalar`` sees: both operands new in each cycle, sums of 64."""
REGIMES = {f"{system.FIXED_KBIT} kbit": False, "the layer's size": True}
Rows = list[dict[str, Any]]


def compare(config: Any, clock_mhz: float = 100.0, technology: str | None = None) -> dict[str, Any]:
    """Energy per MAC of an array unit and its counterparts, in fJ; plain JSON.

    A row is a ``design`` in a ``regime`` of memories with what goes to memory, movement, control and compute;
    ``ratio`` is what the unit that was asked for takes of it. Heaps are greedy; weights are measured in every form,
    the best kept. Cycles that wait are not charged: ``computing_percent`` are the others.
    Raises `ParameterError` for a unit without a memory, a technology whose memories have no figures, and a clock
    that a netlist does not meet.
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
        row["ratio"] = round(own[row["regime"]] / row["energy_per_mac_fj"], 4)
    tools = {name: version(name) for name in ("asm-hw", "pyosys", "numpy")} | {"iverilog": icarus()}
    head = {"design": _title(config), "technology": technology, "parameters": config.parameters, "clock_mhz": clock_mhz}
    return head | {"activity": simulator(), "rows": rows, "tools": tools}


def _arrays(config: NearMemoryConfig, library: Library, clock_mhz: float) -> Rows:
    """Near-memory and von Neumann arrays of one shape, and one exact MAC before one memory."""
    rows: Rows = []
    for twin in _twins(config):
        array = _as(NearMemoryConfig, twin)
        logic = [per_column(form, library, clock_mhz, "balanced", FEW, MANY) for form in _forms(array)]
        rows += _least(array, system.near_memory, logic, clock_mhz)
        rows += _least(_as(VnArrayConfig, twin), system.vn_array, logic, clock_mhz)
    return rows + _scalar(_as(VnScalarConfig, counterpart(config, "exact")), library, clock_mhz)


def _scalar(config: VnScalarConfig, library: Library, clock_mhz: float) -> Rows:
    """One MAC before one memory."""
    rows: Rows = []
    for twin in _twins(config):
        logic = _mac_parts(_as(MacConfig, twin), library, clock_mhz)
        rows += _least(twin, system.vn_scalar, [logic], clock_mhz)
    return rows


def _bitline(config: BitlineConfig, library: Library, clock_mhz: float) -> Rows:
    """The array, of its own size in both regimes, and an INT8 MAC before one memory; on the layer of 64 x 64."""
    core = bitline.measure_core(config, library, clock_mhz)
    period = bitline.cells(config).figure("access_time_ns") + core.min_period_ns
    if period > 1000 / clock_mhz:
        raise ParameterError(f"clock_mhz must be at most {1000 / period:.1f} for {config.slug}, not {clock_mhz:g}")
    scalar = VnScalarConfig(arithmetic="exact", weight_bits=8, act_bits=8)
    logic = _mac_parts(_as(MacConfig, scalar), library, clock_mhz)
    rows: Rows = []
    for regime, sized in REGIMES.items():
        if config.arithmetic == "exact":
            own = bitline.serial_energy(config, core, clock_mhz)
        else:
            own = bitline.layer_energy(config, core, sized, clock_mhz)
        found = {config: own, scalar: bitline.scalar_energy(logic, sized, clock_mhz)}
        rows += [{"design": _title(unit), "regime": regime} | _from_pj(row) for unit, row in found.items()]
    return rows


_MEASURES: dict[str, Callable[[Any, Library, float], Rows]] = {
    "near_memory": _arrays, "vn_array": _arrays, "vn_scalar": _scalar, "bitline": _bitline,
}  # fmt: skip


MEASURED = tuple(_MEASURES)
"""The units that `compare` measures."""


def _mac_parts(config: MacConfig, library: Library, clock_mhz: float) -> dict[str, float]:
    """fJ per MAC by part of the way to build a MAC that takes least, weights new every cycle."""
    return least_energy(config, library, STREAM, clock_mhz)[1]["parts_per_mac_fj"]


def _least(config: Any, price: Callable[..., dict], logic: Sequence[dict], clock_mhz: float) -> Rows:
    """A row for each regime: of the ways to build the logic the one that takes least there."""
    layer = replace(LAYER, act_bits=config.x_bits)
    computing = {} if isinstance(config, VnScalarConfig) else {"computing_percent": _computing(config, layer)}
    rows = []
    for regime, sized in REGIMES.items():
        ways = [price(config, way, layer, sized, clock_mhz) for way in logic]
        least = min(ways, key=lambda row: row["energy_per_mac_fj"])
        rows.append({"design": _title(config), "regime": regime} | least | computing)
    return rows


def _computing(config: NearMemoryConfig, layer: system.Work) -> float:
    """Share of the cycles in which the lanes compute."""
    blocks = config.blocks(layer.outputs, layer.inputs, layer.vectors)
    return round(100 * sum(block.tiles * block.vectors for block in blocks) / config.cycles(blocks), 1)


def _from_pj(row: dict[str, Any]) -> dict[str, float]:
    """A row of `asm_hw.ppa.bitline` as one of `asm_hw.ppa.system`; control is in compute there."""
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
    return [unit for name, unit in contenders(config).items() if unit is config or name == "exact"]


def _forms(config: NearMemoryConfig) -> list[NearMemoryConfig]:
    """``config`` with greedy heaps in every form of weights that it can have."""
    made = []
    for form in WEIGHT_FORMS[config.arithmetic]:
        try:
            made.append(replace(config, structure="greedy", weight_form=form))
        except ParameterError:
            continue  # not every form goes with encoded activations
    return made


def _as(unit: type, config: MultiplierConfig) -> Any:
    """A unit with the parameters that it shares with ``config``; the memory is as deep as its regime says."""
    shared = {field.name for field in fields(unit)} - {"depth"}
    return unit(**{name: value for name, value in config.parameters.items() if name in shared})


def _title(config: Any) -> str:
    weights = f"{{{config.alphabets}}}" if config.arithmetic == "asm" else config.arithmetic
    on = f" on {{{config.act_alphabets}}}" if config.act_alphabets else ""
    return f"{config.unit} {weights} W={config.weight_bits} A={config.act_bits}{on}"
