"""Area of a unit beside its baselines: which design points are tried, which one counts."""

from __future__ import annotations

from itertools import product

import pytest
from rich.console import Console

from asm_hw.errors import ParameterError
from asm_hw.ppa.baselines.area_comparison import compare_area
from asm_hw.ppa.baselines.design_points import design_points, map_points, points_for_speed
from asm_hw.ppa.baselines.point_selection import frontier, smallest_meeting_clock
from asm_hw.ppa.baselines.unit_baselines import baselines_of
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.report.area_table import area_table
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig

SMALL_MAC = MacConfig(act_bits=4, acc_bits=10)
NEAR = NearMemoryConfig(alphabets=(1,), lanes=2, columns=1, hold=2, depth=16, act_bits=4, acc_bits=12)


def test_comparison_is_complete_honest_and_repeatable():
    config = MacConfig(alphabets=(1,), acc_bits=20)
    result = compare_area(config, clock_mhz=100)
    assert result == compare_area(config, clock_mhz=100)
    rows = result["rows"]
    assert set(rows) == {"asm", "exact", "bare", "plain"}
    asm, exact = rows["asm"], rows["exact"]
    assert rows["bare"]["area_um2"] < asm["area_um2"] < exact["area_um2"] <= rows["plain"]["area_um2"]
    assert asm["area_ratio_to_exact"] == pytest.approx(asm["area_um2"] / exact["area_um2"], abs=1e-4)
    for row in rows.values():
        assert row["area_um2"] == min(tried["area_um2"] for tried in row["tried"])
        assert 0 < row["delay_ns"] <= 10 and row["meets_clock"]
        assert row["timing"] == "static timing"
        assert sum(row["histogram"].values()) == row["cells"]
    assert {(point["structure"], point["weight_form"]) for point in exact["tried"]} == {
        *product(("greedy", "wallace"), ("binary", "booth", "2_2_1", "1_2_2", "1_1_1_2")),
        ("tree", "binary"),
    }
    assert {point["recipe"] for point in exact["tried"]} >= {"area booth", "balanced"}


def test_a_clock_that_no_design_point_meets_is_refused():
    with pytest.raises(
        ParameterError, match=r"clock_mhz must be at most \d+\.\d for mac_asm_1_3_w5_u4_acc10, not 5000"
    ):
        compare_area(SMALL_MAC, clock_mhz=5000, thorough=False)


def test_points_for_speed_are_tried_where_no_other_meets_the_clock(tmp_path):
    library = compact_library(tmp_path)
    slow = design_points(SMALL_MAC, library)
    fast = map_points(points_for_speed(SMALL_MAC), library)
    limits = [1000 / min(point.mapped.delay_ns for point in points) for points in (slow, fast)]
    assert limits[0] < limits[1]
    between = sum(limits) / 2
    assert smallest_meeting_clock(design_points(SMALL_MAC, library, between), between).mapped.recipe in (
        "fast",
        "fast chained",
    )


def test_the_frontier_holds_what_nothing_betters_in_both(tmp_path):
    library = compact_library(tmp_path)
    tried = [*design_points(SMALL_MAC, library), *map_points(points_for_speed(SMALL_MAC), library)]
    best = frontier(tried)
    assert len(best) >= 2
    for point in tried:
        better = [
            b for b in best if b.mapped.area_um2 <= point.mapped.area_um2 and b.mapped.delay_ns <= point.mapped.delay_ns
        ]
        assert better
    for point in best:
        others = [b for b in best if b is not point]
        assert all(
            b.mapped.area_um2 > point.mapped.area_um2 or b.mapped.delay_ns > point.mapped.delay_ns for b in others
        )


def test_a_weight_that_an_activation_shifts_has_a_multiplying_baseline():
    config = MacConfig(arithmetic="exact", weight_bits=8, act_bits=4, act_alphabets=(1,))
    baselines = baselines_of(config)
    assert list(baselines) == ["shift", "exact", "bare"]
    assert baselines["shift"] is config
    assert baselines["exact"].activation.levels is None and not baselines["exact"].product.shifts_weight


@pytest.mark.parametrize("parameters", [{"alphabets": (1, 3)}, {"alphabets": (1,), "act_signed": True}], ids=str)
def test_a_bitline_array_may_stand_alone(parameters):
    """Too few rows for a term in bit-serial form, or signed activations, which that form does not take."""
    config = BitlineConfig(act_bits=4, rows=32, cols=12, acc_bits=24, **parameters)
    result = compare_area(config, thorough=False)
    assert list(result["rows"]) == ["asm"]
    assert result["why_alone"].split()[0] in ("rows", "act_signed")
    assert "area_ratio_to_exact" not in result["rows"]["asm"]
    console = Console(width=120, record=True)
    console.print(area_table(result))
    assert "asm" in console.export_text()


def test_a_bitline_array_has_its_serial_baseline_beside_it_and_nothing_bare():
    config = BitlineConfig(alphabets=(1,), act_bits=4, rows=64, cols=8, terms=4)
    result = compare_area(config)
    assert list(result["rows"]) == ["asm", "exact"]
    assert result["memories"] == {"array": {"rows": 64, "bits": 8, "count": 1}}
    console = Console(width=120, record=True)
    console.print(area_table(result))
    assert "asm" in (text := console.export_text()) and "plain" not in text
    cells = [row["cells"] for row in result["rows"].values()]
    assert all(100 < count < 64 * 8 + 2000 for count in cells), "no cell of the array among them"


def test_the_exact_baseline_of_a_large_unit_keeps_the_multiplier_of_yosys(tmp_path):
    tried = design_points(NEAR.baseline("exact"), compact_library(tmp_path))
    built = {(point.config.structure, point.config.weight_form, point.mapped.recipe) for point in tried}
    assert built == {
        *(
            ("greedy", form, recipe)
            for form in ("binary", "booth", "pairs", "2_2_1")
            for recipe in ("area", "balanced")
        ),
        ("tree", "binary", "area chained"),
        ("tree", "binary", "area booth chained"),
    }


def test_large_units_have_fewer_design_points(tmp_path):
    tried = design_points(NEAR, compact_library(tmp_path))
    built = {(point.config.structure, point.config.weight_form) for point in tried}
    assert built == {("greedy", "one_hot"), ("greedy", "binary"), ("tree", "one_hot")}
    assert {point.mapped.recipe for point in tried} == {"area", "balanced", "area chained"}
    assert {variant.structure for variant, _ in points_for_speed(NEAR)} == {"greedy", "tree"}, (
        "none that it cannot have"
    )
