"""Builds and runs the benches: emitted folder in, verdict out. `cocotb_run.py`, in a process for each, calls cocotb."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from asm_hw.emission.emit_folder import emit
from asm_hw.emission.manifest import config_of, load
from asm_hw.errors import ParameterError, check_choice
from asm_hw.units.unit_config import UnitConfig
from asm_hw.worker_pools import usable_cores

from . import verilator
from .unit_checks import checks_of

SIMULATORS = ("verilator", "icarus")
DEFAULT_BUILD = Path("build/sim")
MANIFEST_FOLDER = "ASM_HW_MANIFEST_FOLDER"
"""Environment variable that names the folder of the unit under test."""


@dataclass(frozen=True)
class Verdict:
    """What a simulator said of one unit.

    Attributes
    ----------
    checks : how many checks the unit must undergo
    tests, failed : how many were run, and of these failed
    log : the file that holds the simulator's whole output
    """

    name: str
    simulator: str
    checks: int
    tests: int
    failed: int
    seconds: float
    log: Path
    waveform: Path | None = None

    @property
    def first_error(self) -> str:
        """The first line of the log that says what went wrong, "" if none does."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line.strip() for line in lines if re.search(r"Error\b", line)), "")

    @property
    def passed(self) -> bool:
        """A run that executed fewer tests than the unit has checks has not passed."""
        return self.tests == self.checks > 0 and self.failed == 0


def available() -> tuple[str, ...]:
    """The simulators of this machine."""
    return tuple(s for s in SIMULATORS if s == "verilator" or shutil.which("iverilog"))


def run_folder(folder: Path, simulator: str = "verilator", build: Path = DEFAULT_BUILD, waves: bool = False) -> Verdict:
    """Run every check of the emitted unit in ``folder`` and return the verdict; never raises on a failure.

    Raises `ParameterError` where the simulator is missing or the folder holds no manifest.
    """
    check_choice("simulator", simulator, SIMULATORS)
    if simulator not in available():
        raise ParameterError(f"simulator {simulator!r} must be installed (package iverilog)")
    if simulator == "verilator":
        verilator.check_build(build)
        verilator.check_build(folder)
    manifest = load(folder)
    checks = len(checks_of(config_of(manifest)))
    name, start = manifest["top"], perf_counter()
    build_dir = (build / simulator / name).resolve()
    # So that no results of an earlier run are taken for those of this one.
    shutil.rmtree(build_dir, ignore_errors=True)
    build_dir.mkdir(parents=True)
    log = build_dir / "run.log"
    arguments = [str(folder.resolve()), simulator, str(build_dir), str(int(waves))]
    environment = (verilator.environment() if simulator == "verilator" else dict(os.environ)) | {
        MANIFEST_FOLDER: str(folder.resolve()),
        # Else cocotb lets pytest rewrite every module that is imported, PyTorch too: seconds a run.
        "COCOTB_REWRITE_ASSERTION_FILES": "",
    }
    with log.open("w") as output:
        subprocess.run(
            [sys.executable, "-m", "asm_hw.sim.cocotb_run", *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    tests, failed = _results(build_dir / "results.xml")
    waveform = next((path for suffix in ("fst", "vcd") for path in build_dir.glob(f"*.{suffix}")), None)
    return Verdict(name, simulator, checks, tests, failed, perf_counter() - start, log, waveform)


def _results(path: Path) -> tuple[int, int]:
    """(tests, failed) of a cocotb results file; no file means that the build or the simulator failed."""
    from cocotb_tools.check_results import get_results

    return get_results(path) if path.is_file() else (0, 0)


def run_configs(
    configs: list[UnitConfig], simulators: tuple[str, ...], build: Path = DEFAULT_BUILD, jobs: int | None = None
) -> Iterator[Verdict]:
    """Emit and run each configuration in each simulator, ``jobs`` at a time; verdicts as they come."""
    with ThreadPoolExecutor(jobs or usable_cores()) as pool:  # threads wait for the simulators' processes
        waiting = []
        for config in configs:
            folder = emit(config, build / "rtl", force=True).folder
            waiting += [pool.submit(run_folder, folder, simulator, build) for simulator in simulators]
        for done in as_completed(waiting):
            yield done.result()
