"""The figures of an SRAM macro as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

_FIGURES = {
    "read_energy_pj": "read energy, pJ",
    "write_energy_pj": "write energy, pJ",
    "area_um2": "area, um2",
    "leakage_uw": "leakage, uW",
    "access_time_ns": "access time, ns",
}


def sram_table(result: Mapping[str, Any]) -> Table:
    """The figures of `estimate`, each with the error of the model left without one macro."""
    shape = f"{result['words']} x {result['bits']}, ports: {result['ports']}"
    array = f"{result['rows']} rows x {result['columns']} columns"
    rows = Table("", "model", "library", "mean %", "worst %", title=f"{shape}: {array}")
    rows.columns[0].no_wrap = True
    for name, label in _FIGURES.items():
        errors = result["leave_one_out"][name]
        known = _text(result["measured"][name]) if result["measured"] else "-"
        rows.add_row(label, _text(result[name]), known, f"{errors['mean_percent']}", f"{errors['worst_percent']}")
    rows.add_section()
    for name, energy in (result["parts"] | result["computing"]).items():
        rows.add_row(name.removesuffix("_pj").replace("_energy", "").replace("_", " ") + ", pJ", _text(energy))
    extrapolated = "\nExtrapolated: " + "; ".join(result["outside_fit"]) if result["extrapolated"] else ""
    rows.caption = f"{result['technology']}. Mean and worst error: on macros left out of the fit.{extrapolated}"
    return rows


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
