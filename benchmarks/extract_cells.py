"""Thins a full Liberty library to the compact cell table of the package.

    python benchmarks/extract_cells.py TECHNOLOGY FOLDER > asm_hw/ppa/technology/TECHNOLOGY.json

What else a new TECHNOLOGY needs: docs/area-and-energy.md, "A new technology".

FOLDER holds the library's files and the SOURCE.txt that says where they come from. The result is a
table of figures, not a copy: the cells that mapping for area uses, at 3 x 3 of the library's slews and
loads, in one set of units. Conditional figures are reduced as the docstrings of `liberty_thinner.py` say.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from extracted_technologies import EXTRACTED
from liberty_thinner import Thinner, numbers
from merged_powers import short

from asm_hw.ppa.technology.liberty_file import Group, read
from asm_hw.ppa.technology.named_cells import find_special

THRESHOLDS = ("input", "output", "slew_lower", "slew_upper")  # of a rise; those of a fall are equal in all


def _wire_loads(library: Group, ff: float) -> dict[str, Any]:
    """The estimate of wires by fanout and area: ABC's delays and buffers depend on it."""
    models = {}
    for group in library.find("wire_load"):
        lengths = [numbers(words) for words in group.repeated("fanout_length")]
        figures = {"capacitance_ff": short(group.number("capacitance") * ff), "slope": group.number("slope")}
        models[group.args[0]] = figures | {"fanout_length": lengths}
    areas = {
        selection.args[0]: [
            [float(low), float(high), name] for low, high, name in selection.repeated("wire_load_from_area")
        ]
        for selection in library.find("wire_load_selection")
    }
    return {"models": models, "by_area_um2": areas, "default": library.get("default_wire_load")}


def _only(thinners: list[Thinner], name: str) -> list[float]:
    (axis,) = {tuple(thinner.axes[name]) for thinner in thinners if name in thinner.axes}
    return list(axis)


def main(name: str, folder: str) -> None:
    technology = EXTRACTED[name]
    paths = [Path(folder) / file for file in technology.files]
    thinners = [Thinner(read(path), technology) for path in paths]
    cells = {cell: row for thinner in thinners for cell, row in thinner.cells().items()}
    groups = [thinner.library for thinner in thinners]
    first = groups[0]
    slews, constraint_slews = (_only(thinners, name) for name in ("slews_ps", "constraint_slews_ps"))
    condition = next(first.find("operating_conditions"))
    special = find_special(cell for group in groups for cell in group.find("cell") if cell.args[0] in cells)
    table = {
        "library": "+".join(group.args[0] for group in groups),
        "technology": name,
        "source": " ".join((Path(folder) / "SOURCE.txt").read_text().split()),
        "licence": technology.licence,
        "files_sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        "command": f"python benchmarks/extract_cells.py {name} FOLDER",
        "voltage_v": condition.number("voltage"),
        "temperature_c": condition.number("temperature"),
        "max_transition_ps": short(first.number("default_max_transition") * thinners[0].ps),
        "thresholds_percent": {name: first.number(f"{name}_threshold_pct_rise") for name in THRESHOLDS},
        "slews_ps": slews,
        "constraint_slews_ps": constraint_slews,
        "wire_loads": _wire_loads(first, thinners[0].ff),
        "special": asdict(special),
        "cells": cells,
    }
    sys.stdout.write(_json(table))


def _json(table: dict[str, Any]) -> str:
    """One line for each entry of the table, and for each of the cells."""
    lines = [f' "{key}": {json.dumps(value)}' for key, value in table.items() if key != "cells"]
    cells = [f'  "{name}": {json.dumps(cell, separators=(",", ":"))}' for name, cell in table["cells"].items()]
    return "{\n" + ",\n".join([*lines, ' "cells": {\n' + ",\n".join(cells) + "\n }"]) + "\n}\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
