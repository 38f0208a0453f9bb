"""Energies of arrays with their memories, by command: composed from what the parts say, bad input refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from asm_hw.errors import ParameterError
from asm_hw.ppa.energy import memory_comparison as array_comparison
from asm_hw.ppa.energy import memory_system as system
from asm_hw.ppa.energy.bitline_energy import Core, cells, layer_energy, serial_energy
from asm_hw.report.energy_table import show_arrays
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

NEAR = NearMemoryConfig(alphabets=(1,), lanes=64, columns=32, hold=96, act_bits=6)
PARTS = ("multiply", "clock")


@pytest.fixture
def fake_logic(monkeypatch):
    """Logic that costs what its form of weights says, instead of a gate-level run."""
    seen = []

    def per_column(config, *_):
        seen.append((config.arithmetic, config.structure, config.weight_form))
        return logic_at(config.weight_form) | {"measured": [built(config.structure, config.weight_form)]}

    def min_energy(config, *_):
        seen.append((config.unit, config.arithmetic, config.weight_bits, config.acc_bits))
        return None, {"parts_per_mac_fj": dict.fromkeys(PARTS, 5.0)} | built("heap", "binary")

    monkeypatch.setattr(array_comparison, "per_column", per_column)
    monkeypatch.setattr(array_comparison, "min_energy", min_energy)
    return seen


def built(structure, weight_form):
    return {"structure": structure, "weight_form": weight_form, "recipe": "balanced", "min_period_ns": 3.0}


def logic_at(form):
    price = {"one_hot": 100.0, "binary": 200.0, "booth": 150.0}[form]
    return {"column_fj": dict.fromkeys(PARTS, price), "shared_fj": dict.fromkeys(PARTS, 2 * price)}


@pytest.mark.parametrize("unit", [NearMemoryConfig, VnArrayConfig])
def test_arrays_are_what_the_accounting_says(unit, fake_logic):
    config = unit(**NEAR.parameters | {"depth": unit.depth})
    result = array_comparison.compare(config)
    rows = {(row["design"], row["regime"]): row for row in result["rows"]}
    assert len(rows) == 2 * 5
    forms = [way for way in fake_logic if way[0] != "mac"]
    assert forms == [("asm", "greedy", "one_hot"), ("asm", "greedy", "binary"),
                     ("exact", "greedy", "binary"), ("exact", "greedy", "booth")]  # fmt: skip
    layer = replace(array_comparison.LAYER, act_bits=6)
    for form, weights in (("one_hot", "{1}"), ("booth", "exact")):
        made = NEAR if weights == "{1}" else replace(NEAR, arithmetic="exact", weight_form=None, acc_bits=NEAR.acc_bits)
        shared = VnArrayConfig(**made.parameters | {"depth": VnArrayConfig.depth})
        for regime, sized in array_comparison.REGIMES.items():
            for price, array in ((system.near_memory, made), (system.vn_array, shared)):
                wanted = price(array, logic_at(form), layer, sized, 100.0) | built("greedy", form)
                row = rows[f"{array.unit} {weights} W=5 A=6", regime]
                assert {name: row[name] for name in wanted} == wanted
                cycles = array.cycles(array.blocks(64, 576, 256))
                assert row["busy_percent"] == round(100 * 64 * 576 * 256 / cycles / 64 / 32, 1)
    for regime, sized in array_comparison.REGIMES.items():
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


def test_a_scalar_machine_is_measured_beside_its_exact_twin(fake_logic):
    result = array_comparison.compare(VnScalarConfig(alphabets=(1,)))
    assert [row["design"] for row in result["rows"]] == ["vn_scalar {1} W=5 A=8"] * 2 + ["vn_scalar exact W=5 A=8"] * 2
    assert [way[:2] for way in fake_logic] == [("mac", "asm"), ("mac", "exact")]
    energies = [row["energy_per_mac_fj"] for row in result["rows"]]
    assert energies[0] < energies[2], "more packed codes to a word"


def test_an_exact_array_of_a_given_form_has_no_twin(fake_logic):
    rows = array_comparison.compare(replace(NEAR, arithmetic="exact", weight_form="booth"))["rows"]
    titles = [(row["design"], row["regime"]) for row in rows]
    assert len(titles) == len(set(titles)) == 2 * 3


@pytest.mark.parametrize("config", [
    NearMemoryConfig(alphabets=(1,), lanes=1, columns=2, weight_bits=4),
    NearMemoryConfig(lanes=128, columns=256, depth=8192),
    NearMemoryConfig(lanes=256, columns=256, depth=8192, weight_bits=16),
    NearMemoryConfig(lanes=8, columns=8, out_bits=32),
    NearMemoryConfig(lanes=8, columns=24),
    VnArrayConfig(lanes=2, columns=2, bus_bits=8, out_bits=16, weight_bits=16, act_bits=16, depth=1 << 16),
    VnScalarConfig(alphabets=(1,), bus_bits=8, depth=16),
    VnScalarConfig(alphabets=(1,), weight_bits=16, bus_bits=14, depth=64),
], ids=lambda config: config.slug)  # fmt: skip
def test_every_shape_is_compared(config, fake_logic):
    """Counterparts are as deep as they must be, and memories beyond the model's range are several."""
    rows = array_comparison.compare(config, 50.0)["rows"]
    assert all(row["energy_per_mac_fj"] > 0 and 0 <= row["busy_percent"] <= 100 for row in rows)
    designs = {row["design"].split()[0] for row in rows}
    assert {row["design"].split()[1] for row in rows if row["design"].startswith(config.unit)} == {
        f"{{{config.alphabets}}}", "exact"
    }  # fmt: skip
    arrays = {"near_memory", "vn_array"} if config.unit != "vn_scalar" else set()
    assert designs == {"vn_scalar"} | arrays


