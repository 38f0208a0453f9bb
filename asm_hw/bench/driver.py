"""How a bench reaches the ports of a unit, whatever simulates it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Driver(Protocol):
    """Access to the ports of a unit under test."""

    def set(self, port: str, value: int) -> None: ...

    def get(self, port: str) -> int: ...

    async def settle(self) -> None:
        """Let combinational logic follow the inputs."""

    async def edge(self) -> None:
        """Pass one rising clock edge; inputs may be set again afterwards."""


async def reset(driver: Driver) -> None:
    """One edge with ``rst``."""
    driver.set("rst", 1)
    await driver.edge()
    driver.set("rst", 0)


Check = Callable[[Driver, Any, random.Random], Awaitable[None]]
"""What a unit must do: drives a unit of a configuration and raises AssertionError at the first difference.

Written once for every simulator and judged by the golden model; ports are flat and raw: unsigned integers by name.
"""


class _WatchedDriver:
    """A driver that counts what is read."""

    def __init__(self, driver: Driver) -> None:
        self.set, self.settle, self.edge = driver.set, driver.settle, driver.edge
        self._get, self.reads = driver.get, 0

    def get(self, port: str) -> int:
        self.reads += 1
        return self._get(port)


async def undergo(check: Check, driver: Driver, config: Any) -> None:
    """Run a check with its fixed stimulus; one that reads no port has judged nothing and fails."""
    watched = _WatchedDriver(driver)
    await check(watched, config, random.Random(check.__name__))  # noqa: S311 - a fixed stimulus
    assert watched.reads, f"{check.__name__} has read no port"


def only_where(applies: Callable[[Any], bool]) -> Callable[[Check], Check]:
    """A check that some configurations cannot undergo: it is left out there, instead of passing without a look."""

    def mark(check: Check) -> Check:
        check.applies = applies  # type: ignore[attr-defined] # functions take attributes
        return check

    return mark


def applicable(checks: tuple[Check, ...], config: Any) -> tuple[Check, ...]:
    """The ``checks`` that a configuration must undergo."""
    return tuple(check for check in checks if getattr(check, "applies", lambda config: True)(config))
