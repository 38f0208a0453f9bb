"""Thins a full Liberty library to the compact cell table of the package.

    python benchmarks/extract_cells.py sg13g2_stdcell_typ_1p20V_25C.lib.gz SOURCE.txt > asm_hw/ppa/sg13g2.json

A table of figures, not a copy: area, leakage, capacitances, functions, and delays at 3 x 3 of the
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

SLEWS = (0, 1, 6)  # of the library's 7; dense where loads of a mapped design are, the ends stay
LOADS = (0, 1, 6)
LEFT_OUT = re.compile(r"antenna|decap|fill|dlh|dll|dly|ebufn|einvn|lgcp|sighold|sdf|tie")
TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
DIGITS = 5


def _numbers(words: list[str]) -> list[float]:
    return [float(word) for text in words for word in re.split(r"[,\s]+", text.strip()) if word]


def _table(group: Group) -> list[list[float]]:
    width = len(_numbers(group.attributes["index_2"]))
    values = _numbers(group.attributes["values"])
    return [[float(f"{values[row * width + column]:.{DIGITS}g}") for column in LOADS] for row in SLEWS]


def _arcs(pin: Group) -> list[dict[str, Any]]:
    """One arc for each related pin and type: the worst of all conditions, as ABC takes it.

    An arc whose conditions differ in sense, such as that of an exclusive or, has none: ``non_unate``.
    """
    arcs: dict[tuple[str, str], dict[str, Any]] = {}
    for timing in pin.find("timing"):
        tables = {group.kind: group for group in timing.groups if group.kind in TABLES}
        if len(tables) != len(TABLES):
            continue  # clear and preset have one edge only; mapping ties them off
        first = tables["cell_rise"]
        arc: dict[str, Any] = {
            "pin": timing.get("related_pin"),
            "sense": timing.get("timing_sense"),
            "type": timing.get("timing_type", "combinational"),
            "slew_ns": [_numbers(first.attributes["index_1"])[point] for point in SLEWS],
            "load_pf": [_numbers(first.attributes["index_2"])[point] for point in LOADS],
            **{f"{kind}_ns": _table(tables[kind]) for kind in TABLES},
        }
        known = arcs.setdefault((arc["pin"], arc["type"]), arc)
        _keep_worst(known, arc)
    return list(arcs.values())


def _keep_worst(known: dict[str, Any], arc: dict[str, Any]) -> None:
    if known["sense"] != arc["sense"]:
        known["sense"] = "non_unate"
    for kind in TABLES:
        rows = zip(known[f"{kind}_ns"], arc[f"{kind}_ns"], strict=True)
        known[f"{kind}_ns"] = [list(map(max, *pair)) for pair in rows]


def _pin(pin: Group) -> dict[str, Any]:
    if pin.get("direction") == "input":
        clock = {"clock": True} if pin.get("clock") == "true" else {}
        loads = {f"{edge}capacitance_pf": pin.number(f"{edge}capacitance") for edge in ("", "rise_", "fall_")}
        return {"direction": "input"} | loads | clock
    return {
        "direction": "output",
        "function": pin.get("function"),
        "max_capacitance_pf": pin.number("max_capacitance"),
        "arcs": _arcs(pin),
    }


def _cell(cell: Group) -> dict[str, Any]:
    row: dict[str, Any] = {"area_um2": cell.number("area"), "leakage_pw": cell.number("cell_leakage_power")}
    for ff in cell.find("ff"):
        row["ff"] = {"state": ff.args} | {name: words[0] for name, words in ff.attributes.items()}
    return row | {"pins": {pin.args[0]: _pin(pin) for pin in cell.find("pin")}}


def _wire_loads(library: Group) -> dict[str, Any]:
    """The estimate of wires by fanout and area: ABC's delays and buffers depend on it."""
    selection = next(library.find("wire_load_selection"))
    models = {}
    for group in library.find("wire_load"):
        lengths = [_numbers(words) for words in group.repeated("fanout_length")]
        figures = {"capacitance_pf": group.number("capacitance"), "slope": group.number("slope")}
        models[group.args[0]] = figures | {"fanout_length": lengths}
    areas = [[float(low), float(high), name] for low, high, name in selection.repeated("wire_load_from_area")]
    return {"models": models, "by_area_um2": {selection.args[0]: areas}, "default": library.get("default_wire_load")}


def main(library: str, source: str) -> None:
    group = read(Path(library))
    cells = {cell.args[0]: _cell(cell) for cell in group.find("cell") if not LEFT_OUT.search(cell.args[0])}
    table = {
        "library": group.args[0],
        "source": " ".join(Path(source).read_text().split()),
        "full_library_sha256": hashlib.sha256(Path(library).read_bytes()).hexdigest(),
        "voltage_v": group.number("nom_voltage"),
        "temperature_c": group.number("nom_temperature"),
        "max_transition_ns": group.number("default_max_transition"),
        "wire_loads": _wire_loads(group),
        "cells": cells,
    }
    text = json.dumps(table, indent=1)
    while (shorter := re.sub(r"\[[^\[\]{}\n]*\n[^\[\]{}]*\]|\[\s*\[[^{}]*?\]\s*\]", _one_line, text)) != text:
        text = shorter
    sys.stdout.write(text + "\n")


def _one_line(match: re.Match[str]) -> str:
    return re.sub(r"\s+", "", match[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
