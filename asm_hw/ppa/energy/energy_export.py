"""What others need to measure again: mapped netlist, constraints and activity of each row of a comparison."""

from __future__ import annotations

import json
import re
import tempfile
from itertools import pairwise
from pathlib import Path

from asm_hw.errors import ParameterError
from asm_hw.handoff.timing_constraints import sdc
from asm_hw.ppa.activity.vcd_file import Waves
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.opensta import without_wire_load
from asm_hw.ppa.technology.compact_tables import compact_table, to_liberty

from .energy_comparison import EnergyComparison
from .unit_energy import Measured


def export_energy(
    out: Path, result: EnergyComparison, measured: list[Measured], clock_mhz: float, technology: str | None = None
) -> None:
    """``energy.json``, and for each row its mapped Verilog, SDC and SAIF, into the folder ``out``.

    Cells of the package (``technology``) are written too, as ``<technology>.lib``.
    """
    files = {"energy.json": json.dumps(result, indent=2) + "\n"}
    if technology is not None:
        files[f"{technology}.lib"] = without_wire_load(to_liberty(compact_table(technology)).encode()).decode()
    for one in measured:
        name = one.unit.config.slug
        files[f"{name}.mapped.v"] = one.unit.netlist_verilog
        files[f"{name}.sdc"] = sdc(one.unit.ports, clock_mhz)
        files[f"{name}.saif"] = saif(one.netlist, one.waves)
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


def saif(netlist: Netlist, waves: Waves) -> str:
    """Switching activity in SAIF 2.0 (IEEE 1801): time at 0 and 1 (fs) and transitions of every named net."""
    nets = "".join(
        f"      ({_escaped(name)} {_net(waves, net)})\n"
        for net, name in sorted(netlist.nets.items(), key=lambda item: item[1])
        if net in waves.toggles
    )
    return (
        '(SAIFILE\n  (SAIFVERSION "2.0")\n  (DIRECTION "backward")\n  (DIVIDER /)\n  (TIMESCALE 1 fs)\n'
        f"  (DURATION {waves.end - waves.start})\n  (INSTANCE {netlist.top}\n    (NET\n{nets}    )\n  )\n)\n"
    )


def _net(waves: Waves, net: int) -> str:
    edges = [waves.start, *waves.toggles[net].tolist(), waves.end]
    spans = [later - earlier for earlier, later in pairwise(edges)]
    # By turns at the initial value and at the other one.
    first, second = sum(spans[::2]), sum(spans[1::2])
    low, high = (second, first) if waves.initial[net] else (first, second)
    return f"(T0 {low}) (T1 {high}) (TX 0) (TC {waves.count(net)}) (IG 0)"


def _escaped(name: str) -> str:
    # SAIF escapes all but letters, digits and underscores: acc\[3\].
    return re.sub(r"(\W)", r"\\\1", name)
