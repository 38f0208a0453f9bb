"""The tables of docs/results/energy.json: what a design takes, and how designs compare."""

from __future__ import annotations

import json
from statistics import fmean
from typing import Any

from figures import RESULTS
from ppa_designs import DESIGNS, FURTHER, FURTHER_RATIOS, LARGE, RATIOS

from asm_hw.ppa.activity.operand_streams import WEIGHTS

Row = dict[str, Any]


def energy_table() -> str:
    """The designs of all technologies as Markdown."""
    rows = _result()["rows"]
    columns = {row["technology"]: f"{row['technology']}, {row['clock_mhz']:g} MHz" for row in rows}
    lines = ["| 16 lanes, 24-bit accumulator, per MAC | " + " | ".join(columns.values()) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for design in DESIGNS:
        found = [row for row in rows if row["design"] == design]
        lines.append(f"| {design} | {' | '.join(map(_cell, found))} |")
        if "plain" in found[0]:
            lines.append(f"| {design}, plain Yosys | {' | '.join(_cell(row['plain']) for row in found)} |")
    lines += [_ratio_line(rows, *pair) for pair in RATIOS]
    return "\n".join([*lines, "", _spread_of_seeds(rows)])


def further_table() -> str:
    """Narrow and signed operands and long columns in the first technology, as Markdown."""
    result = _result()
    first = result["rows"][0]["technology"]
    rows = [row for row in result["rows"] if row["technology"] == first] + result["large"]["rows"]
    chosen = {row["design"]: row for row in rows if row["design"] in FURTHER | LARGE}
    lines = [
        f"| {first}, {result['rows'][0]['clock_mhz']:g} MHz, per MAC | um2 / fJ held / fJ streaming |",
        "|---|---|",
    ]
    lines += [f"| {name} | {_cell(row)} |" for name, row in chosen.items()]
    return "\n".join([*lines, *(_ratio_line(rows, *pair) for pair in FURTHER_RATIOS)])


def _result() -> Any:
    return json.loads((RESULTS / "energy.json").read_text())


def _ratio_line(rows: list[Row], design: str, other: str) -> str:
    pairs = zip(*([row for row in rows if row["design"] == name] for name in (design, other)), strict=True)
    return f"| **{design}** over {other} | {' | '.join(_ratios(*pair) for pair in pairs)} |"


def _ratios(one: Row, other: Row) -> str:
    areas, *energies = zip(_figures(one), _figures(other), strict=True)
    cells = [f"{areas[0] / areas[1]:.2f}"]
    for (wired, bare), (other_wired, other_bare) in energies:
        cells.append(f"{wired / other_wired:.2f} ({bare / other_bare:.2f})")
    return " / ".join(cells)


def _spread_of_seeds(rows: list[Row]) -> str:
    found = [
        one[kind]["by_seed_fj"]
        for row in rows
        for whole in (row, row.get("plain", {}))
        for one in (whole, whole.get("without_wires", {}))
        for kind in WEIGHTS
        if kind in one
    ]
    worst = max(max(abs(fj / fmean(energies) - 1) for fj in energies) for energies in found)
    return f"Energies are means of {len(found[0])} streams; a single stream is off by {100 * worst:.1f} % at most."


def _figures(row: Row) -> list[Any]:
    """Area, and fJ with wires and without: with held and with streaming weights; what was not measured is left out."""
    kinds = [kind for kind in WEIGHTS if kind in row["without_wires"]]
    return [row["area_per_mac_um2"], *((_fj(row.get(kind)), _fj(row["without_wires"][kind])) for kind in kinds)]


def _fj(energy: Row | None) -> float:
    """The mean of the streams; not a number where a design is too slow."""
    return fmean(energy.get("by_seed_fj", [energy["energy_per_mac_fj"]])) if energy else float("nan")


def _cell(row: Row) -> str:
    area, *energies = _figures(row)
    digits = 1 if area < 100 else 0
    words = [f"{area:.{digits}f}"]
    for wired, bare in energies:
        words.append(f"{'too slow' if wired != wired else f'{wired:.{digits}f}'} ({bare:.{digits}f})")
    return " / ".join([*words, "too slow"] if not energies else words)
