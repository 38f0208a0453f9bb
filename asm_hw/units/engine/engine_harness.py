"""Hosts of an engine under test: at its ports, and behind AXI4-Lite."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from asm_hw.bench.axi_lite_bench import AxiLiteBench
from asm_hw.bench.driver import Driver
from asm_hw.gateware.axi_lite_port import OKAY

from .engine_config import EngineConfig
from .engine_registers import BUS, REGISTERS

Edge = Callable[[], Awaitable[None]]
"""What a host does in a cycle in which it waits, up to the edge of the clock."""
OFFSETS = {register.name: register.offset for register in REGISTERS}


class PortHost:
    """A host at the ports of an engine."""

    def __init__(self, driver: Driver, rng: random.Random):
        self._driver = driver

    def idle(self) -> None:
        self._driver.set("start", 0)

    async def start(self) -> None:
        self._driver.set("start", 1)
        await self._driver.edge()
        self._driver.set("start", 0)

    async def running(self) -> bool:
        await self._driver.settle()
        return bool(self._driver.get("busy"))

    async def finish(self, limit: int, edge: Edge | None = None) -> tuple[int, int, int]:
        """Wait, at most ``limit`` cycles; cycles since the start, error, and layers that have ended."""
        driver, cycles = self._driver, 0
        while await self.running():
            assert not driver.get("done"), "busy and done"
            assert cycles < limit, f"no end after {cycles} cycles"
            await (edge or driver.edge)()
            cycles += 1
        assert driver.get("done"), "neither busy nor done"
        return cycles, driver.get("error"), driver.get("layer")


class RegisterHost:
    """A host behind AXI4-Lite, which waits for the interrupt."""

    INTERRUPT_CYCLES = 2
    """From the end of a program to its interrupt."""

    def __init__(self, driver: Driver, rng: random.Random):
        self._driver, self._bus = driver, AxiLiteBench(driver, rng, f"{BUS}_")

    def idle(self) -> None:
        self._bus.idle()

    async def _word(self, name: str) -> int:
        word, response = await self._bus.read(OFFSETS[name])
        assert response == OKAY, f"{name} is not there"
        return word

    async def _put(self, name: str, word: int) -> None:
        assert await self._bus.write(OFFSETS[name], word) == OKAY, f"{name} is not there"

    async def start(self) -> None:
        for name in ("GIE", "IP_IER"):
            await self._put(name, 1)
        self._bus.pace = 1.0  # the answer comes with the start
        await self._put("CTRL", 1)
        self._bus.pace = 0.6

    async def running(self) -> bool:
        return not await self._word("CTRL") & 1 << 2

    async def finish(self, limit: int, edge: Edge | None = None) -> tuple[int, int, int]:
        """As `PortHost.finish`."""
        cycles = -self.INTERRUPT_CYCLES
        await self._driver.settle()
        while not self._driver.get("interrupt"):
            assert cycles < limit, f"no interrupt after {cycles} cycles"
            await (edge or self._driver.edge)()
            await self._driver.settle()
            cycles += 1
        for expected in (0b10_0000_1110, 0b10_0000_0100):  # ap_done and ap_ready are cleared by the first read
            found = await self._word("CTRL")
            assert found == expected, f"CTRL is {found:#x} after a program, expected {expected:#x}"
        await self._put("IP_ISR", 1)
        assert await self._word("CTRL") == 0b100, "the interrupt stays"
        return cycles, await self._word("ERROR"), await self._word("LAYER")


Host = PortHost | RegisterHost


def host_of(config: EngineConfig, driver: Driver, rng: random.Random) -> Host:
    """The host that the control of an engine needs."""
    return (PortHost if config.control == "ports" else RegisterHost)(driver, rng)
