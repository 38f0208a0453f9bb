"""A unit of your own: the saturating sum of absolute differences, in one file beside the package.

ASM_HW_UNITS=l1_distance asm-hw rtl --unit l1_distance --element-bits 8
ASM_HW_UNITS=l1_distance asm-hw sim --unit l1_distance
ASM_HW_UNITS=l1_distance asm-hw synth --unit l1_distance
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw import Unit, UnitConfig, register
from asm_hw.bench.driver import Driver, reset
from asm_hw.bench.netlist_text import NetlistBench, Ports, vectors_bench, widths_of
from asm_hw.units.parameters import integer


@dataclass(frozen=True, kw_only=True)
class L1DistanceConfig(UnitConfig):
    """Unit ``l1_distance``: on an edge with ``en``, ``total <= min((clear ? 0 : total) + |a - b|, largest)``."""

    unit: ClassVar[str] = "l1_distance"
    port_meanings: ClassVar[Mapping[str, str]] = {
        "en": "take a and b on this edge",
        "clear": "start a new sum with this pair; ignored without en",
        "a": "an element",
        "b": "the element it is compared with",
        "total": "sum of absolute differences",
    }

    element_bits: int = integer(8, (1, 32), "Bits of an element")
    total_bits: int = integer(16, (1, 48), "Bits of the sum, which saturates")

    def step(self, total: int, a: int, b: int, clear: bool) -> int:
        """The golden model: the sum after one edge, in plain integers."""
        return min((0 if clear else total) + abs(a - b), (1 << self.total_bits) - 1)


class L1Distance(wiring.Component):
    """See `L1DistanceConfig`; reset sets ``total`` to 0."""

    def __init__(self, config: L1DistanceConfig):
        element = In(config.element_bits)
        super().__init__({"en": In(1), "clear": In(1), "a": element, "b": element, "total": Out(config.total_bits)})

    def elaborate(self, platform):
        m = Module()
        distance, top = Signal.like(self.a), (1 << len(self.total)) - 1
        wide = Signal(max(len(self.a), len(self.total)) + 1)
        m.d.comb += distance.eq(Mux(self.a > self.b, self.a - self.b, self.b - self.a))
        m.d.comb += wide.eq(Mux(self.clear, 0, self.total) + distance)
        with m.If(self.en):
            m.d.sync += self.total.eq(Mux(wide[len(self.total) :].any(), top, wide))
        return m


def steps(config: L1DistanceConfig, rng: random.Random, count: int) -> list[tuple[int, int, int, int, int]]:
    """(en, clear, a, b, total after the edge) from a total of 0: the ends of the range, then anything."""
    top, total, made = (1 << config.element_bits) - 1, 0, []
    for i in range(count):
        a, b = (top, 0) if i < count // 2 else (int(rng.random() * (top + 1)) for _ in range(2))
        en, clear = int(rng.random() < 0.9), int(i == 0 or (i >= count // 2 and rng.random() < 0.01))
        total = config.step(total, a, b, bool(clear)) if en else total
        made.append((en, clear, a, b, total))
    return made


async def check_distances(driver: Driver, config: L1DistanceConfig, rng: random.Random) -> None:
    """Sums pushed into saturation, then random pairs with pauses and clears, edge by edge."""
    await reset(driver)
    for en, clear, a, b, total in steps(config, rng, 2_000):
        for port, value in (("en", en), ("clear", clear), ("a", a), ("b", b)):
            driver.set(port, value)
        await driver.edge()
        assert driver.get("total") == total, f"after a={a} b={b}: total is {driver.get('total')}, golden {total}"


def netlist_bench(config: L1DistanceConfig, ports: Ports) -> NetlistBench:
    """The same for a mapped netlist, as Verilog."""
    body = (
        "    en = 0; clear = 0; a = 0; b = 0; rst = 1; settle; edge_of_clock; rst = 0; expected = 0;\n"
        "    for (i = 0; i < {count}; i = i + 1) begin\n"
        "      {{en, clear, a, b, following}} = vectors[i]; settle; edge_of_clock; expected = following;\n"
        "      settle; checks = checks + 1; if (total !== expected) fail(i); en = 0;\n    end\n"
    )
    names = ("en", "clear", "a", "b", "total")
    return vectors_bench(steps(config, random.Random(0), 200), [widths_of(ports)[name] for name in names], body)


register(Unit(L1DistanceConfig, component=L1Distance, checks=(check_distances,), netlist_bench=netlist_bench))