def test_a_twin_that_no_bus_serves_is_left_out(fake_logic):
    """A tile of exact 16-bit weights takes more words than addresses have; {1} packs them to fewer bits."""
    config = VnArrayConfig(alphabets=(1,), lanes=128, columns=160, bus_bits=8, weight_bits=16, depth=1 << 16)
    assert config.weight.code_bits < 16
    designs = {" ".join(row["design"].split()[:2]) for row in array_comparison.compare(config, 50.0)["rows"]}
    assert designs == {"near_memory {1}", "vn_array {1}", "near_memory exact", "vn_scalar exact"}


def test_a_twin_has_the_depth_that_it_needs(fake_logic):
    """{1} fits 300 words, exact needs more for its five bits a weight."""
    config = VnArrayConfig(alphabets=(1,), lanes=64, columns=16, depth=300)
    assert (twin := config.baseline("exact")).depth == twin.min_depth > 300
    assert len(array_comparison.compare(config)["rows"]) == 2 * 5


def test_columns_without_an_output_are_charged():
    """64 outputs on 24 columns: the last group has 16."""
    config, logic = NearMemoryConfig(alphabets=(1,), lanes=64, columns=24), {"shared_fj": {"a": 0.0}}
    row = system.near_memory(config, logic | {"column_fj": {"a": 64.0}}, array_comparison.LAYER, True, 100.0)
    assert row["compute_fj"] == round(72 / 64, 2)


def test_a_memory_leaks_in_every_cycle():
    config = NearMemoryConfig(alphabets=(1,), lanes=64, columns=64, hold=8)
    nothing: dict = {"column_fj": {}, "shared_fj": {}}
    layer = array_comparison.LAYER
    row = system.near_memory(config, nothing, layer, True, 100.0)["memory_parts_fj"]
    cycles = config.cycles(config.blocks(64, 576, 256))
    assert cycles > 5 * 9 * 256, "so short a hold does not hide the loads"
    leakage = sum(memory.leakage_fj_per_ns for memory in system.near_memories(config, layer, True))
    assert row["leakage"] == pytest.approx(leakage * 10 * cycles / layer.macs, rel=1e-2)


def test_a_short_hold_is_refused_before_anything_is_measured(fake_logic):
    with pytest.raises(ParameterError, match="hold must be at least 5 to be measured, not 4"):
        array_comparison.compare(replace(NEAR, hold=4))
    assert not fake_logic


@pytest.fixture
def fake_core(monkeypatch):
    """A core that takes 900 fJ a word and 5 ns, instead of a gate-level run."""
    core = Core(controller_fj=100.0, word_fj=900.0, min_period_ns=5.0, area_um2=100.0)
    seen = []
    monkeypatch.setattr(array_comparison.bitline, "measure_core", lambda config, *_: seen.append(config) or core)
    return core, seen


def test_a_bitline_array_beside_its_twin_and_scalar_machines(fake_logic, fake_core):
    config = BitlineConfig(alphabets=(1,), act_bits=6, rows=128, cols=96, terms=64)
    result = array_comparison.compare(config, 50.0)
    rows = {(row["design"], row["regime"]): row for row in result["rows"]}
    assert {design for design, _ in rows} == {
        "bitline {1} W=5 A=6", "bitline exact W=5 A=6, sums alone", "vn_scalar exact W=5 A=6",
        "vn_scalar exact W=8 A=8",
    }  # fmt: skip
    for regime, sized in array_comparison.REGIMES.items():
        wanted = layer_energy(config, fake_core[0], sized, 50.0)
        assert rows["bitline {1} W=5 A=6", regime]["energy_per_mac_fj"] == round(1000 * wanted["total_pj"], 2)
        serial = rows["bitline exact W=5 A=6, sums alone", regime]
        wanted = serial_energy(config.baseline("exact"), fake_core[0], 50.0)
        assert serial["energy_per_mac_fj"] == round(1000 * wanted["total_pj"], 2)
        equal, wide = (rows[f"vn_scalar exact W={w} A={a}", regime] for w, a in ((5, 6), (8, 8)))
        assert equal["memory_fj"] < wide["memory_fj"], "more operands to a word"
    int8 = array_comparison.compare(replace(config, weight_bits=8, act_bits=8, word_bits=None), 50.0)["rows"]
    titles = [(row["design"], row["regime"]) for row in int8]
    assert len(titles) == len(set(titles)) == 2 * 3, "one INT8 machine"
    console = Console(width=110, record=True)
    show_arrays(console, result)
    assert "sums alone: loads and outputs" in " ".join(console.export_text().split())


