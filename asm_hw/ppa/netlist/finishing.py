"""What is put into a mapped netlist where the library has the cells for it."""

from __future__ import annotations

from pathlib import Path

from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_cells import load_cells

from .buffering import buffered
from .clock_stages import gated_in_stages
from .mapped_netlist import Netlist


def stage_clock(path: Path, top: str, library: Library) -> bool:
    """Put clock gates before clock gates; whether there are any to share."""
    gate, inverter = library.special.clock_gate, library.special.inverter
    if gate is None:
        return False
    names = Netlist.from_yosys_json(path, top).cell_names | {inverter.cell if inverter else gate.cell}
    return _replace(path, gated_in_stages(path.read_text(), top, load_cells(library, names), gate, inverter))


def add_buffers(path: Path, top: str, library: Library) -> bool:
    """Put buffers where the library's limits ask for them; whether they do."""
    buffer = library.special.buffer
    if buffer is None:
        return False
    names = Netlist.from_yosys_json(path, top).cell_names | {buffer.cell}
    return _replace(path, buffered(path.read_text(), top, load_cells(library, names), buffer))


def _replace(path: Path, changed: str | None) -> bool:
    if changed:
        path.write_text(changed)
    return changed is not None
