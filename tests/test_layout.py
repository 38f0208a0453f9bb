"""Placed cells and the lengths of nets, against plain figures."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyosys", reason="needs the extra synth")
pytest.importorskip("coloquinte", reason="needs the extra synth")

from asm_hw.errors import ParameterError
from asm_hw.ppa.baselines.design_points import map_points
from asm_hw.ppa.layout.cell_placement import UTILISATION, place
from asm_hw.ppa.layout.wire_loads import wire_length_um, with_wires
from asm_hw.ppa.netlist.clock_tree import clock_tree
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.static_timing import analyse
from asm_hw.ppa.technology.cell_library import choose_library, compact_library
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.units.dot.dot_config import DotConfig

CONFIG = DotConfig(alphabets=(1,), weight_bits=4, lanes=4, act_bits=4, acc_bits=12)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    library = compact_library(tmp_path_factory.mktemp("library"), wires=True)
    [point] = map_points([(CONFIG, "area")], library)
    netlist = Netlist.from_yosys_json(point.mapped.netlist_json, CONFIG.slug)
    return netlist, load_cells(library, netlist.cell_names), library


def test_a_netlist_is_placed_inside_of_its_die(mapped):
    netlist, cells, library = mapped
    height = library.wires.row_height_um
    placement = place(netlist, cells, height, clock_tree(netlist, cells).nets)
    area = sum(cells[instance.cell].area_um2 for instance in netlist.instances.values())
    width, tall = placement.die_um
    assert width * tall == pytest.approx(area / UTILISATION, rel=0.01)
    assert tall / height == pytest.approx(round(tall / height)) and 0.7 < width / tall < 1.4
    nets = {net for instance in netlist.instances.values() for net in instance.pins.values() if net > 1}
    assert placement.points_um.keys() >= nets
    for points in placement.points_um.values():
        assert (points >= -1e-3).all() and (points <= np.array(placement.die_um) + 1e-3).all()


def test_cells_do_not_overlap(mapped):
    netlist, cells, library = mapped
    height = library.wires.row_height_um
    placement = place(netlist, cells, height, frozenset())
    # A cell of one output drives a net of its own: its middle is the first of that net's points.
    places = {}
    for instance in netlist.instances.values():
        for pin in cells[instance.cell].outputs:
            numbers = [
                i
                for i, one in enumerate(netlist.instances.values())
                if instance.pins.get(pin.name) in one.pins.values()
            ]
            if instance.pins.get(pin.name, 0) > 1:
                own = numbers.index(list(netlist.instances).index(instance.name))
                places[instance.name] = placement.points_um[instance.pins[pin.name]][own]
    assert len(places) > 100
    spans: dict[int, list[tuple[float, float]]] = {}
    for name, (x, y) in places.items():
        half = cells[netlist.instances[name].cell].area_um2 / height / 2
        spans.setdefault(round(y / height - 0.5), []).append((x - half, x + half))
    for row in spans.values():
        row.sort()
        assert all(left[1] <= right[0] + 0.01 for left, right in pairwise(row))


def test_wires_are_added_to_what_pins_load_and_slow_a_netlist(mapped):
    netlist, cells, library = mapped
    wired = with_wires(netlist, cells, library.wires)
    before, after = netlist.load_ff(cells), wired.load_ff(cells)
    assert after == {net: pytest.approx(load + wired.wires_ff.get(net, 0.0)) for net, load in before.items()}
    lengths = sum(wired.wires_ff.values()) / library.wires.signal_ff_per_um / len(wired.wires_ff)
    width = math.sqrt(sum(cells[one.cell].area_um2 for one in netlist.instances.values()) / UTILISATION)
    assert 0.05 * width < lengths < 0.5 * width, "a net spans a part of the die"
    assert analyse(wired, cells).min_period_ns > 1.02 * analyse(netlist, cells).min_period_ns


def test_a_placement_is_the_same_again(mapped):
    netlist, cells, library = mapped
    assert with_wires(netlist, cells, library.wires).wires_ff == with_wires(netlist, cells, library.wires).wires_ff


@pytest.mark.parametrize(
    ("points", "length"),
    [
        ([(0, 0), (3, 4)], 7),
        ([(0, 0), (3, 4), (1, 5)], 8),
        ([(0, 0), (0, 0)], 0),
        ([(2.5, 1)], 0),
        ([(0, 0), (10, 0), (0, 10), (10, 10)], 20 * 1.0828),
    ],
)
def test_length_of_a_net(points, length):
    assert wire_length_um(np.array(points, float)) == pytest.approx(length)


def test_a_wide_net_is_a_spanning_tree():
    grid = np.array([(x, y) for x in range(10) for y in range(8)], float)
    assert wire_length_um(grid) == 79


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=4, max_size=60))
def test_a_net_is_at_least_half_its_perimeter(points):
    found = np.array(points, float)
    half = (found.max(0) - found.min(0)).sum()
    assert half <= wire_length_um(found) <= half * len(points)


def test_a_library_of_a_user_has_no_wires(tmp_path):
    compact_library(tmp_path)
    with pytest.raises(ParameterError, match="wires must be left out where liberty names the cells"):
        choose_library(tmp_path, None, str(tmp_path / "sg13g2.lib"), wires=True)
    assert choose_library(tmp_path, None, str(tmp_path / "sg13g2.lib"), wires=None).wires is None
    assert choose_library(tmp_path, "asap7", wires=None).wires and not choose_library(tmp_path, None).wires
