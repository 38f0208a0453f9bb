"""Timing and leakage by OpenSTA, where it is installed: a second opinion on `asm_hw.ppa.netlist.static_timing`.

The assumptions are those of `static_timing.analyse` with its defaults: no wires, an ideal clock, ports without delays,
slews or loads of their own. Checked with Debian's package ``opensta`` (2.0.17), which reads no .gz and applies a
library's default wire load unasked: it gets plain copies without that default. Its leakage of a cell is the
library's ``cell_leakage_power``; where a library has none (ASAP7) it weighs the states otherwise than their mean.
OpenSTA 3 weighs states by the time in them (``Power::findLeakagePower``, https://github.com/parallaxsw/OpenSTA): it is
told that every pin is at 1 half of the time, which makes that their mean.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_file import is_gzip

from .static_timing import PathPoint

# The attributes that choose a default; the wire_load groups themselves may stay.
_DEFAULT_WIRE_LOAD = re.compile(rb"\bdefault_wire_load(?:_selection)?\s*:[^;\n]*;?")
_EDGES = {"^": "rise", "v": "fall"}


@dataclass(frozen=True)
class StaReport:
    """What OpenSTA said.

    Attributes
    ----------
    min_period_ns : the shortest clock period; 0 where no path limits it
    slack_ns : the period asked for less that
    path : the worst path, by output pins and ports, the register's data pin at its end
    leakage_nw : of the whole design
    tool : its name and version
    """

    min_period_ns: float
    slack_ns: float
    path: tuple[PathPoint, ...]
    leakage_nw: float
    tool: str


def opensta_version() -> str | None:
    """The version of OpenSTA on PATH, None where there is none."""
    program = shutil.which("sta")
    if not program:
        return None
    words = subprocess.run([program, "-version"], capture_output=True, text=True).stdout.split()
    return words[0] if words and re.fullmatch(r"\d+\.\d+\S*", words[0]) else None


def run_opensta(verilog: str, top: str, library: Library, clock: str, clock_ns: float) -> StaReport | None:
    """Worst path and leakage of a mapped netlist (Verilog text); None where OpenSTA is not installed.

    ``clock`` is the clock port, "" for a design without registers. Raises RuntimeError where OpenSTA
    refuses its input.
    """
    version = opensta_version()
    if version is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "netlist.v").write_text(verilog, encoding="utf-8")
        (folder / "run.tcl").write_text(_script(unpack(library, folder), top, clock, clock_ns), encoding="utf-8")
        command = [shutil.which("sta") or "sta", "-no_init", "-no_splash", "-exit", "run.tcl"]
        # With the folder as home no settings of the user count.
        result = subprocess.run(command, cwd=folder, env={"HOME": scratch}, capture_output=True, text=True)
    log = result.stdout + result.stderr
    # An unknown cell is no error to OpenSTA, which makes a black box of it.
    trouble = re.search(r"^(?:Error:|.*not found\.  Creating black box).*$", log, re.MULTILINE)
    if result.returncode or trouble:
        raise RuntimeError(f"OpenSTA failed: {trouble[0] if trouble else log[-1000:]}")
    return _report(log, clock_ns, f"OpenSTA {version}")


def unpack(library: Library, folder: Path) -> list[str]:
    """Plain copies of a library's files in ``folder``, without a default wire load; their names."""
    names = []
    for index, path in enumerate(library.paths):
        content = gzip.decompress(path.read_bytes()) if is_gzip(path) else path.read_bytes()
        names.append(f"library_{index}.lib")
        (folder / names[-1]).write_bytes(without_wire_load(content))
    return names


def without_wire_load(liberty: bytes) -> bytes:
    """A Liberty file without its default wire load, which OpenSTA would apply unasked."""
    return _DEFAULT_WIRE_LOAD.sub(b"", liberty)


def _script(libraries: list[str], top: str, clock: str, clock_ns: float) -> str:
    port = f"[get_ports {{{clock}}}]" if clock else ""
    return "\n".join(
        [
            *(f"read_liberty {name}" for name in libraries),
            "read_verilog netlist.v",
            f"link_design {top}",
            "set_cmd_units -time ns",
            f"create_clock -name clock -period {clock_ns} {port}",
            f'foreach port [all_inputs] {{ if {{[get_property $port full_name] != "{clock}"}} '
            "{ set_input_delay 0 -clock clock $port } }",
            "set_output_delay 0 -clock clock [all_outputs]",
            "report_checks -path_delay max -digits 6",
            "set_power_activity -global -activity 0.1 -duty 0.5",
            "report_power -digits 6",
            'puts "worst slack [worst_slack]"',
            "",
        ]
    )


def _report(log: str, clock_ns: float, tool: str) -> StaReport:
    slack = re.search(r"^worst slack (\S+)$", log, re.MULTILINE)
    # The last row of report_power: internal, switching and leakage power in W, then their sum.
    leakage = re.search(r"^Total +\S+ +\S+ +(\S+)", log, re.MULTILINE)
    if not (slack and leakage):
        raise RuntimeError(f"OpenSTA failed: {log[-1000:]}")
    worst = float(slack[1])
    limited = worst < 1e20  # it says 1e30 where there is no path
    # Rows "delay arrival edge instance/pin (cell)" of the data path; below its arrival time comes the required time.
    arrivals = re.findall(r"^ +\S+ +(\S+) ([v^]) (\S+) \((\S+)\)$", log.split("data arrival time")[0], re.MULTILINE)
    path = tuple(_point(name, cell, edge, float(time)) for time, edge, name, cell in arrivals)
    period = clock_ns - worst if limited else 0.0
    return StaReport(period, clock_ns - period, path, float(leakage[1]) * 1e9, tool)  # from W


def _point(name: str, cell: str, edge: str, arrival_ns: float) -> PathPoint:
    instance, _, pin = name.rpartition("/")
    return PathPoint(instance, cell if instance else "", pin, _EDGES[edge], arrival_ns)
