"""``asm-hw compile --unit bitline``: a network on a bitline array, counted by the keys of the engine's report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .unit_options import config_from, emit_result


def compile_bitline_command(
    network: Path, folder: Path, force: bool, batch: int, as_json: bool, options: dict[str, Any]
) -> None:
    """Count the network in the file, write ``folder`` and print the table, or the same as JSON."""
    from asm_hw.compiler.bitline_folder import write_bitline
    from asm_hw.compiler.bitline_program import compile_bitline
    from asm_hw.compiler.fitted_array import SIZES_SUMS, needed_formats, with_least_sums
    from asm_hw.formats.accumulator_format import ACC_BITS
    from asm_hw.network.network_file import load
    from asm_hw.report.progress import working

    loaded = load(network)
    given = {name: value for name, value in options.items() if value is not None}
    needed = needed_formats(loaded, given)
    needed["alphabets"] = str(needed["alphabets"])
    sized = given.keys() & SIZES_SUMS
    if not sized:
        needed["acc_bits"] = str(ACC_BITS[1])
    config = config_from(needed | given, "bitline")
    with working(f"counting {network.name}"):
        if not sized:
            config = with_least_sums(config, loaded, options.get("word_bits"))
        program = compile_bitline(loaded, config, batch)
        write_bitline(program, network, folder, force)
    result = {"folder": str(folder), **program.report}
    emit_result(as_json, result, lambda console: _show(console, result))


def _show(console: Console, result: dict[str, Any]) -> None:
    table = Table("layer", "MACs", "cycles", "used, %", "rows written", "one opened", "two opened", "moves alone")
    for layer in filter(lambda layer: layer["cycles"], result["layers"]):
        accesses = layer["accesses"]
        figures = (
            layer["macs"],
            layer["cycles"],
            accesses["write"],
            accesses["read"] + accesses["read_write"],
            accesses["two_row"] + accesses["read_compute_write"],
            layer["micro_operations"]["shift"],
        )
        macs, cycles, *rest = (f"{figure:,}" for figure in figures)
        table.add_row(layer["name"], macs, cycles, f"{100 * layer['utilization']:.1f}", *rest)
    outside = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in result["outside"].items() if count)
    batch = f" for {result['batch']} vectors" if result["batch"] > 1 else ""
    table.caption = (
        f"{result['cycles']:,} cycles of the array{batch}, {result['words']} words a row, "
        f"{result['program_entries']:,} micro-operations stored; outside, values: {outside}; {result['folder']}/"
    )
    console.print(table)
