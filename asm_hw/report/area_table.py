"""The area table of a unit beside its baselines."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from asm_hw.ppa.baselines.area_comparison import AreaComparison, AreaRow, compare_area
from asm_hw.units.unit_config import UnitConfig

from .progress import working

_NOTE = "Mapped standard cells, {}. Each contender: the smallest of the structures and recipes tried{}."


def show_area(
    config: UnitConfig,
    liberty: str | None,
    technology: str | None,
    clock_mhz: float | None,
    wires: bool | None,
    as_json: bool,
) -> None:
    """Synthesize and print the comparison; one JSON object if asked."""
    with working(f"mapping {config.unit} and its contenders") as tell:
        result = compare_area(config, liberty, technology, clock_mhz, wires=wires, tell=tell)
    if as_json:
        print(json.dumps(result))
        return
    console = Console()
    console.print(area_table(result))
    clock = f" that meets {clock_mhz:g} MHz" if clock_mhz else ""
    console.print(
        _NOTE.format("delays with the wires of a placement" if result["wires"] else "no wires", clock), highlight=False
    )
    if result["memories"]:
        kinds = [_memories(**memories) for memories in result["memories"].values()]
        console.print(f"Without {', '.join(kinds)}, and access times (see `asm-hw sram`).", highlight=False)
    if result["why_alone"]:
        console.print(f"No exact twin of this shape: {result['why_alone']}.", highlight=False, soft_wrap=True)


def area_table(result: AreaComparison) -> Table:
    """The rows of `compare_area` as a table."""
    table = Table(
        "", "cells", "area um2", "/ exact", "/ bare", "delay ns", "/ exact", "recipe", title=result["library"]
    )
    for name, row in result["rows"].items():
        ratios = (row.get("area_ratio_to_exact"), row.get("area_ratio_to_bare"), row.get("delay_ratio_to_exact"))
        area, bare, delay = ("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        figures = [f"{row['area_um2']:.0f}", area, bare, f"{row['period_ns']:.2f}", delay]
        table.add_row(name, str(row["cells"]), *figures, _built(row))
    return table


def _built(row: AreaRow) -> str:
    """Structure, form of weights and recipe; of a unit that is built in one way alone the recipe."""
    form = f"{row['structure']} {row['weight_form']}, " if "structure" in row else ""
    return form + row["recipe"]


def _memories(rows: int, bits: int, count: int) -> str:
    return f"{count} memories of {rows} x {bits} bits" if count > 1 else f"a memory of {rows} x {bits} bits"
