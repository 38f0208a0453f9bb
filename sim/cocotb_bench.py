"""The cocotb side of the benches: one test for each check of the unit under test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from asm_hw.bench.driver import Check, undergo
from asm_hw.emission.manifest import config_of, load

from .runner import MANIFEST_FOLDER
from .unit_checks import checks_of

_manifest = load(Path(os.environ[MANIFEST_FOLDER]))
_config = config_of(_manifest)


class CocotbDriver:
    """Drives between falling edges, so that inputs are stable around every rising edge."""

    def __init__(self, dut: Any):
        self._dut = dut

    def set(self, port: str, value: int) -> None:
        getattr(self._dut, port).value = value

    def get(self, port: str) -> int:
        return int(getattr(self._dut, port).value)

    async def settle(self) -> None:
        # Of the 5 ns to the rising edge: a bench may settle four times in a cycle.
        await Timer(1, "ns")

    async def edge(self) -> None:
        await FallingEdge(self._dut.clk)


async def _run(dut: Any, check: Check) -> None:
    if _manifest["clock"]:
        Clock(dut.clk, 10, unit="ns").start()
        await FallingEdge(dut.clk)
    await undergo(check, CocotbDriver(dut), _config)


def _make_test(check: Check) -> Any:
    async def test(dut: Any) -> None:
        await _run(dut, check)

    test.__name__ = test.__qualname__ = check.__name__
    test.__doc__ = check.__doc__
    # Of simulated time: a unit that hangs fails its check.
    return cocotb.test(timeout_time=100, timeout_unit="ms")(test)


# cocotb takes its tests from the names of this module.
for _check in checks_of(_config):
    globals()[_check.__name__] = _make_test(_check)
