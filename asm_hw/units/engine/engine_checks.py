"""The checks of unit ``engine``: small programs in plain integers, cycles by the model."""

from __future__ import annotations

import random

from asm_hw.bench.axi_lite_bench import AxiLiteBench
from asm_hw.bench.driver import Driver, reset
from asm_hw.gateware.axi_lite_port import OKAY

from .engine_config import EngineConfig
from .engine_registers import BUS, REGISTERS
from .engine_stimulus import SmallProgram, small_program
from .program_header import ERRORS, HEADER, LIMIT_CYCLES

PATIENCE = 200
"""Cycles beyond the predicted ones."""
OFFSETS = {register.name: register.offset for register in REGISTERS}


class _Ports:
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

    async def finish(self, limit: int) -> tuple[int, int, int]:
        """Wait, at most ``limit`` cycles; cycles since the start, error, and layers that have ended."""
        driver, cycles = self._driver, 0
        while await self.running():
            assert not driver.get("done"), "busy and done"
            assert cycles < limit, f"no end after {cycles} cycles"
            await driver.edge()
            cycles += 1
        assert driver.get("done"), "neither busy nor done"
        return cycles, driver.get("error"), driver.get("layer")


class _Registers:
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

    async def finish(self, limit: int) -> tuple[int, int, int]:
        """Wait, at most ``limit`` cycles; cycles since the start, error, and layers that have ended."""
        cycles = -self.INTERRUPT_CYCLES
        await self._driver.settle()
        while not self._driver.get("interrupt"):
            assert cycles < limit, f"no interrupt after {cycles} cycles"
            await self._driver.edge()
            await self._driver.settle()
            cycles += 1
        for expected in (0b10_0000_1110, 0b10_0000_0100):  # ap_done and ap_ready are cleared by the first read
            found = await self._word("CTRL")
            assert found == expected, f"CTRL is {found:#x} after a program, expected {expected:#x}"
        await self._put("IP_ISR", 1)
        assert await self._word("CTRL") == 0b100, "the interrupt stays"
        return cycles, await self._word("ERROR"), await self._word("LAYER")


def _host(config: EngineConfig, driver: Driver, rng: random.Random) -> _Ports | _Registers:
    return (_Ports if config.control == "ports" else _Registers)(driver, rng)


async def _reset(driver: Driver, host: _Ports | _Registers) -> None:
    host.idle()
    driver.set("i__valid", 0)
    driver.set("read_enable", 0)
    await reset(driver)


async def _write(driver: Driver, made: SmallProgram) -> None:
    for payload in made.payloads():
        driver.set("i__payload", payload)
        driver.set("i__valid", 1)
        await driver.settle()
        assert driver.get("i__ready"), "an idle engine does not take a row"
        await driver.edge()
    driver.set("i__valid", 0)


async def _run(driver: Driver, host: _Ports | _Registers, made: SmallProgram) -> None:
    """A program that must end in just the predicted cycles; then read every word."""
    await _write(driver, made)
    await host.start()
    cycles, error, layers = await host.finish(made.cycles + PATIENCE)
    assert error == 0, f"error {error}"
    assert cycles == made.cycles, f"{cycles} cycles, {made.cycles} were predicted"
    assert layers == 2
    driver.set("read_enable", 1)
    for address, word in made.reads:
        driver.set("read_address", address)
        await driver.edge()
        await driver.settle()
        assert driver.get("read_data") == word, f"word {address:#x}: {driver.get('read_data'):#x}, expected {word:#x}"
    driver.set("read_enable", 0)


async def check_engine_programs(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """Programs one after another, without a reset between."""
    host = _host(config, driver, rng)
    await _reset(driver, host)
    for _ in range(4):
        await _run(driver, host, small_program(config, rng))


async def check_engine_reset(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """A reset in the middle of a program leaves nothing behind."""
    host = _host(config, driver, rng)
    await _reset(driver, host)
    for share in (0.1, 0.4, 0.7, 0.95):
        made = small_program(config, rng)
        await _write(driver, made)
        await host.start()
        for _ in range(int(share * made.cycles)):
            await driver.edge()
        await _reset(driver, host)
        assert not await host.running(), "busy after a reset"
        await _run(driver, host, small_program(config, rng))


def _spoiled(made: SmallProgram, name: str, rng: random.Random) -> None:
    """Change the rows so that the error ``name`` must follow."""
    header = next(i for i, row in enumerate(made.rows) if row[:2] == ("program", 0))
    if name == "checksum" and rng.random() < 0.5:
        made.rows.pop()  # cut short
        return
    place = header if name != "checksum" else rng.randrange(header + 1, len(made.rows))
    target, address, data = made.rows[place]
    limit = (1 << HEADER["limit"]) - 1 << HEADER["engine"]
    made.rows[place] = (
        target,
        address,
        data & ~limit if name == "limit" else data ^ 1 << rng.randrange(HEADER["engine"]),
    )


async def check_engine_refusals(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """Programs of another engine, changed, cut short or running on end with their error; the next one runs."""
    host = _host(config, driver, rng)
    await _reset(driver, host)
    for number, name in enumerate(ERRORS[1:], 1):
        made = small_program(config, rng)
        _spoiled(made, name, rng)
        await _write(driver, made)
        await host.start()
        _, error, _ = await host.finish(LIMIT_CYCLES + config.last_stage + 2 if name == "limit" else 0)
        assert error == number, f"error {error}, expected {name}"
        await _run(driver, host, small_program(config, rng))


CHECKS = (check_engine_programs, check_engine_reset, check_engine_refusals)
