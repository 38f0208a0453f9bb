"""The table of a unit on an FPGA beside its baselines."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def fpga_table(result: dict[str, Any]) -> Table:
    """The rows of `asm_hw.ppa.fpga.fpga_comparison.compare` as a table."""
    title = f"{result['family']} {result['device']}, median of {len(result['seeds'])} seeds"
    head = ("LUT-eq.", "/ exact", "FF", "DSP", "RAM", "fmax MHz", "/ exact", "structure", "recipe")
    table = Table("", *head, title=title)
    for name, row in result["rows"].items():
        lut_ratio, fmax_ratio = (
            f"{row[name]:.2f}" if name in row else "-" for name in ("lut_ratio_to_exact", "fmax_ratio_to_exact")
        )
        luts = [str(row["lut_equivalents"]), lut_ratio]
        hard = [str(row["dsp"]), str(row["ram"])]
        speed = [f"{row['fmax_mhz']:.1f}", fmax_ratio]
        structure = f"{row['structure']}, {row['weight_form']}"
        table.add_row(name, *luts, str(row["ff"]), *hard, *speed, structure, row["recipe"])
    return table
