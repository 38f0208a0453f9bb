"""The same checks in Amaranth's own simulator: the gateware before any Verilog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from amaranth.hdl import ClockDomain, Module, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

from asm_hw.bench.driver import Check, Driver, undergo
from asm_hw.units.registry import make_component
from asm_hw.units.unit_config import UnitConfig

from .unit_checks import checks_of

Bench = Callable[[Driver], Awaitable[None]]
Context = Any
"""What the simulator hands to test benches and processes; Amaranth exports no name for it."""


class AmaranthDriver:
    """Ports of a component by their Verilog names."""

    def __init__(self, context: Context, component: wiring.Component, domain: ClockDomain):
        self._context = context
        self._ports = {
            "__".join(map(str, path)): Value.cast(value).as_unsigned()
            for path, _, value in component.signature.flatten(component)
        }
        self._ports["rst"] = domain.rst

    def set(self, port: str, value: int) -> None:
        self._context.set(self._ports[port], value)

    def get(self, port: str) -> int:
        return int(self._context.get(self._ports[port]))

    async def settle(self) -> None:
        pass  # a test bench's reads follow its writes at once

    async def edge(self) -> None:
        await self._context.tick()


def play(config: UnitConfig, bench: Bench, *processes: Callable[[Context], Awaitable[None]]) -> None:
    """Run one bench on the gateware of ``config``; ``processes`` of the simulator watch it."""
    # Latency 0 is combinational: no register, no clock.
    play_component(make_component(config), bench, *processes, clocked=config.latency > 0)


def play_component(
    component: wiring.Component,
    bench: Bench,
    *processes: Callable[[Context], Awaitable[None]],
    clocked: bool = True,
) -> None:
    """The same of a component, a unit or not."""
    top = Module()
    top.domains.sync = domain = ClockDomain()
    top.submodules.dut = component

    async def drive(context: Context) -> None:
        await bench(AmaranthDriver(context, component, domain))

    simulator = Simulator(top)
    if clocked:
        simulator.add_clock(1e-8)
    simulator.add_testbench(drive)
    for process in processes:
        simulator.add_process(process)
    simulator.run()


def run(config: UnitConfig) -> None:
    """Run every check of the unit; raises AssertionError at the first difference, and as `checks_of` does."""
    for check in checks_of(config):
        # A macro is a module from elsewhere, which this simulator cannot run.
        play(config.without_macro, _bench_of(check, config))


def _bench_of(check: Check, config: UnitConfig) -> Bench:
    async def bench(driver: Driver) -> None:
        await undergo(check, driver, config)

    return bench
