"""The checks of unit ``engine``: small programs in plain integers, cycles by the model."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from asm_hw.bench.driver import Driver, reset

from .engine_config import EngineConfig
from .engine_stimulus import SmallProgram, small_program
from .program_header import ERRORS, HEADER, LIMIT_CYCLES, payload

PATIENCE = 200
"""Cycles beyond the predicted ones."""
SLOW = 20
"""Cycles that a row of a slow stream may take."""


async def _write(driver: Driver, made: SmallProgram) -> None:
    driver.set("start", 0)
    driver.set("read_enable", 0)
    driver.set("i__valid", 0)
    for row in made.rows:
        driver.set("i__payload", payload(made.config, row))
        driver.set("i__valid", 1)
        await driver.settle()
        assert driver.get("i__ready"), "an idle engine does not take a row"
        await driver.edge()
    driver.set("i__valid", 0)


async def _start(driver: Driver) -> None:
    driver.set("start", 1)
    await driver.edge()
    driver.set("start", 0)


async def _finish(driver: Driver, made: SmallProgram) -> None:
    """Wait for the end in just the predicted cycles, then read every word."""
    await driver.settle()
    cycles = await _offer(driver, made, lambda: True)
    assert driver.get("error") == 0, f"error {driver.get('error')}"
    assert cycles == made.cycles, f"{cycles} cycles, {made.cycles} were predicted"
    await _compare(driver, made)


async def _offer(driver: Driver, made: SmallProgram, offers: Callable[[], bool]) -> int:
    """Offer what streams, in the cycles in which ``offers`` says so, until the program ends; its cycles."""
    left = [payload(made.config, row) for row in reversed(made.streamed)]
    most = made.cycles + PATIENCE + SLOW * len(left)
    cycles = 0
    while not driver.get("done"):
        assert driver.get("busy"), "neither busy nor done"
        assert cycles < most, f"no end after {cycles} cycles, {made.cycles} were predicted"
        offered = bool(left) and offers()
        driver.set("i__valid", int(offered))
        driver.set("i__payload", left[-1] if offered else 0)
        await driver.settle()
        if offered and driver.get("i__ready"):
            left.pop()
        await driver.edge()
        driver.set("i__valid", 0)
        await driver.settle()
        cycles += 1
    return cycles


async def _compare(driver: Driver, made: SmallProgram) -> None:
    assert driver.get("layer") == 2
    driver.set("read_enable", 1)
    for address, word in made.reads:
        driver.set("read_address", address)
        await driver.edge()
        await driver.settle()
        assert driver.get("read_data") == word, f"word {address:#x}: {driver.get('read_data'):#x}, expected {word:#x}"
    driver.set("read_enable", 0)


async def check_engine_programs(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """Programs one after another, without a reset between."""
    await reset(driver)
    for _ in range(4):
        made = small_program(config, rng)
        await _write(driver, made)
        await _start(driver)
        await _finish(driver, made)


async def check_engine_reset(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """A reset in the middle of a program leaves nothing behind."""
    await reset(driver)
    for share in (0.1, 0.4, 0.7, 0.95):
        made = small_program(config, rng)
        await _write(driver, made)
        await _start(driver)
        for _ in range(int(share * made.cycles)):
            await driver.edge()
        await reset(driver)
        await driver.settle()
        assert not driver.get("busy"), "busy after a reset"
        made = small_program(config, rng)
        await _write(driver, made)
        await _start(driver)
        await _finish(driver, made)


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
    await reset(driver)
    for name in ("engine", "checksum", "limit"):
        made = small_program(config, rng)
        _spoiled(made, name, rng)
        await _write(driver, made)
        await _start(driver)
        await driver.settle()
        for _ in range(LIMIT_CYCLES + config.last_stage + 2 if name == "limit" else 0):
            if not driver.get("busy"):
                break
            await driver.edge()
            await driver.settle()
        assert (driver.get("done"), driver.get("busy"), driver.get("error")) == (1, 0, ERRORS.index(name)), name
        made = small_program(config, rng)
        await _write(driver, made)
        await _start(driver)
        await _finish(driver, made)


async def check_engine_stream(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """Weights that arrive while the program runs: from a host that is never late, from a slow one, and wrong ones."""
    if config.weight_rows & config.weight_rows - 1:
        return  # no ring
    await reset(driver)
    for share in (1.0, 0.3, 1.0):
        made = small_program(config, rng, streams=True)
        await _write(driver, made)
        for _ in range(2):  # the same program again: all of its stream, but not its rows
            await _start(driver)
            if share == 1.0:
                await _finish(driver, made)
            else:
                await driver.settle()
                await _offer(driver, made, lambda: rng.random() < share)  # noqa: B023 - it ends with the loop
                assert driver.get("error") == 0, f"error {driver.get('error')}"
                await _compare(driver, made)
            inputs = [row for row in made.rows if row[0] == "activations"]  # the second layer wrote over the input
            await _write(driver, replace(made, rows=inputs))
    target, address, data = made.streamed[-1]
    made.streamed[-1] = target, address, data ^ 1
    await _start(driver)
    await driver.settle()
    await _offer(driver, made, lambda: True)
    assert driver.get("error") == ERRORS.index("checksum"), "a wrong row of a stream is not found"
    made = small_program(config, rng)  # and the next program, without a stream
    await _write(driver, made)
    await _start(driver)
    await _finish(driver, made)


CHECKS = (check_engine_programs, check_engine_reset, check_engine_refusals, check_engine_stream)
