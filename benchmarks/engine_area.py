"""Measures areas of an engine's parts at several shapes and fits them: docs/results/engine_area.json, docs/engine.md.

    python benchmarks/engine_area.py [--missing | --fits-only | --tables-only]

Every module of the logic is mapped by itself, as `benchmarks/engine.py` does for energy: by the same
recipe, in IHP SG13G2, no wires. Areas are fitted by part on the terms of `asm_hw.compiler.area_model`: least squares of
relative errors, no coefficient below 0; each shape is then predicted by a fit of the others. Parts that no alphabet
changes are mapped for the first set alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figures import RESULTS, provenance, write_block

from asm_hw.compiler.area_model import BY_COLUMN, memory_areas_um2, terms_of
from asm_hw.compiler.event_energy import LOGIC_PARAMETERS
from asm_hw.emission.emit_folder import render
from asm_hw.ppa.energy.engine_energy import RECIPE, modules_of
from asm_hw.ppa.netlist.synthesis import synthesize
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.units.engine.engine_config import EngineConfig

OUTPUT = RESULTS / "engine_area.json"
SIZES = ("lanes", "taps", "columns", "hold", "segments", "bank_rows")
SHAPES = (
    (4, 1, 4, 16, 8, 64),
    (16, 1, 16, 16, 8, 256),
    (24, 3, 8, 32, 4, 256),
    (36, 9, 12, 16, 4, 128),
    (32, 1, 32, 64, 2, 1024),
    (48, 3, 16, 32, 16, 256),
    (72, 9, 16, 64, 8, 256),
    (144, 9, 16, 32, 8, 256),
)
MORE = ((72, 9, 8, 128, 4, 512), (96, 3, 32, 32, 2, 1024))
"""LANES, TAPS, COLUMNS, HOLD, SEGMENTS, BANK_ROWS; the last ones of the first set of alphabets alone."""
ALPHABETS = ((1,), (1, 3))
OF_ALPHABETS = ("columns", "output pipes", "weight rows, outputs")
"""The parts that differ between sets."""
TOP = "engine"


def _config(alphabets: tuple[int, ...], shape: tuple[int, ...]) -> EngineConfig:
    sizes: dict[str, Any] = dict(zip(SIZES, shape, strict=True))
    return EngineConfig(alphabets=alphabets, **sizes)


def measured(config: EngineConfig) -> Iterator[dict[str, Any]]:
    """Cells, area and longest path of each part of the logic; of columns and output pipes those of one."""
    verilog = render(config, TOP)[f"{TOP}.v"]
    first = tuple(config.parameters["alphabets"]) == ALPHABETS[0]
    with tempfile.TemporaryDirectory() as scratch:
        library = compact_library(Path(scratch), "sg13g2")
        for module in modules_of(verilog, 0):
            if first or module.part in OF_ALPHABETS:
                mapped = synthesize(verilog, module.name, library, RECIPE, module.outside)
                row = {
                    "part": module.part,
                    "cells": mapped.cells,
                    "area_um2": mapped.area_um2,
                    "delay_ns": mapped.delay_ns,
                }
                print(config.slug, row, flush=True)
                yield {"parameters": config.parameters, **row}


def fitted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each kind of logic: um2 of each term by part, and how far shapes are off that a fit has not seen."""
    fits = []
    for alphabets in ALPHABETS:
        parts, left_out = {}, {}
        for part in dict.fromkeys(row["part"] for row in rows):
            of = alphabets if part in OF_ALPHABETS else ALPHABETS[0]
            own = [row for row in rows if row["part"] == part and tuple(row["parameters"]["alphabets"]) == of]
            parts[part] = {term: round(um2, 4) for term, um2 in _fit(own).items()}
            left_out[part] = [_left_out_percent(own, index) for index in range(len(own))]
        parameters = _config(alphabets, SHAPES[0]).parameters
        logic = {name: parameters[name] for name in LOGIC_PARAMETERS}
        fits.append({"logic": logic, "um2": parts, "left_out_percent": left_out})
    return fits


def _terms(row: dict[str, Any]) -> dict[str, float]:
    return terms_of(EngineConfig(**row["parameters"]))[row["part"]]


