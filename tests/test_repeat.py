"""Equal submodules are one module of Verilog, and unequal ones are refused."""

from __future__ import annotations

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.emission.verilog_text import to_verilog
from asm_hw.gateware.repeated_modules import Emission


class Delay(wiring.Component):
    """``y`` is ``x`` of one edge ago."""

    def __init__(self, kind: str = "delay", config: int = 1):
        self._kind, self._config = kind, config
        super().__init__({"x": In(4), "y": Out(4)})

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return platform.instance(self._kind, self, self._config, clocked=True)
        m = Module()
        m.d.sync += self.y.eq(self.x)
        return m


class Pair(Delay):
    """``y`` is ``x`` of two edges ago."""

    def elaborate(self, platform):
        if isinstance(platform, Emission):
            return super().elaborate(platform)
        m = Module()
        m.submodules.first = first = Delay()
        m.submodules.second = second = Delay()
        m.d.comb += [first.x.eq(self.x), second.x.eq(first.y), self.y.eq(second.y)]
        return m


class Row(wiring.Component):
    """Components side by side, ``y`` that of number ``x``."""

    def __init__(self, components: list[wiring.Component]):
        self._components = components
        super().__init__({"x": In(4), "y": Out(4)})

    def elaborate(self, platform):
        m = Module()
        for i, component in enumerate(self._components):
            m.submodules[f"place_{i}"] = component
            m.d.comb += component.x.eq(self.x + i)
            with m.If(self.x == i):
                m.d.comb += self.y.eq(component.y)
        return m


def test_a_kind_is_one_module_and_holds_modules_of_its_own():
    text = to_verilog(Row([Delay(), Delay(), Pair("pair"), Pair("pair")]), "row")
    modules = dict(re.findall(r"^module (\w+)(.*?)^endmodule", text, re.MULTILINE | re.DOTALL))
    held = {name: re.findall(r"^  (row_\w+) \w+ \(", body, re.MULTILINE) for name, body in modules.items()}
    single, other, pair, last = held["row"]
    assert (single, pair) == (other, last)
    assert held[single] == [] and held[pair] == [single] * 2
    assert modules.keys() == {"row", single, pair}


def test_a_kind_has_one_configuration():
    with pytest.raises(ValueError, match="kind 'delay' must have one configuration, not 2 too"):
        to_verilog(Row([Delay(), Delay(config=2)]), "row")
