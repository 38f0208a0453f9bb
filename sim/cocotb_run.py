"""Runs cocotb on one emitted folder: ``python -m asm_hw.sim.cocotb_run FOLDER SIMULATOR BUILD WAVES``.

A process of its own, because cocotb's runner writes to the terminal and to the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from cocotb_tools.runner import get_runner

from asm_hw.cache import cache_folder
from asm_hw.emission.manifest import load

from .verilator import waivers_of

BENCH_MODULE = "asm_hw.sim.cocotb_bench"

# Verilator's own library is the same in every model and takes most of the time to compile.
_RUNTIME = ("verilated.o", "verilated_dpi.o", "verilated_vpi.o", "verilated_threads.o")


def _compiler() -> str:
    """Version and target of the C++ compiler; objects of another one are not lent."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        return "none"
    asked = subprocess.run([compiler, "-dumpfullversion", "-dumpmachine"], capture_output=True, text=True)
    return "-".join(asked.stdout.split())


@contextmanager
def _runtime_objects(build_dir: Path, cached: bool) -> Iterator[None]:
    """Lends compiled library objects to a build, and keeps those that it compiled, in the user's cache."""
    cache = cache_folder(f"verilated-{version('verilator')}-{version('cocotb')}-{_compiler()}")
    for name in _RUNTIME:
        if cached and (cache / name).is_file():
            shutil.copyfile(cache / name, build_dir / name)
            later = time.time() + 60  # than the makefiles that Verilator is about to write: make leaves it
            os.utime(build_dir / name, (later, later))
    yield
    for name in _RUNTIME:
        if cached and not (cache / name).is_file() and (build_dir / name).is_file():
            cache.mkdir(parents=True, exist_ok=True)
            # Renamed when it is whole: other runs may read the cache meanwhile.
            scratch = cache / f".{name}.{os.getpid()}"
            shutil.copyfile(build_dir / name, scratch)
            scratch.rename(cache / name)


def main(folder: str, simulator: str, build_dir: str, waves: str) -> None:
    manifest = load(Path(folder))
    runner, verilog = get_runner(simulator), Path(folder, manifest["verilog"])
    with _runtime_objects(Path(build_dir), simulator == "verilator" and not int(waves)):
        runner.build(
            sources=[verilog],
            hdl_toplevel=manifest["top"],
            build_dir=build_dir,
            build_args=[str(waivers_of(verilog)), "--build-jobs", "1"] if simulator == "verilator" else [],
            always=False,  # the folder is fresh; True would compile the lent objects again
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
