"""Runs a bench of `asm_hw.ppa.activity.gate_netlist`.

Icarus Verilog with ``-gspecify`` simulates the cells with their delays: a pulse shorter than the delay
of the gate that it meets is swallowed there, as it would be in the cell. Without Icarus, Verilator
simulates the same netlist without delays: no glitches, a lower bound.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from .vcd_file import Vcd

DELAYS, BOUND = "icarus with cell delays", "verilator without delays: a lower bound"

_VERILATOR = ("--binary", "--timing", "--trace", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-SPECIFYIGN")


@cache
def icarus() -> str | None:
    """The version of Icarus Verilog, which simulates netlists; None where it is not installed."""
    found = shutil.which("iverilog")
    if found is None:
        return None
    return subprocess.run([found, "-V"], capture_output=True, text=True).stdout.splitlines()[0]


def simulator() -> str:
    """What this machine can simulate with: `DELAYS`, or `BOUND` where Icarus is not installed."""
    return DELAYS if shutil.which("iverilog") and shutil.which("vvp") else BOUND


def simulate(verilog: str, stimulus: Sequence[int], folder: Path, tool: str) -> Vcd:
    """Run module ``tb`` of ``verilog`` in ``folder``, an empty one. Raises RuntimeError where a tool fails."""
    (folder / "stimulus.hex").write_text("".join(f"{word:x}\n" for word in stimulus))
    if tool == DELAYS:
        (folder / "tb.vvp").write_bytes(_compiled(verilog))
        # -n: $stop ends the run and does not wait for commands.
        _call(["vvp", "-n", "tb.vvp"], folder)
    else:
        from asm_hw.sim import verilator

        (folder / "design.v").write_text(verilog, encoding="utf-8")
        built = verilator.run(
            *_VERILATOR,
            # The bench waits for times, which takes coroutines, and they take C++20.
            "-CFLAGS",
            "-DVL_TIME_CONTEXT -std=gnu++20 -fcoroutines",
            "--Mdir",
            "tb",
            "-o",
            "tb",
            "design.v",
            cwd=folder,
        )
        if built.returncode:
            raise RuntimeError(f"Verilator failed: {(built.stdout + built.stderr)[-1000:]}")
        _call([str(folder / "tb" / "tb")], folder)
    # The file is read here: its folder is scratch.
    return Vcd(folder / "activity.vcd")


@lru_cache(32)  # a netlist runs on several streams
def _compiled(verilog: str) -> bytes:
    """The program that Icarus makes of a bench."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        _call(["iverilog", "-g2012", "-gspecify", "-s", "tb", "-o", "tb.vvp", "design.v"], folder)
        return (folder / "tb.vvp").read_bytes()


def _call(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{command[0]} failed: {(result.stdout + result.stderr)[-1000:]}")
