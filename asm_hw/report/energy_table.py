"""The energy table of a unit beside its exact twin and the bare accumulator."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from asm_hw.emission.emit_folder import check_writable
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.energy import energy_export as redo
from asm_hw.ppa.energy.energy_comparison import compare
from asm_hw.ppa.energy.energy_parts import PARTS
from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES
from asm_hw.units.bitline.bitline_config import BitlineConfig

from .progress import working


def show_energy(
    config: Any,
    options: StreamOptions,
    clock_mhz: float,
    liberty: str | None,
    technology: str | None,
    out: Path | None,
    as_json: bool,
    seeds: int,
) -> None:
    """Measure and print the comparison; one JSON object if asked; the files to redo it into ``out``, if given."""
    if out:
        check_writable(out)
    with working(f"measuring {config.unit} and its contenders"):
        result, measured = compare(config, options, clock_mhz, liberty, technology, waves=out is not None, seeds=seeds)
    if out:
        redo.write(out, result, measured, clock_mhz, None if liberty else technology or TECHNOLOGIES[0])
    if as_json:
        print(json.dumps(result))
        return
    console = Console()
    stream = result["stream"]
    console.print(energy_table(result))
    console.print(
        f"{result['clock_mhz']:g} MHz, {stream['stream']} operands, weights {stream['weights']},"
        f" {stream['cycles']} cycles. Activity: {result['activity']}. Mapped standard cells, no wires.",
        highlight=False,
    )
    if result["plain_too_slow_ns"]:
        console.print(f"plain Yosys does not reach the clock: {result['plain_too_slow_ns']:.2f} ns.", highlight=False)


def energy_table(result: dict[str, Any]) -> Table:
    """The rows of `asm_hw.ppa.energy.energy_comparison.compare` as a table: baselines across, what the energy goes to downwards."""
    rows = result["rows"]
    table = Table("fJ per MAC", *rows, title=result["library"])
    streams = {name: row["by_seed_fj"] for name, row in rows.items()}
    if len(next(iter(streams.values()))) > 1:
        table.add_row("mean of streams", *(f"{fmean(found):.1f}" for found in streams.values()))
        table.add_row(
            "least to most", *(f"{min(found):.1f} to {max(found):.1f}" for found in streams.values()), end_section=True
        )
    for name in ("energy", "switching", "internal", "leakage"):
        table.add_row(
            name, *(f"{row[f'{name}_per_mac_fj']:.1f}" for row in rows.values()), end_section=name == "leakage"
        )
    for part in PARTS:
        figures = [row["parts_per_mac_fj"][part] for row in rows.values()]
        if any(figures):
            table.add_row(part.replace("_", " "), *(f"{figure:.1f}" for figure in figures))
    table.add_section()
    for other in ("exact", "bare"):
        table.add_row(f"/ {other}", *(f"{row[f'energy_ratio_to_{other}']:.2f}" for row in rows.values()))
    return table


def show_arrays(console: Console, result: dict[str, Any]) -> None:
    """Print `array_table` and what its figures rest on."""
    console.print(array_table(result))
    console.print(
        f"{result['clock_mhz']:g} MHz, {result['technology']}; a recorded layer. Activity: {result['activity']}. Mapped"
        " standard cells, no wires; memories by the model of `asm-hw sram`. Memories leak in all cycles, logic is"
        " charged in those that compute.",
        highlight=False,
    )
    if result["design"].startswith(BitlineConfig.unit):
        console.print(
            "Bitline arrays have their own size in both regimes, only their outputs go to the memory; sums alone:"
            " loads and outputs are not charged.",
            highlight=False,
        )
    if result["why_alone"]:
        console.print(f"No exact twin of this shape: {result['why_alone']}.", highlight=False, soft_wrap=True)


def array_table(result: dict[str, Any]) -> Table:
    """The rows of `asm_hw.ppa.energy.memory_comparison.compare` as a table, a section for each regime of memories."""
    parts = ("memory", "movement", "control", "compute")
    figures = (Column(name, justify="right", no_wrap=True) for name in ("total", *parts, "busy", "ratio"))
    title = f"fJ per MAC; busy: MACs of what all lanes could do; ratio: {result['design']} / this"
    table = Table(Column("", no_wrap=True), *figures, title=title, box=SIMPLE_HEAD, padding=0)
    for regime in dict.fromkeys(row["regime"] for row in result["rows"]):
        table.add_row(f"[bold]memory: {regime}[/]")
        for row in (row for row in result["rows"] if row["regime"] == regime):
            energies = [f"{row[f'{name}_fj']:,.0f}" for name in ("energy_per_mac", *parts)]
            busy = f"{row['busy_percent']:.0f} %" if "busy_percent" in row else "-"
            table.add_row(row["design"], *energies, busy, f"{row['energy_ratio_to_this']:.3f}")
        table.add_section()
    return table