def test_the_clock_of_a_bitline_array_leaves_time_for_its_access(fake_logic, fake_core):
    """5 ns of logic would do at 100 MHz."""
    config = BitlineConfig(alphabets=(1,), rows=512, cols=64, terms=64)
    access = cells(config).figure("access_time_ns")
    assert access + 2 < 10 < access + 5
    with pytest.raises(ParameterError, match=f"clock_mhz must be at most {1000 / (access + 5):.1f} for bitline_"):
        array_comparison.compare(config, 100.0)


@pytest.mark.parametrize(("parameters", "words"), [
    ({"alphabets": (1, 3), "rows": 64}, r"rows must be at least 126 for the 64 terms .* alphabets \{1,3\}, not 64"),
    ({"arithmetic": "exact", "weight_bits": 2, "act_bits": 1, "acc_bits": 4, "rows": 12, "cols": 8},
     "rows must be at least 16, as the model of cells goes, not 12"),
    ({"alphabets": (1,), "rows": 64, "cols": 1024}, "cols must be at most 512, as the model of cells goes, not 1024"),
])  # fmt: skip
def test_a_bitline_array_that_cannot_be_measured_is_refused_first(parameters, words, fake_core):
    with pytest.raises(ParameterError, match=words):
        array_comparison.compare(BitlineConfig(**parameters), 10.0)
    assert not fake_core[1]


def test_memories_must_keep_up_with_the_clock(fake_logic):
    """5.8 ns of 8192 x 32."""
    with pytest.raises(
        ParameterError, match=r"clock_mhz must be at most 172\.4 for the memories of vn_.*256 kbit, not 2"
    ):
        array_comparison.compare(NEAR, 200.0)


def test_a_signed_bitline_array_stands_alone(fake_logic, fake_core):
    config = BitlineConfig(alphabets=(1,), act_signed=True, rows=64, cols=64, terms=64)
    result = array_comparison.compare(config, 20.0)
    assert not any(row["design"].startswith("bitline exact") for row in result["rows"])
    console = Console(width=80, record=True)
    show_arrays(console, result)
    assert "No exact twin of this shape: act_signed must be False" in console.export_text()


def test_units_without_a_memory_are_refused():
    with pytest.raises(ParameterError, match="unit must be one of near_memory, vn_array, vn_scalar, bitline"):
        array_comparison.compare(DotConfig())


@pytest.mark.parametrize(("arguments", "words"), [
    (["--unit", "near_memory", "--seeds", "3"], "seeds 3 must be left out for unit near_memory"),
    (["--unit", "bitline", "--stream", "uniform"], "stream 'uniform' must be left out for unit bitline"),
    (["--unit", "vn_array", "--technology", "asap7"], "technology of memories must be sg13g2, not 'asap7'"),
    (["--unit", "vn_scalar", "--clock-mhz", "0"], "clock_mhz must be from 0.001 to 100000, not 0.0"),
])  # fmt: skip
def test_bad_input(cli, arguments, words):
    run = cli("energy", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines()[-1] == f"error: {words}"


@pytest.mark.full
def test_the_command_gives_the_published_bitline_ratio(cli):
    """docs/bitline.md: {1}, 64 x 512, memories of the layer's size: 0.15 of an INT8 MAC before one memory."""
    arguments = "--unit bitline --alphabets 1 --rows 64 --cols 512 --terms 64 --clock-mhz 50 --json"
    run = cli("energy", *arguments.split())
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["rows"]
    assert all(row["recipe"] and row["min_period_ns"] for row in rows)
    sized = {row["design"]: row["energy_ratio_to_this"] for row in rows if row["regime"] == "the layer's size"}
    assert sized["bitline {1} W=5 A=8"] == 1
    assert 0.14 < sized["vn_scalar exact W=8 A=8"] < 0.16


@pytest.mark.full
def test_a_near_memory_array_is_measured(cli):
    arguments = "--unit near_memory --alphabets 1 --lanes 4 --columns 4 --hold 8 --act-bits 4 --json"
    run = cli("energy", *arguments.split())
    assert run.returncode == 0, run.stderr
    rows = {(row["design"], row["regime"]): row for row in json.loads(run.stdout)["rows"]}
    for regime in array_comparison.REGIMES:
        own, exact = (rows[f"near_memory {weights} W=5 A=4", regime] for weights in ("{1}", "exact"))
        shared = rows["vn_array {1} W=5 A=4", regime]
        assert own["compute_fj"] < exact["compute_fj"]
        assert own["compute_fj"] == shared["compute_fj"] and own["memory_fj"] < shared["memory_fj"]
