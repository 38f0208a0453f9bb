"""Thins the SRAM macros of IHP SG13G2 to the compact table of the package and fits the model to them.

    python benchmarks/extract_sram.py FOLDER_OF_LIB_FILES > asm_hw/ppa/technology/sram_ihp.json

One row a macro, from the typical corner: area, energy of a read, of a write and of both in one access (write-through),
leakage, access time. Then non-negative least squares on relative errors, and the fit repeated without each macro.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from asm_hw.ppa.technology.liberty_file import Group, read
from asm_hw.ppa.technology.sram_model import ACCESSES, Sram

SOURCE = (
    "github.com/IHP-GmbH/IHP-Open-PDK, commit 5cccb161f7492697cfa52eb14dc03beb00bdca9e, "
    "ihp-sg13g2/libs.ref/sg13g2_sram/lib/*_typ_1p20V_25C.lib"
)
# The clock pin has one energy for each state of memory, write and read enable.
STATES = {"read": "A_MEN&!A_WEN&A_REN", "write": "A_MEN&A_WEN&!A_REN", "read_write": "A_MEN&A_WEN&A_REN"}
PART_TERMS = {
    "control": ("one",),
    "decoder": ("rows",),
    "wordline": ("columns",),
    "bitline": ("rows_x_columns", "rows_x_bits"),
    "io": ("bits",),
    "sense": ("bits",),
    "write_back": ("one", "bits", "rows_x_bits"),
}
# Macros with two ports all multiplex four columns: bits and columns are then one term.
FIGURE_TERMS: dict[str, dict[int, tuple[str, ...]]] = {
    "area_um2": {
        1: ("one", "rows", "columns", "bits", "rows_x_columns"),
        2: ("one", "rows", "columns", "rows_x_columns"),
    },
    "leakage_uw": {1: ("rows_x_columns",), 2: ("rows_x_columns",)},
    "access_time_ns": {1: ("one", "rows"), 2: ("one", "rows")},
}
SHAPE = ("words", "bits", "ports", "column_mux")
DIGITS = 6
Macro = dict[str, Any]
Design = Callable[[Macro], Iterator[tuple[list[float], float]]]


def read_macro(path: Path) -> Macro:
    """The figures of one ``.lib.gz``: pJ, um2, uW and ns from its pJ, um2, nW and ns."""
    shape = re.search(r"_(\d)P_(\d+)x(\d+)_c(\d)", path.name)
    if not shape:
        raise ValueError(f"{path.name} does not name a macro")
    ports, words, bits, multiplex = map(int, shape.groups())
    cell = next(read(path).find("cell"))
    clock = next(pin for pin in cell.find("pin") if pin.args == ["A_CLK"])
    energies = {re.sub(r"\s", "", power.get("when")): _both_edges(power) for power in clock.find("internal_power")}
    return {
        **dict(zip(SHAPE, (words, bits, ports, 2**multiplex), strict=True)),
        "area_um2": cell.number("area"),
        **{f"{access}_energy_pj": energies[state] for access, state in STATES.items()},
        "leakage_uw": _rounded(cell.number("cell_leakage_power") / 1000),
        "access_time_ns": _slowest(cell),
    }


def _both_edges(power: Group) -> float:
    return sum(float(edge.attributes["values"][0]) for edge in power.groups)


def _slowest(cell: Group) -> float:
    """The largest entry of the clock-to-output tables: slowest slew and largest load in them."""
    out = next(bus for bus in cell.find("bus") if bus.args == ["A_DOUT"])
    tables = [table for timing in out.find("timing") for table in timing.groups if table.kind.startswith("cell_")]
    return max(float(word) for table in tables for row in table.attributes["values"] for word in row.split(","))


def _terms(macro: Macro) -> dict[str, int]:
    return Sram(*(macro[name] for name in SHAPE)).terms


def energy_design(macro: Macro) -> Iterator[tuple[list[float], float]]:
    """One equation an access: the terms of each part, zero where the access has no such part; the energy in pJ."""
    terms = _terms(macro)
    for access, parts in ACCESSES.items():
        row = [float(terms[term] * (part in parts)) for part, names in PART_TERMS.items() for term in names]
        yield row, macro[f"{access}_energy_pj"]


def figure_design(figure: str, names: tuple[str, ...]) -> Design:
    """The one equation of a macro for ``figure``."""

    def design(macro: Macro) -> Iterator[tuple[list[float], float]]:
        terms = _terms(macro)
        yield [float(terms[name]) for name in names], macro[figure]

    return design


def fit(macros: list[Macro], design: Design) -> np.ndarray:
    """Coefficients, none negative, with the least sum of squared relative errors."""
    equations = [equation for macro in macros for equation in design(macro)]
    matrix = np.array([np.array(row) / value for row, value in equations])
    scale = matrix.max(axis=0)  # columns of one size condition the problem well
    return nnls(matrix / scale, np.ones(len(equations)))[0] / scale


def leave_one_out(macros: list[Macro], design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Relative errors, macros x equations, and coefficients, each from a fit that has not seen the macro."""
    fits = [fit(macros[:index] + macros[index + 1 :], design) for index in range(len(macros))]
    errors = [
        [np.dot(row, coefficients) / value - 1 for row, value in design(macro)]
        for macro, coefficients in zip(macros, fits, strict=True)
    ]
    return np.array(errors), np.array(fits)


