"""Runs benches with progress on stderr and says what passed."""

from __future__ import annotations

import json
import sys
from typing import TypedDict

from rich.console import Console
from rich.progress import Progress

from asm_hw.errors import ParameterError, check_choice
from asm_hw.sim import verilator
from asm_hw.sim.runner import DEFAULT_BUILD, SIMULATORS, Verdict, available, run_configs
from asm_hw.units.catalog import CATALOG
from asm_hw.units.unit_config import UnitConfig


class SimulationRow(TypedDict):
    """A configuration in a simulator."""

    name: str
    simulator: str
    tests: int
    failed: int
    passed: bool
    seconds: float
    log: str


def run_simulations(
    names: tuple[str, ...], config: UnitConfig | None, simulator: str | None, jobs: int | None, as_json: bool
) -> int:
    """Simulate ``config``, or the catalogue rows ``names`` (all if empty); 0 if everything passed."""
    for name in names:
        if name not in CATALOG:
            raise ParameterError(f"name {name!r} must be a row of the catalogue: `asm-hw catalog` lists them")
    if names and config:
        raise ParameterError(f"names {' '.join(names)} must be left out where unit options are given")
    if simulator not in (None, "all"):
        check_choice("simulator", simulator, SIMULATORS)
    configs = [config] if config else [CATALOG[name] for name in names or CATALOG]
    simulators = available() if simulator in (None, "all") else (simulator,)
    if "verilator" in simulators:
        verilator.check_build(DEFAULT_BUILD)  # before anything is written
    verdicts = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulating", total=len(configs) * len(simulators))
        for verdict in run_configs(configs, simulators, jobs=jobs):
            verdicts.append(verdict)
            progress.advance(task)
            if not verdict.passed:
                progress.console.print(f"FAILED {verdict.name} in {verdict.simulator}: see {verdict.log}")
                if verdict.first_error:
                    progress.console.print(f"  {verdict.first_error}", markup=False)
    passed = sum(verdict.passed for verdict in verdicts)
    rows = [_row(verdict) for verdict in sorted(verdicts, key=lambda v: (v.name, v.simulator))]
    if as_json:
        print(json.dumps({"passed": passed, "failed": len(rows) - passed, "runs": rows}))
    else:
        print(f"{passed} of {len(rows)} runs passed ({', '.join(simulators)})")
        if "icarus" not in simulators:
            print("icarus: not installed or not asked for, skipped", file=sys.stderr)
    return 0 if passed == len(rows) else 1


def _row(verdict: Verdict) -> SimulationRow:
    return {
        "name": verdict.name,
        "simulator": verdict.simulator,
        "tests": verdict.tests,
        "failed": verdict.failed,
        "passed": verdict.passed,
        "seconds": round(verdict.seconds, 2),
        "log": str(verdict.log),
    }
