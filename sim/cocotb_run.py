"""Runs cocotb on one emitted folder: ``python -m asm_hw.sim.cocotb_run FOLDER SIMULATOR BUILD WAVES``.

A process of its own, because cocotb's runner writes to the terminal and to the environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

from ..manifest import load
from .verilator import WAIVERS

BENCH_MODULE = "asm_hw.sim.cocotb_bench"

# The simulation model is small and runs seconds: compiling it fast beats running it fast.
_VERILATOR_ARGUMENTS = [str(WAIVERS), "-CFLAGS", "-O1", "--build-jobs", "1"]


def main(folder: str, simulator: str, build_dir: str, waves: str) -> None:
    manifest = load(Path(folder))
    runner = get_runner(simulator)
    runner.build(
        sources=[Path(folder, manifest["verilog"])],
        hdl_toplevel=manifest["top"],
        build_dir=build_dir,
        build_args=_VERILATOR_ARGUMENTS if simulator == "verilator" else [],
        always=True,
        waves=bool(int(waves)),
        timescale=("1ns", "1ps"),
    )
    runner.test(
        hdl_toplevel=manifest["top"],
        test_module=BENCH_MODULE,
        build_dir=build_dir,
        test_dir=build_dir,
        results_xml=str(Path(build_dir, "results.xml")),
        waves=bool(int(waves)),
        timescale=("1ns", "1ps"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
