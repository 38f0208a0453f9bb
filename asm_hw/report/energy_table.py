"""The energy tables: of a unit in an operand stream beside its baselines, and of one with its memories."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from asm_hw.emission.emit_folder import check_writable
from asm_hw.gateware.part_names import PARTS
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.energy.energy_comparison import EnergyComparison, compare_energy
from asm_hw.ppa.energy.energy_export import export_energy
from asm_hw.ppa.energy.energy_figures import EnergyRow
from asm_hw.ppa.energy.memory_comparison import DesignRow
from asm_hw.ppa.energy.system_comparison import SystemComparison
from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.unit_config import UnitConfig

from .progress import working

_FIGURES: dict[str, Callable[[EnergyRow], float]] = {
    "energy": lambda row: row["energy_per_mac_fj"],
    "switching": lambda row: row["switching_per_mac_fj"],
    "internal": lambda row: row["internal_per_mac_fj"],
    "leakage": lambda row: row["leakage_per_mac_fj"],
}


def show_energy(
    config: UnitConfig,
    options: StreamOptions,
    clock_mhz: float,
    liberty: str | None,
    technology: str | None,
    out: Path | None,
    as_json: bool,
    seeds: int,
    wires: bool | None,
) -> None:
    """Measure and print the comparison, one JSON object if asked; files to measure it again into ``out``, if given."""
    if out:
        check_writable(out)
    with working(f"measuring {config.unit} and its contenders") as tell:
        result, measured = compare_energy(
            config, options, clock_mhz, liberty, technology, waves=out is not None, seeds=seeds, wires=wires, tell=tell
        )
    if out:
        export_energy(out, result, measured, clock_mhz, None if liberty else technology or TECHNOLOGIES[0])
    if as_json:
        print(json.dumps(result))
        return
    console = Console()
    stream = result["stream"]
    console.print(energy_table(result))
    console.print(
        f"{result['clock_mhz']:g} MHz, {stream['stream']} operands, weights {stream['weights']},"
        f" {stream['cycles']} cycles. Activity: {result['activity']}. Mapped standard cells,"
        f" {'wires of a placement' if result['wires'] else 'no wires'}.",
        highlight=False,
    )
    if result["plain_too_slow_ns"]:
        console.print(f"plain Yosys does not reach the clock: {result['plain_too_slow_ns']:.2f} ns.", highlight=False)


def energy_table(result: EnergyComparison) -> Table:
    """The rows of `compare_energy` as a table: the unit and its baselines across, what energy goes to downwards."""
    rows = result["rows"]
    table = Table("fJ per MAC", *rows, title=result["library"])
    streams = {name: row["by_seed_fj"] for name, row in rows.items()}
    if len(next(iter(streams.values()))) > 1:
        table.add_row("mean of streams", *(f"{fmean(found):.1f}" for found in streams.values()))
        table.add_row(
            "least to most", *(f"{min(found):.1f} to {max(found):.1f}" for found in streams.values()), end_section=True
        )
    for name, figure in _FIGURES.items():
        table.add_row(name, *(f"{figure(row):.1f}" for row in rows.values()), end_section=name == "leakage")
    for part in PARTS:
        figures = [row["parts_per_mac_fj"][part] for row in rows.values()]
        if any(figures):
            table.add_row(part.replace("_", " "), *(f"{figure:.1f}" for figure in figures))
    table.add_section()
    table.add_row("/ exact", *(f"{row['energy_ratio_to_exact']:.2f}" for row in rows.values()))
    table.add_row("/ bare", *(f"{row['energy_ratio_to_bare']:.2f}" for row in rows.values()))
    return table


def show_arrays(console: Console, result: SystemComparison) -> None:
    """Print `array_table` and what its figures rest on."""
    console.print(array_table(result))
    console.print(
        f"{result['clock_mhz']:g} MHz, {result['technology']}; a recorded layer. Activity: {result['activity']}. Mapped"
        f" standard cells, {'wires of a placement' if result['wires'] else 'no wires'}; memories by the model of"
        " `asm-hw sram`. Memories leak in all cycles, logic is"
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


def array_table(result: SystemComparison) -> Table:
    """The rows of `compare_with_memories` as a table, a section for each regime of memories."""
    heads = ("total", "memory", "movement", "control", "compute", "busy", "ratio")
    figures = (Column(name, justify="right", no_wrap=True) for name in heads)
    title = f"fJ per MAC; busy: MACs of what all lanes could do; ratio: {result['design']} / this"
    table = Table(Column("", no_wrap=True), *figures, title=title, box=SIMPLE_HEAD, padding=0)
    for regime in dict.fromkeys(row["regime"] for row in result["rows"]):
        table.add_row(f"[bold]memory: {regime}[/]")
        for row in (row for row in result["rows"] if row["regime"] == regime):
            table.add_row(row["design"], *_energies(row), f"{row['energy_ratio_to_this']:.3f}")
        table.add_section()
    return table


def _energies(row: DesignRow) -> list[str]:
    parts = (row["energy_per_mac_fj"], row["memory_fj"], row["movement_fj"], row["control_fj"], row["compute_fj"])
    busy = f"{row['busy_percent']:.0f} %" if "busy_percent" in row else "-"
    return [*(f"{energy:,.0f}" for energy in parts), busy]