def distinct(macros: list[Macro]) -> list[Macro]:
    """One macro a geometry: with one and with two ports it has the same energies, and one gives the other away."""
    return list({(macro["words"], macro["bits"], macro["column_mux"]): macro for macro in macros}.values())


def _summary(macros: list[Macro], errors: np.ndarray) -> dict[str, Any]:
    percent = np.round(100 * abs(errors), 1)
    worst = macros[int(np.argmax(percent))]
    return {
        "macros": len(macros),
        "mean_percent": round(100 * float(abs(errors).mean()), 1),
        "worst_percent": float(percent.max()),
        "worst_macro": f"{worst['words']}x{worst['bits']}",
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def fit_all(macros: list[Macro]) -> dict[str, Any]:
    """Every coefficient of the model, how far it moves as one macro is left out, and the errors on that macro."""
    one_each = distinct(macros)
    names = [(part, term) for part, terms in PART_TERMS.items() for term in terms]
    energy: dict[str, dict[str, float]] = {part: {} for part in PART_TERMS}
    for (part, term), value in zip(names, fit(one_each, energy_design), strict=True):
        energy[part][term] = _rounded(value)
    errors, fits = leave_one_out(one_each, energy_design)
    ranges: dict[str, dict[str, list[float]]] = {part: {} for part in PART_TERMS}
    for (part, term), values in zip(names, fits.T, strict=True):
        ranges[part][term] = [_rounded(values.min()), _rounded(values.max())]
    coefficients: dict[str, Any] = {"energy_pj": energy}
    summaries = [_summary(one_each, column) for column in errors.T]
    lost = {f"{name}_energy_pj": {"1": row, "2": row} for name, row in zip(ACCESSES, summaries, strict=True)}
    for figure, by_ports in FIGURE_TERMS.items():
        coefficients[figure], lost[figure] = {}, {}
        for ports, terms in by_ports.items():
            known, design = [macro for macro in macros if macro["ports"] == ports], figure_design(figure, terms)
            solution = map(_rounded, fit(known, design))
            coefficients[figure][str(ports)] = dict(zip(terms, solution, strict=True))
            lost[figure][str(ports)] = _summary(known, leave_one_out(known, design)[0].ravel())
    return {"fits": coefficients, "energy_range_pj": ranges, "leave_one_out": lost}


def main(folder: str) -> None:
    macros = sorted(map(read_macro, Path(folder).glob("*.lib.gz")), key=lambda macro: tuple(map(macro.get, SHAPE)))
    table = {
        "technology": "IHP SG13G2, typical, 1.20 V, 25 C",
        "source": SOURCE,
        "licence": "Apache-2.0",
        "command": "python benchmarks/extract_sram.py FOLDER",
        "tools": {name: version(name) for name in ("asm-hw", "numpy", "scipy")},
        "macros": {"columns": list(macros[0]), "rows": [list(macro.values()) for macro in macros]},
        **fit_all(macros),
    }
    text = json.dumps(table, indent=1)
    text = re.sub(r"\[[^\[\]]*?\]|\{[^{}\[\]]*\}", lambda match: re.sub(r"\s*\n\s*", " ", match[0]), text)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
