"""Nets that a library's limits forbid are divided by buffers, and nothing else changes."""

from dataclasses import replace

import pytest
from yosys_netlists import cell, document

from asm_hw.errors import ParameterError
from asm_hw.ppa.netlist.buffering import buffered
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.ppa.technology.liberty_cells import load_cells

CLOCK, DATA, STATE, FIRST = 2, 3, 4, 10
REGISTER, GATE = "sg13g2_dfrbpq_1", "sg13g2_inv_1"


def _register_with(gates):
    """A register whose output ``gates`` inverters read."""
    outputs = range(FIRST, FIRST + gates)
    register = cell(REGISTER, {"CLK": CLOCK, "D": DATA, "RESET_B": "1", "Q": STATE}, "Q")
    cells = {"register": register} | {f"gate_{net}": cell(GATE, {"A": STATE, "Y": net}, "Y") for net in outputs}
    ports = {"clk": ("input", [CLOCK]), "d": ("input", [DATA]), "y": ("output", list(outputs))}
    return document("wide", cells, ports, {"q": [STATE]})


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compact_library(tmp_path_factory.mktemp("library"), "sg13g2")


@pytest.fixture(scope="module")
def cells(library):
    return load_cells(library, {REGISTER, GATE, library.special.buffer.cell})


@pytest.mark.parametrize("gates", [150, 3000, 30000])
def test_no_driver_exceeds_its_limit_and_every_gate_sees_the_register(library, cells, gates):
    buffer, text = library.special.buffer, _register_with(gates)
    before = Netlist.from_yosys_json(text, "wide")
    assert before.load_ff(cells)[STATE] > cells[REGISTER].pins["Q"].max_capacitance_ff
    netlist = Netlist.from_yosys_json(buffered(text, "wide", cells, buffer), "wide")
    drivers, loads = netlist.drivers(cells), netlist.load_ff(cells)
    assert all(loads[net] <= pin.max_capacitance_ff for net, (_, pin) in drivers.items())

    def source(net):
        while net in drivers and drivers[net][0].cell == buffer.cell:
            net = drivers[net][0].pins[buffer.input]
        return net

    assert netlist.ports == before.ports
    assert {name: i for name, i in netlist.instances.items() if i.cell == REGISTER} == {
        "register": before.instances["register"]
    }
    inverters = [i for i in netlist.instances.values() if i.cell == GATE]
    assert len(inverters) == gates
    assert {source(i.pins["A"]) for i in inverters} == {STATE}
    assert {i.pins["Y"] for i in inverters} == set(range(FIRST, FIRST + gates))


def test_a_light_netlist_is_left_alone(library, cells):
    text = _register_with(50)
    assert Netlist.from_yosys_json(text, "wide").load_ff(cells)[STATE] < cells[REGISTER].pins["Q"].max_capacitance_ff
    assert buffered(text, "wide", cells, library.special.buffer) is None


def test_a_buffer_that_cannot_drive_two_of_itself_is_refused(library, cells):
    buffer = cells[library.special.buffer.cell]
    weak = {pin.name: replace(pin, max_capacitance_ff=1.5 * buffer.inputs[0].capacitance_ff) for pin in buffer.outputs}
    broken = cells | {buffer.name: replace(buffer, pins=buffer.pins | weak)}
    with pytest.raises(ParameterError, match=f"liberty must let buffer {buffer.name} drive two of its inputs"):
        buffered(_register_with(150), "wide", broken, library.special.buffer)
