"""The table of a unit on an FPGA beside its baselines."""

from __future__ import annotations

from rich.table import Table

from asm_hw.ppa.fpga.fpga_comparison import FpgaComparison, FpgaRow


def fpga_table(result: FpgaComparison) -> Table:
    """The rows of `asm_hw.ppa.fpga.fpga_comparison.compare_on_fpga` as a table."""
    title = f"{result['family']} {result['device']}, median of {len(result['seeds'])} seeds"
    head = ("LUT-eq.", "/ exact", "FF", "DSP", "RAM", "fmax MHz", "/ exact", "structure", "recipe")
    table = Table("", *head, title=title)
    for name, row in result["rows"].items():
        luts = [str(row["lut_equivalents"]), _ratio(row.get("lut_ratio_to_exact"))]
        hard = [str(row["dsp"]), str(row["ram"])]
        speed = [f"{row['fmax_mhz']:.1f}", _ratio(row.get("fmax_ratio_to_exact"))]
        table.add_row(name, *luts, str(row["ff"]), *hard, *speed, _structure(row), row["recipe"])
    return table


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _structure(row: FpgaRow) -> str:
    return f"{row['structure']}, {row['weight_form']}" if "structure" in row else "-"
