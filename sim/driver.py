"""How a bench reaches the ports of a unit, whatever simulates it."""

from __future__ import annotations

from typing import Protocol


class Driver(Protocol):
    """Access to the ports of a unit under test."""

    def set(self, port: str, value: int) -> None: ...

    def get(self, port: str) -> int: ...

    async def settle(self) -> None:
        """Let combinational logic follow the inputs."""

    async def edge(self) -> None:
        """Pass one rising clock edge; inputs may be set again afterwards."""


def signed(raw: int, bits: int) -> int:
    """The two's complement value of ``bits`` raw bits."""
    return raw - (raw >> bits - 1 << bits)


async def reset(driver: Driver) -> None:
    """One edge with ``rst``."""
    driver.set("rst", 1)
    await driver.edge()
    driver.set("rst", 0)
