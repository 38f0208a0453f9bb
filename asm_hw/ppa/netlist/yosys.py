"""Calls Yosys (PyPI's pyosys), each time in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from asm_hw.errors import ParameterError

_RUN = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin.read().splitlines():
    libyosys.run_pass(line, design)
"""


class YosysError(RuntimeError):
    """Yosys failed."""


def run_yosys(commands: list[str], folder: Path) -> str:
    """Run Yosys commands in ``folder`` and return the log.

    Raises `YosysError` with the last lines of the log if Yosys fails, `ParameterError` where it is missing.
    """
    if find_spec("pyosys") is None:
        raise ParameterError("module 'pyosys' must be installed for this command: pip install 'asm-hw[synth]'")
    result = subprocess.run(
        [sys.executable, "-c", _RUN], input="\n".join(commands), capture_output=True, text=True, cwd=folder
    )
    if result.returncode:
        raise YosysError(f"Yosys failed: {(result.stdout + result.stderr)[-1000:]}")
    return result.stdout


def count_cells(verilog: str, top: str, cell: str = "$mul") -> int:
    """How many cells of a type remain in the flattened design after ``proc; opt``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "design.v").write_text(verilog)
        commands = ["read_verilog design.v", f"hierarchy -check -top {top}", "proc", "flatten", "opt"]
        run_yosys([*commands, f"tee -q -o count select -count t:{cell}"], folder)
        # The line of select -count, "12 objects."
        match = re.search(r"(\d+) objects", (folder / "count").read_text())
        if match is None:
            raise YosysError("Yosys failed: it has counted nothing")
        return int(match[1])
