"""Energies of arrays with their memories, by command: composed from what the parts say, bad input refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from asm_hw.config import BitlineConfig, DotConfig, NearMemoryConfig, VnArrayConfig, VnScalarConfig
from asm_hw.errors import ParameterError
from asm_hw.ppa import array_comparison, system
from asm_hw.report.energy import show_arrays

NEAR = NearMemoryConfig(alphabets=(1,), lanes=64, columns=32, hold=96, act_bits=6)
PARTS = ("multiply", "clock")


@pytest.fixture
def fake_logic(monkeypatch):
    """Logic that costs what its form of weights says, instead of a gate-level run."""
    seen = []

    def per_column(config, *_):
        seen.append((config.arithmetic, config.structure, config.weight_form))
        price = {"one_hot": 100.0, "binary": 200.0, "booth": 150.0}[config.weight_form]
        return {"column_fj": dict.fromkeys(PARTS, price), "shared_fj": dict.fromkeys(PARTS, 2 * price)}

    def mac_parts(config, *_):
        seen.append((config.unit, config.arithmetic, config.weight_bits, config.acc_bits))
        return dict.fromkeys(PARTS, 5.0)

    monkeypatch.setattr(array_comparison, "per_column", per_column)
    monkeypatch.setattr(array_comparison, "_mac_parts", mac_parts)
    return seen


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
    for price, weights in ((100.0, "{1}"), (150.0, "exact")):
        logic = {"column_fj": dict.fromkeys(PARTS, price), "shared_fj": dict.fromkeys(PARTS, 2 * price)}
        made = NEAR if weights == "{1}" else replace(NEAR, arithmetic="exact", weight_form=None, acc_bits=NEAR.acc_bits)
        wanted = system.near_memory(made, logic, layer, True, 100.0)
        row = rows[f"near_memory {weights} W=5 A=6", "the layer's size"]
        assert {name: row[name] for name in wanted} == wanted
        blocks = made.blocks(64, 576, 256)
        assert row["computing_percent"] == round(100 * 2 * 9 * 256 / made.cycles(blocks), 1)
    own = rows[result["design"], "256 kbit"]
    for (_, regime), row in rows.items():
        if regime == "256 kbit":
            assert row["ratio"] == round(own["energy_per_mac_fj"] / row["energy_per_mac_fj"], 4)
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


def test_units_without_a_memory_are_refused():
    with pytest.raises(ParameterError, match="unit must be one of near_memory, vn_array, vn_scalar, bitline"):
        array_comparison.compare(DotConfig())


def test_a_bitline_array_must_hold_the_layer():
    with pytest.raises(ParameterError, match="rows must hold 64 terms, as the recorded layer has, not 32"):
        array_comparison.compare(BitlineConfig(alphabets=(1,), rows=32, cols=64), 10.0)


@pytest.mark.parametrize(("arguments", "words"), [
    (["--unit", "near_memory", "--seeds", "3"], "seeds 3 must be left out for unit near_memory"),
    (["--unit", "bitline", "--stream", "uniform"], "stream 'uniform' must be left out for unit bitline"),
    (["--unit", "vn_array", "--technology", "asap7"], "technology of memories must be one of sg13g2, not 'asap7'"),
    (["--unit", "vn_scalar", "--clock-mhz", "0"], "clock_mhz must be from 0.001 to 100000, not 0.0"),
])  # fmt: skip
def test_bad_input(cli, arguments, words):
    run = cli("energy", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines()[-1] == f"error: {words}"


@pytest.mark.full
def test_the_command_gives_the_published_bitline_ratio(cli):
    """README's {1} array of 64 x 512, memories of the layer's size: 0.15 of an INT8 MAC before one memory."""
    arguments = "--unit bitline --alphabets 1 --rows 64 --cols 512 --terms 64 --clock-mhz 50 --json"
    run = cli("energy", *arguments.split())
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["rows"]
    sized = {row["design"]: row["ratio"] for row in rows if row["regime"] == "the layer's size"}
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
