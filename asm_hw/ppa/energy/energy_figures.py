"""Figures of energy as rows of a comparison have them: plain JSON, typed. Energies in fJ."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from asm_hw.gateware.part_names import PARTS
from asm_hw.ppa.baselines.design_points import PointFigures, PointForm

from .energy_accounting import Mapped

DECIMALS = 4


class NetlistFigures(TypedDict):
    """Size and speed of a mapped netlist."""

    cells: int
    area_um2: float
    min_period_ns: float


class EnergyFigures(TypedDict):
    """Energy of a run, per cycle and per MAC, by kind and by part."""

    energy_per_cycle_fj: float
    energy_per_mac_fj: float
    switching_per_mac_fj: float
    internal_per_mac_fj: float
    leakage_per_mac_fj: float
    parts_per_mac_fj: dict[str, float]


class PointEnergy(PointFigures):
    """A design point that was measured, in the list of those."""

    energy_per_mac_fj: float


class EnergyRow(PointForm, NetlistFigures, EnergyFigures):
    """A mapped unit in a stream.

    ``area_over_smallest``, ``tried`` and ``too_large`` say which design points it was chosen from; ``by_seed_fj`` is
    fJ per MAC in several streams, of whose means the ratios are.
    """

    name: str
    recipe: str
    moving_pins_percent: float
    named_cells_percent: float
    area_over_smallest: NotRequired[float]
    tried: NotRequired[list[PointEnergy]]
    too_large: NotRequired[list[PointFigures]]
    by_seed_fj: NotRequired[list[float]]
    energy_ratio_to_exact: NotRequired[float | None]
    energy_ratio_to_bare: NotRequired[float | None]


def netlist_figures(mapped: Mapped) -> NetlistFigures:
    """Cells, area and shortest clock period."""
    instances = mapped.netlist.instances.values()
    area = sum(mapped.cells[instance.cell].area_um2 for instance in instances)
    return {"cells": len(instances), "area_um2": round(area, 4), "min_period_ns": round(mapped.timing.min_period_ns, 5)}


def energy_figures(energies: dict[tuple[str, str], float], cycles: int, macs: float) -> EnergyFigures:
    """Energies of a whole run by part and kind as figures per cycle and per MAC; ``macs`` a cycle."""
    per_mac = {key: energy / cycles / macs for key, energy in energies.items()}

    def of_kind(wanted: str) -> float:
        return sum(energy for (_, kind), energy in per_mac.items() if kind == wanted)

    switching, internal, leakage = of_kind("switching"), of_kind("internal"), of_kind("leakage")
    parts = {part: sum(energy for (p, _), energy in per_mac.items() if p == part) for part in PARTS}
    total = switching + internal + leakage
    return {
        "energy_per_cycle_fj": round(total * macs, DECIMALS),
        "energy_per_mac_fj": round(total, DECIMALS),
        "switching_per_mac_fj": round(switching, DECIMALS),
        "internal_per_mac_fj": round(internal, DECIMALS),
        "leakage_per_mac_fj": round(leakage, DECIMALS),
        "parts_per_mac_fj": {part: round(energy, DECIMALS) for part, energy in parts.items()},
    }
