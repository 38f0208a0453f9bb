"""Thins a full Liberty library to the compact cell table of the package.

    python benchmarks/extract_cells.py sg13g2_stdcell_typ_1p20V_25C.lib.gz SOURCE.txt > asm_hw/ppa/sg13g2.json

A table of figures, not a copy: area, leakage, capacitances, functions, and delays at 4 x 4 of the
library's slews and loads. Cells that mapping cannot use (fillers, latches, scan, tri-state) are left out.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from asm_hw.ppa.liberty import Group, read

POINTS = (0, 1, 3, 6)  # of the 7 slews and of the 7 loads; the ends must stay
LEFT_OUT = re.compile(r"antenna|decap|fill|dlh|dll|dly|ebufn|einvn|lgcp|sighold|sdf|tie")
TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
DIGITS = 5


def _numbers(words: list[str]) -> list[float]:
    return [float(word) for text in words for word in re.split(r"[,\s]+", text.strip()) if word]


def _table(group: Group) -> list[list[float]]:
    width = len(_numbers(group.attributes["index_2"]))
    values = _numbers(group.attributes["values"])
    return [[float(f"{values[row * width + column]:.{DIGITS}g}") for column in POINTS] for row in POINTS]


def _arc(timing: Group) -> dict[str, Any] | None:
    tables = {group.kind: group for group in timing.groups if group.kind in TABLES}
    if len(tables) != len(TABLES):
        return None
    first = tables["cell_rise"]
    return {
        "pin": timing.get("related_pin"),
        "sense": timing.get("timing_sense"),
        "type": timing.get("timing_type", "combinational"),
        "slew_ns": [_numbers(first.attributes["index_1"])[p] for p in POINTS],
        "load_pf": [_numbers(first.attributes["index_2"])[p] for p in POINTS],
        **{kind: _table(tables[kind]) for kind in TABLES},
    }


def _pin(pin: Group) -> dict[str, Any]:
    if pin.get("direction") == "input":
        clock = {"clock": True} if pin.get("clock") == "true" else {}
        return {"direction": "input", "capacitance_pf": pin.number("capacitance")} | clock
    arcs = [arc for timing in pin.find("timing") if (arc := _arc(timing))]
    unconditional = {(arc["pin"], arc["type"]): arc for arc in reversed(arcs)}
    return {
        "direction": "output",
        "function": pin.get("function"),
        "max_capacitance_pf": pin.number("max_capacitance"),
        "arcs": list(reversed(unconditional.values())),
    }


def _cell(cell: Group) -> dict[str, Any]:
    row: dict[str, Any] = {"area_um2": cell.number("area"), "leakage_pw": cell.number("cell_leakage_power")}
    for ff in cell.find("ff"):
        row["ff"] = {"state": ff.args} | {name: words[0] for name, words in ff.attributes.items()}
    return row | {"pins": {pin.args[0]: _pin(pin) for pin in cell.find("pin")}}


def main(library: str, source: str) -> None:
    group = read(Path(library))
    cells = {cell.args[0]: _cell(cell) for cell in group.find("cell") if not LEFT_OUT.search(cell.args[0])}
    table = {
        "library": group.args[0],
        "source": " ".join(Path(source).read_text().split()),
        "full_library_sha256": hashlib.sha256(Path(library).read_bytes()).hexdigest(),
        "voltage_v": group.number("nom_voltage"),
        "temperature_c": group.number("nom_temperature"),
        "cells": cells,
    }
    text = json.dumps(table, indent=1)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda match: re.sub(r"\s+", "", match[0]), text)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