def _fit(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """um2 of each term of a part."""
    from scipy.optimize import nnls

    terms = np.array([list(_terms(row).values()) for row in rows], float)
    areas = np.array([row["area_um2"] for row in rows])
    scale = np.maximum(terms.max(axis=0), 1.0)
    solved, _ = nnls(terms / scale / areas[:, None], np.ones(len(rows)))
    return dict(zip(_terms(rows[0]), (solved / scale).tolist(), strict=True))


def _left_out_percent(rows: Sequence[dict[str, Any]], index: int) -> float:
    """What a fit of the other shapes says of one, beyond what was measured, per cent."""
    coefficients = _fit([*rows[:index], *rows[index + 1 :]])
    said = sum(coefficients[term] * value for term, value in _terms(rows[index]).items())
    return round(100 * (said / rows[index]["area_um2"] - 1), 2)


def default_table() -> str:
    """Area of the default engine, its logic as measured, and the longest path of each part, Markdown."""
    rows = json.loads(OUTPUT.read_text())["rows"]
    lines = ["| " + " | ".join(["", *(_braced(of) + ", mm2" for of in ALPHABETS), "longest path, ns"]) + " |"]
    lines.append("|---" * (len(ALPHABETS) + 2) + "|")
    of_sets = [_default_parts(rows, of) for of in ALPHABETS]
    for part, (_, delay) in of_sets[0].items():
        areas = [f"{of[part][0] / 1e6:.3f}" for of in of_sets]
        delays = " and ".join(dict.fromkeys(f"{of[part][1]:.2f}" for of in of_sets)) if delay else "-"
        many = f"{EngineConfig().columns} " if part in BY_COLUMN else ""
        lines.append("| " + " | ".join([many + part, *areas, delays]) + " |")
    totals = [f"**{sum(area for area, _ in of.values()) / 1e6:.2f}**" for of in of_sets]
    longest = " and ".join(f"{max(delay or 0.0 for _, delay in of.values()):.2f}" for of in of_sets)
    return "\n".join([*lines, "| " + " | ".join(["**all**", *totals, f"**{longest}**"]) + " |"])


def _default_parts(rows: Sequence[dict[str, Any]], alphabets: tuple[int, ...]) -> dict[str, tuple[float, float | None]]:
    """um2 and ns of each part of the default engine; macros have no path of their own here."""
    parts: dict[str, tuple[float, float | None]] = {}
    for row in rows:
        config = EngineConfig(alphabets=alphabets if row["part"] in OF_ALPHABETS else ALPHABETS[0])
        if row["parameters"] == json.loads(json.dumps(config.parameters)):
            many = config.columns if row["part"] in BY_COLUMN else 1
            parts[row["part"]] = (many * row["area_um2"], row["delay_ns"])
    return parts | {name: (um2, None) for name, um2 in memory_areas_um2(EngineConfig(alphabets=alphabets)).items()}


def _braced(alphabets: Sequence[int]) -> str:
    return f"{{{','.join(map(str, alphabets))}}}"


def table() -> str:
    """What a part's area is linear in, and how well shapes are predicted that were left out, Markdown."""
    result = json.loads(OUTPUT.read_text())
    names = [_braced(fit["logic"]["alphabets"]) for fit in result["fits"]]
    head = [cell for name in names for cell in (f"{name}: um2 a term", f"left out, mean %, {name}", f"worst %, {name}")]
    lines = ["| part | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for part in result["fits"][0]["um2"]:
        cells = []
        for fit in result["fits"]:
            errors = np.abs(fit["left_out_percent"][part])
            terms = " + ".join(
                f"{um2:{',.0f' if um2 >= 1000 else '.4g'}} {term}" for term, um2 in fit["um2"][part].items() if um2
            )
            cells += [terms, f"{errors.mean():.1f}", f"{errors.max():.1f}"]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="measure only what the JSON file lacks")
    parser.add_argument("--fits-only", action="store_true", help="fit the areas of the JSON file again")
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    given = parser.parse_args()
    if not given.tables_only:
        known = given.missing or given.fits_only
        rows: list[dict[str, Any]] = json.loads(OUTPUT.read_text())["rows"] if known else []
        result = provenance("python benchmarks/engine_area.py") | {"technology": "sg13g2", "recipe": RECIPE}
        if given.fits_only:
            result = json.loads(OUTPUT.read_text())
        else:
            rows += [row for config in _lacking(rows) for row in measured(config)]
        OUTPUT.write_text(json.dumps(result | {"rows": rows, "fits": fitted(rows)}, indent=1) + "\n")
    write_block("area", table(), "docs/engine.md")
    write_block("default_area", default_table(), "docs/engine.md")


def _lacking(rows: Sequence[dict[str, Any]]) -> list[EngineConfig]:
    """The engines of which no part was measured."""
    known = [row["parameters"] for row in rows]
    every = [_config(alphabets, shape) for alphabets in ALPHABETS for shape in SHAPES]
    every += [_config(ALPHABETS[0], shape) for shape in MORE]
    return [config for config in every if json.loads(json.dumps(config.parameters)) not in known]


if __name__ == "__main__":
    main()
