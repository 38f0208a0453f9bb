"""What others need to measure again: mapped netlist, constraints and activity of each row of a comparison."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from asm_hw.errors import ParameterError
from asm_hw.handoff.timing_constraints import sdc

from .energy_comparison import EnergyComparison
from .power_tool_files import liberty, plain_names, power_liberty, saif, wire_loads
from .unit_energy import Measured


def export_energy(
    out: Path, result: EnergyComparison, measured: list[Measured], clock_mhz: float, technology: str | None = None
) -> None:
    """``energy.json``, and for each row its mapped Verilog, SDC, SAIF and, in SDC, its wires, into the folder ``out``.

    Cells of the package (``technology``) are written too, as ``<technology>.lib`` for timing and
    ``<technology>_power.lib`` for power. Names agree in all of them.
    """
    files = {"energy.json": json.dumps(result, indent=2) + "\n"}
    if technology is not None:
        files[f"{technology}.lib"] = liberty(technology)
        files[f"{technology}_power.lib"] = power_liberty(technology)
    for one in measured:
        name = one.unit.config.slug
        files[f"{name}.mapped.v"], names = plain_names(one.unit.netlist_verilog)
        files[f"{name}.sdc"] = sdc(one.unit.ports, clock_mhz)
        files[f"{name}.saif"] = saif(name, one.mapped.wiring, one.waves, names)
        files[f"{name}.wires.sdc"] = wire_loads(one.mapped.netlist, names)
    for name in files:
        if (out / name).is_dir():  # the files before it would be replaced, those after it not
            raise ParameterError(f"out {str(out)!r} must not hold a folder named {name}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export", dir=out) as scratch:  # nothing half-written
            for name, text in files.items():
                Path(scratch, name).write_text(text, encoding="utf-8", newline="\n")
            for name in files:
                Path(scratch, name).replace(out / name)
    except OSError as error:
        raise ParameterError(f"out {str(out)!r} must be writable: {error.strerror}") from None
