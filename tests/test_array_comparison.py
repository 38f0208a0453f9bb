"""Energies of arrays with their memories: composed from what the parts say, and measured by the command."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fake_logic import PARTS, built, logic_at, replace_logic
from rich.console import Console

from asm_hw.errors import ParameterError
from asm_hw.ppa.energy import memory_comparison
from asm_hw.ppa.energy import memory_system as system
from asm_hw.ppa.energy.compared_designs import LAYER
from asm_hw.ppa.energy.system_comparison import compare_with_memories
from asm_hw.report.energy_table import show_arrays
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

NEAR = NearMemoryConfig(alphabets=(1,), lanes=64, columns=32, hold=96, act_bits=6)


@pytest.fixture
def fake_logic(monkeypatch):
    return replace_logic(monkeypatch)


@pytest.mark.parametrize("unit", [NearMemoryConfig, VnArrayConfig])
def test_arrays_are_what_the_accounting_says(unit, fake_logic):
    config = unit(**NEAR.parameters | {"depth": unit.depth})
    result = compare_with_memories(config)
    rows = {(row["design"], row["regime"]): row for row in result["rows"]}
    assert len(rows) == 2 * 5
    forms = [seen for seen in fake_logic if seen[0] != "mac"]
    assert forms == [
        ("asm", "greedy", "one_hot"),
        ("asm", "greedy", "binary"),
        ("exact", "greedy", "binary"),
        ("exact", "greedy", "2_2_1"),
    ]
    layer = replace(LAYER, act_bits=6)
    for form, weights in (("one_hot", "{1}"), ("2_2_1", "exact")):
        made = NEAR if weights == "{1}" else replace(NEAR, arithmetic="exact", weight_form=None, acc_bits=NEAR.acc_bits)
        shared = VnArrayConfig(**made.parameters | {"depth": VnArrayConfig.depth})
        for regime, sized in memory_comparison.REGIMES.items():
            for price, array in ((system.near_memory, made), (system.vn_array, shared)):
                wanted = price(array, logic_at(form), layer, sized, 100.0) | built("greedy", form)
                row = rows[f"{array.unit} {weights} W=5 A=6", regime]
                assert {name: row[name] for name in wanted} == wanted
                cycles = array.cycles(array.blocks(64, 576, 256))
                assert row["busy_percent"] == round(100 * 64 * 576 * 256 / cycles / 64 / 32, 1)
    for regime, sized in memory_comparison.REGIMES.items():
        scalar = VnScalarConfig(arithmetic="exact", act_bits=6)
        wanted = system.vn_scalar(scalar, dict.fromkeys(PARTS, 5.0), layer, sized, 100.0)
        row = rows["vn_scalar exact W=5 A=6", regime]
        assert {name: row[name] for name in wanted} == wanted
        own = rows[result["design"], regime]["energy_per_mac_fj"]
        for (_, where), row in rows.items():
            if where == regime:
                assert row["energy_ratio_to_this"] == round(own / row["energy_per_mac_fj"], 4)
    assert not result["parameters"].keys() & {"structure", "weight_form", "depth"}, "not those measured"
    console = Console(width=80, record=True)
    show_arrays(console, result)
    assert result["design"] in (text := console.export_text()) and "…" not in text


def test_a_scalar_machine_is_measured_beside_its_exact_baseline(fake_logic):
    result = compare_with_memories(VnScalarConfig(alphabets=(1,)))
    assert [row["design"] for row in result["rows"]] == ["vn_scalar {1} W=5 A=8"] * 2 + ["vn_scalar exact W=5 A=8"] * 2
    assert [seen[:2] for seen in fake_logic] == [("mac", "asm"), ("mac", "exact")]
    energies = [row["energy_per_mac_fj"] for row in result["rows"]]
    assert energies[0] < energies[2], "more packed codes to a word"


def test_an_exact_array_of_a_given_form_has_no_baseline(fake_logic):
    rows = compare_with_memories(replace(NEAR, arithmetic="exact", weight_form="booth"))["rows"]
    titles = [(row["design"], row["regime"]) for row in rows]
    assert len(titles) == len(set(titles)) == 2 * 3


@pytest.mark.parametrize(
    "config",
    [
        NearMemoryConfig(alphabets=(1,), lanes=1, columns=2, weight_bits=4),
        NearMemoryConfig(lanes=128, columns=256, depth=8192),
        NearMemoryConfig(lanes=256, columns=256, depth=8192, weight_bits=16),
        NearMemoryConfig(lanes=8, columns=8, out_bits=32),
        NearMemoryConfig(lanes=8, columns=24),
        VnArrayConfig(lanes=2, columns=2, bus_bits=8, out_bits=16, weight_bits=16, act_bits=16, depth=1 << 16),
        VnScalarConfig(alphabets=(1,), bus_bits=8, depth=16),
        VnScalarConfig(alphabets=(1,), weight_bits=16, bus_bits=14, depth=64),
    ],
    ids=lambda config: config.slug,
)
def test_every_shape_is_compared(config, fake_logic):
    """What stands beside a unit is as deep as they must be, and memories beyond the model's range are several."""
    rows = compare_with_memories(config, 50.0)["rows"]
    assert all(row["energy_per_mac_fj"] > 0 and 0 <= row["busy_percent"] <= 100 for row in rows)
    designs = {row["design"].split()[0] for row in rows}
    assert {row["design"].split()[1] for row in rows if row["design"].startswith(config.unit)} == {
        f"{{{config.alphabets}}}",
        "exact",
    }
    arrays = {"near_memory", "vn_array"} if config.unit != "vn_scalar" else set()
    assert designs == {"vn_scalar"} | arrays


