"""Checks of unit ``engine``: small programs, against plain arithmetic and the predicted cycles."""

from __future__ import annotations

import random
from dataclasses import replace

from asm_hw.bench.driver import Driver, reset

from .engine_config import EngineConfig
from .engine_harness import Edge, Host, host_of
from .engine_stimulus import SmallProgram, small_program
from .program_header import ERRORS, HEADER, LIMIT_CYCLES, payload

PATIENCE = 200
"""Cycles beyond the predicted ones."""
SLOW = 20
"""Cycles that a row of a slow stream may take."""


async def _reset(driver: Driver, host: Host) -> None:
    host.idle()
    driver.set("i__valid", 0)
    driver.set("read_enable", 0)
    await reset(driver)


async def _write(driver: Driver, made: SmallProgram) -> None:
    for word in made.payloads():
        driver.set("i__payload", word)
        driver.set("i__valid", 1)
        await driver.settle()
        assert driver.get("i__ready"), "an idle engine does not take a row"
        await driver.edge()
    driver.set("i__valid", 0)


class _Offer:
    """A host that offers rows in a share of the cycles, each until it is taken."""

    def __init__(self, driver: Driver, made: SmallProgram, share: float, rng: random.Random):
        self._driver, self._share, self._rng = driver, share, rng
        self.left = [payload(made.config, row) for row in reversed(made.streamed)]
        self._offered = False

    async def edge(self) -> None:
        driver = self._driver
        self._offered = bool(self.left) and (self._offered or self._rng.random() < self._share)
        driver.set("i__valid", int(self._offered))
        driver.set("i__payload", self.left[-1] if self._offered else 0)
        await driver.settle()
        if self._offered and driver.get("i__ready"):
            self.left.pop()
            self._offered = False
        await driver.edge()


async def _run(driver: Driver, host: Host, made: SmallProgram) -> None:
    """A program that must end in just the predicted cycles."""
    await _write(driver, made)
    await _finish(driver, host, made)


async def _finish(driver: Driver, host: Host, made: SmallProgram, edge: Edge | None = None, late: int = 0) -> None:
    """Start what is written, wait for its end, in the predicted cycles or ``late`` ones more, and read every word."""
    await host.start()
    cycles, error, layers = await host.finish(made.cycles + PATIENCE + late, edge)
    assert error == 0, f"error {error}"
    assert late or cycles == made.cycles, f"{cycles} cycles, {made.cycles} were predicted"
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
    host = host_of(config, driver, rng)
    await _reset(driver, host)
    for _ in range(4):
        await _run(driver, host, small_program(config, rng))


async def check_engine_reset(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """A reset in the middle of a program leaves nothing behind."""
    host = host_of(config, driver, rng)
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
    host = host_of(config, driver, rng)
    await _reset(driver, host)
    for name in ("engine", "checksum", "limit"):
        made = small_program(config, rng)
        _spoiled(made, name, rng)
        await _write(driver, made)
        await host.start()
        _, error, _ = await host.finish(LIMIT_CYCLES + config.last_stage + 3 if name == "limit" else 0)
        assert error == ERRORS.index(name), f"error {error}, expected {name}"
        await _run(driver, host, small_program(config, rng))


async def check_engine_stream(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """Weights that arrive while the program runs: from a host that is never late, from a slow one, and wrong ones."""
    if not config.can_stream:
        return
    host = host_of(config, driver, rng)
    await _reset(driver, host)
    for share in (1.0, 0.3, 1.0):
        made = small_program(config, rng, streams=True)
        inputs = [row for row in made.rows if row[0] == "activations"]  # the second layer writes over the input
        late = 0 if share == 1.0 else SLOW * len(made.streamed)
        await _write(driver, made)
        for _ in range(2):  # the same program again: all of its stream, but not its rows
            await _finish(driver, host, made, _Offer(driver, made, share, rng).edge, late)
            await _write(driver, replace(made, rows=inputs))
    target, address, data = made.streamed[-1]
    made.streamed[-1] = target, address, data ^ 1
    await host.start()
    _, error, _ = await host.finish(made.cycles + PATIENCE, _Offer(driver, made, 1.0, rng).edge)
    assert error == ERRORS.index("checksum"), "a wrong row of a stream is not found"
    await _run(driver, host, small_program(config, rng))  # and the next program, without a stream


async def check_engine_queue(driver: Driver, config: EngineConfig, rng: random.Random) -> None:
    """Rows of a stream that an error left in a queue do not stop the next program behind them; nor do rows that come
    with the start run unchecked.
    """
    host = host_of(config, driver, rng)
    await _reset(driver, host)
    if config.can_stream:
        made, following = small_program(config, rng, streams=True), small_program(config, rng)
        _spoiled(made, "limit", rng)
        await _write(driver, made)
        made.streamed += [*made.streamed, *following.rows]
        offer = _Offer(driver, made, 0.2, rng)
        await host.start()
        _, error, _ = await host.finish(LIMIT_CYCLES + PATIENCE + SLOW * len(made.rows), offer.edge)
        assert error == ERRORS.index("limit"), f"error {error}"
        for _ in range(SLOW * len(offer.left)):
            await offer.edge()
        assert not offer.left, f"{len(offer.left)} rows are not taken"
        driver.set("i__valid", 0)
        await _finish(driver, host, following)
    if config.control == "ports":  # a bus starts some cycles after it was asked to
        made = small_program(config, rng)
        await _write(driver, made)
        driver.set("i__payload", payload(config, made.rows[-1]))
        driver.set("i__valid", 1)
        await host.start()
        driver.set("i__valid", 0)
        _, error, _ = await host.finish(0)
        assert error == ERRORS.index("checksum"), "a row that comes with the start runs unchecked"


CHECKS = (check_engine_programs, check_engine_reset, check_engine_refusals, check_engine_stream, check_engine_queue)
