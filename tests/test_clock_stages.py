"""Clock gates before clock gates: which share one, and that each register is clocked exactly as before."""

from __future__ import annotations

from itertools import product

import pytest
from yosys_netlists import cell, document

from asm_hw.ppa.netlist.clock_stages import LEAST_GATES, gated_in_stages
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.ppa.technology.liberty_cells import load_cells

CLOCK, SHARED, FIRST = 2, 3, 10
AND, NOR, GATE = "sg13g2_and2_1", "sg13g2_nor2_1", "sg13g2_lgcp_1"


def _gates(count, kind):
    """``count`` clock gates, each open where the shared net and one of its own meet in a cell of ``kind``."""
    output = "X" if kind == AND else "Y"
    cells, own, gated = {}, range(FIRST, FIRST + count), range(FIRST + 2 * count, FIRST + 3 * count)
    for index, (net, clock) in enumerate(zip(own, gated, strict=True)):
        cells[f"logic_{index}"] = cell(kind, {"A": SHARED, "B": net, output: net + count}, output)
        cells[f"gate_{index}"] = cell(GATE, {"CLK": CLOCK, "GATE": net + count, "GCLK": clock}, "GCLK")
    ports = {"clk": ("input", [CLOCK]), "shared": ("input", [SHARED]), "own": ("input", [*own])}
    ports["gated"] = ("output", [*gated])
    return document("many", cells, ports, {})


def _clocked(netlist, cells, values):
    """The gated outputs that follow the clock, with ``values`` of the inputs."""
    drivers = netlist.drivers(cells)

    def value(net):
        if net not in drivers:
            return values[net]
        instance, pin = drivers[net]
        expression = Expression(pin.function)
        return expression({name: value(instance.pins[name]) for name in expression.names})

    def open_(net):
        if net == CLOCK:
            return True
        instance, _ = drivers[net]
        return bool(value(instance.pins["GATE"])) and open_(instance.pins["CLK"])

    return [open_(net) for net in netlist.ports["gated"][1]]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compact_library(tmp_path_factory.mktemp("library"), "sg13g2")


@pytest.fixture(scope="module")
def cells(library):
    return load_cells(library, {AND, NOR, GATE, library.special.inverter.cell})


@pytest.mark.parametrize("kind", [AND, NOR])
def test_registers_are_clocked_as_before(library, cells, kind):
    count, text = 5, _gates(5, kind)
    staged = gated_in_stages(text, "many", cells, library.special.clock_gate, library.special.inverter)
    before, after = (Netlist.from_yosys_json(netlist, "many") for netlist in (text, staged))
    gates = [instance for instance in after.instances.values() if instance.cell == GATE]
    assert len(gates) == count + 1
    assert sum(gate.pins["CLK"] == CLOCK for gate in gates) == 1
    for bits in product((0, 1), repeat=count + 1):
        values = dict(zip([SHARED, *before.ports["own"][1]], bits, strict=True))
        assert _clocked(before, cells, values) == _clocked(after, cells, values)


def test_few_gates_share_none(library, cells):
    text = _gates(LEAST_GATES - 1, AND)
    assert gated_in_stages(text, "many", cells, library.special.clock_gate, library.special.inverter) is None


def test_a_condition_that_is_0_needs_an_inverter(library, cells):
    assert gated_in_stages(_gates(5, NOR), "many", cells, library.special.clock_gate, None) is None
    assert gated_in_stages(_gates(5, AND), "many", cells, library.special.clock_gate, None) is not None
