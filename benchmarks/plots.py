"""Plots of docs/results/energy.json, as SVG into docs/plots."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from figures import REPOSITORY, RESULTS
from matplotlib import pyplot as plt

from asm_hw.gateware.part_names import PARTS

PLOTS = REPOSITORY / "docs" / "plots"
LABELS = {
    "area_per_mac_um2": "area, um2 per MAC",
    "delay_ns": "shortest clock period, ns",
    "energy_per_mac_fj": "energy, fJ per MAC",
}


def write_all() -> None:
    """Every plot from the JSON: series over alphabets, bits and lanes, where energy goes, area against delay."""
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "asm-hw", "font.size": 8, "axes.grid": True, "grid.alpha": 0.3})
    PLOTS.mkdir(exist_ok=True)
    result = json.loads((RESULTS / "energy.json").read_text())
    for varied in dict.fromkeys(point["varied"] for point in result["series"]["points"]):
        _save(_series(result["series"], varied), varied.replace(" ", "_"))
    _save(_parts(result["rows"]), "energy_parts")
    _save(_frontiers(result["frontiers"]), "area_delay")


def _series(series: dict[str, Any], varied: str) -> plt.Figure:
    """Area, delay and energy over one parameter."""
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for point in series["points"]:
        if point["varied"] == varied:
            lines[point["line"]].append(point)
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
    for axis, (key, label) in zip(axes, LABELS.items(), strict=True):
        for line, points in lines.items():
            axis.plot([point["value"] for point in points], [point[key] for point in points], "o-", label=line)
        axis.set(xlabel=varied, ylabel=label, ylim=(0, None))
    axes[0].legend()
    built = f"{series['structure']} heap, recipe {series['recipe']}"
    figure.suptitle(f"{series['technology']}, {series['clock_mhz']:g} MHz, {built}, weights held")
    return figure


def _parts(rows: list[dict[str, Any]]) -> plt.Figure:
    """Where the energy goes: stacked bars, a panel each technology."""
    technologies = list(dict.fromkeys(row["technology"] for row in rows))
    figure, axes = plt.subplots(1, len(technologies), figsize=(9, 3.6), layout="constrained", squeeze=False)
    for axis, technology in zip(axes[0], technologies, strict=True):
        chosen = [row for row in rows if row["technology"] == technology]
        bottom = [0.0] * len(chosen)
        for part in PARTS:
            heights = [row["held"]["parts_per_mac_fj"][part] for row in chosen]
            if any(height > 0.001 * max(bottom) for height in heights):
                names = [row["design"].replace(",", ",\n", 1) for row in chosen]
                axis.bar(names, heights, bottom=bottom, label=part.replace("_", " "))
            bottom = [base + height for base, height in zip(bottom, heights, strict=True)]
        axis.set(title=technology, ylabel=LABELS["energy_per_mac_fj"])
        axis.tick_params(axis="x", rotation=90)
    axes[0][-1].legend(fontsize=6)
    return figure


def _frontiers(frontiers: dict[str, Any]) -> plt.Figure:
    """Area of a unit against its clock period, what no other design point betters in both."""
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, points in frontiers["designs"].items():
        delays, areas = ([point[figure] for point in points] for figure in ("delay_ns", "area_um2"))
        axis.step(delays, areas, "o-", where="pre", label=name)
    axis.set(xlabel=LABELS["delay_ns"], ylabel="area, um2", title=frontiers["technology"], ylim=(0, None))
    axis.legend()
    return figure


def _save(figure: plt.Figure, name: str) -> None:
    path: Path = PLOTS / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    plt.close(figure)