def test_a_baseline_that_no_bus_serves_is_left_out(fake_logic):
    """A tile of exact 16-bit weights takes more words than addresses have; {1} packs them to fewer bits."""
    config = VnArrayConfig(alphabets=(1,), lanes=128, columns=160, bus_bits=8, weight_bits=16, depth=1 << 16)
    assert config.weight.code_bits < 16
    designs = {" ".join(row["design"].split()[:2]) for row in compare_with_memories(config, 50.0)["rows"]}
    assert designs == {"near_memory {1}", "vn_array {1}", "near_memory exact", "vn_scalar exact"}


def test_a_baseline_has_the_depth_that_it_needs(fake_logic):
    """{1} fits 300 words, exact needs more for its five bits a weight."""
    config = VnArrayConfig(alphabets=(1,), lanes=64, columns=16, depth=300)
    assert (exact := config.baseline("exact")).depth == exact.min_depth > 300
    assert len(compare_with_memories(config)["rows"]) == 2 * 5


def test_columns_without_an_output_are_charged():
    """64 outputs on 24 columns: the last group has 16."""
    config, logic = NearMemoryConfig(alphabets=(1,), lanes=64, columns=24), {"shared_fj": {"a": 0.0}}
    row = system.near_memory(config, logic | {"column_fj": {"a": 64.0}}, LAYER, True, 100.0)
    assert row["compute_fj"] == round(72 / 64, 2)


def test_a_memory_leaks_in_every_cycle():
    config = NearMemoryConfig(alphabets=(1,), lanes=64, columns=64, hold=8)
    nothing: dict = {"column_fj": {}, "shared_fj": {}}
    layer = LAYER
    row = system.near_memory(config, nothing, layer, True, 100.0)["memory_parts_fj"]
    cycles = config.cycles(config.blocks(64, 576, 256))
    assert cycles > 5 * 9 * 256, "so short a hold does not hide the loads"
    leakage = sum(memory.leakage_fj_per_ns for memory in system.near_memories(config, layer, True))
    assert row["leakage"] == pytest.approx(leakage * 10 * cycles / layer.macs, rel=1e-2)


def test_a_short_hold_is_refused_before_anything_is_measured(fake_logic):
    with pytest.raises(ParameterError, match="hold must be at least 5 to be measured, not 4"):
        compare_with_memories(replace(NEAR, hold=4))
    assert not fake_logic


def test_memories_must_keep_up_with_the_clock(fake_logic):
    """5.8 ns of 8192 x 32."""
    with pytest.raises(
        ParameterError, match=r"clock_mhz must be at most 172\.4 for the memories of vn_.*256 kbit, not 2"
    ):
        compare_with_memories(NEAR, 200.0)


def test_units_without_a_memory_are_refused():
    with pytest.raises(ParameterError, match="unit must be one of near_memory, bitline, vn_scalar, vn_array for this"):
        compare_with_memories(DotConfig())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--unit", "near_memory", "--seeds", "3"], "seeds 3 must be left out for unit near_memory"),
        (["--unit", "bitline", "--stream", "uniform"], "stream 'uniform' must be left out for unit bitline"),
        (["--unit", "vn_array", "--technology", "asap7"], "technology of memories must be sg13g2, not 'asap7'"),
        (["--unit", "vn_scalar", "--clock-mhz", "0"], "clock_mhz must be from 0.001 to 100000, not 0.0"),
    ],
)
def test_bad_input(cli, arguments, words):
    run = cli("energy", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines()[-1] == f"error: {words}"


@pytest.mark.full
def test_a_near_memory_array_is_measured(cli):
    arguments = "--unit near_memory --alphabets 1 --lanes 4 --columns 4 --hold 8 --act-bits 4 --json"
    run = cli("energy", *arguments.split())
    assert run.returncode == 0, run.stderr
    rows = {(row["design"], row["regime"]): row for row in json.loads(run.stdout)["rows"]}
    for regime in memory_comparison.REGIMES:
        own, exact = (rows[f"near_memory {weights} W=5 A=4", regime] for weights in ("{1}", "exact"))
        shared = rows["vn_array {1} W=5 A=4", regime]
        assert own["compute_fj"] < exact["compute_fj"]
        assert own["compute_fj"] == shared["compute_fj"] and own["memory_fj"] < shared["memory_fj"]
