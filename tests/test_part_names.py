"""The parts that components name: which signals they tell apart, and that of nested ones the outermost counts."""

from __future__ import annotations

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from asm_hw.gateware.part_names import PARTS, components_by_path
from asm_hw.ppa.energy.energy_parts import PartFinder
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_array import NearArray
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.registry import make_component

DOT = make_component(DotConfig(lanes=2, columns=2))
NEAR = NearArray(NearMemoryConfig(alphabets=(1,), lanes=2, columns=2, hold=2, depth=64))
PLACES = {
    "mac": (make_component(MacConfig()), {
        "en": "control", "w": "weight_registers", "x": "activations", "x_bank.x3": "bank", "lane.row0": "sign",
        "lane.selected0": "select_shift", "heap.full_adder_3_20.co": "heap", "heap.operand0": None,
        "accumulator": "accumulator", "_12_": "accumulator", "weight_decoder.fields": "weight_registers",
    }),
    "dot": (DOT, {
        "i_weight__payload": "weight_registers", "o__valid": "control", "column_1.lane_0.negative0": "sign",
        "column_0.weight_1": "weight_registers", "column_0.negatives_0.left": "sign", "column_0.x": None,
        "x_1_bank.times_3": "bank",
    }),
    "near_memory": (NEAR, {
        "row": "weight_registers", "branch_0": "weight_registers", "column_0.branch_0": "accumulator",
        "control.loader.address": "control", "requantize_0.lane.row0": "requantize", "channel_1_scale": "requantize",
        "column_1.entry_1": "accumulator", "column_1.weight_next_0_hot0": "weight_registers",
    }),
}  # fmt: skip


@pytest.mark.parametrize(("top", "places"), PLACES.values(), ids=PLACES)
def test_signals_belong_to_the_parts_that_their_components_name(top, places):
    finder = PartFinder(top, exact=False)
    assert {name: finder.part(name) for name in places} == places


def test_exact_units_have_partial_products_instead_of_signs():
    finder = PartFinder(make_component(MacConfig(arithmetic="exact")), exact=True)
    assert finder.part("lane.row0") == "select_shift"


def test_all_parts_are_known():
    for top in (DOT, NEAR):
        named = {part for one in components_by_path(top).values() for part in one.signal_parts.values()}
        assert named - {None} <= set(PARTS)


def test_a_component_that_names_nothing_belongs_to_no_part():
    class Silent(wiring.Component):
        def __init__(self):
            super().__init__({"a": In(1)})

        def elaborate(self, platform):
            return Module()

    finder = PartFinder(Silent(), exact=False)
    assert finder.part("a") is None
    assert (finder.input_part("a"), finder.input_part("clk")) == ("other", "clock")
