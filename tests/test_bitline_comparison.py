"""A bitline array beside its baseline and scalar machines: what the comparison composes, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fake_logic import replace_logic
from rich.console import Console

from asm_hw.errors import ParameterError
from asm_hw.ppa.energy import memory_comparison
from asm_hw.ppa.energy.bitline_accesses import cells
from asm_hw.ppa.energy.bitline_energy import Core, layer_energy, serial_energy
from asm_hw.ppa.energy.system_comparison import compare_with_memories
from asm_hw.report.energy_table import show_arrays
from asm_hw.units.bitline.bitline_config import BitlineConfig


@pytest.fixture
def fake_logic(monkeypatch):
    return replace_logic(monkeypatch)


@pytest.fixture
def fake_core(monkeypatch):
    """A core that takes 900 fJ a word and 5 ns, instead of a gate-level run."""
    core = Core(controller_fj=100.0, word_fj=900.0, min_period_ns=5.0, area_um2=100.0)
    seen = []
    monkeypatch.setattr(memory_comparison, "measure_core", lambda config, *_: seen.append(config) or core)
    return core, seen


def test_a_bitline_array_beside_its_baseline_and_scalar_machines(fake_logic, fake_core):
    config = BitlineConfig(alphabets=(1,), act_bits=6, rows=128, cols=96, terms=64)
    result = compare_with_memories(config, 50.0)
    rows = {(row["design"], row["regime"]): row for row in result["rows"]}
    assert {design for design, _ in rows} == {
        "bitline {1} W=5 A=6",
        "bitline exact W=5 A=6, sums alone",
        "vn_scalar exact W=5 A=6",
        "vn_scalar exact W=8 A=8",
    }
    for regime, sized in memory_comparison.REGIMES.items():
        wanted = layer_energy(config, fake_core[0], sized, 50.0)
        assert rows["bitline {1} W=5 A=6", regime]["energy_per_mac_fj"] == round(wanted["total_fj"], 2)
        serial = rows["bitline exact W=5 A=6, sums alone", regime]
        wanted = serial_energy(config.baseline("exact"), fake_core[0], 50.0)
        assert serial["energy_per_mac_fj"] == round(wanted["total_fj"], 2)
        equal, wide = (rows[f"vn_scalar exact W={w} A={a}", regime] for w, a in ((5, 6), (8, 8)))
        assert equal["memory_fj"] < wide["memory_fj"], "more operands to a word"
    int8 = compare_with_memories(replace(config, weight_bits=8, act_bits=8, word_bits=None), 50.0)["rows"]
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
        compare_with_memories(config, 100.0)


@pytest.mark.parametrize(("parameters", "words"), [
    ({"alphabets": (1, 3), "rows": 64}, r"rows must be at least 126 for the 64 terms .* alphabets \{1,3\}, not 64"),
    ({"arithmetic": "exact", "weight_bits": 2, "act_bits": 1, "acc_bits": 4, "rows": 12, "cols": 8},
     "rows must be at least 16, as the model of cells goes, not 12"),
    ({"alphabets": (1,), "rows": 64, "cols": 1024}, "cols must be at most 512, as the model of cells goes, not 1024"),
])  # fmt: skip
def test_a_bitline_array_that_cannot_be_measured_is_refused_first(parameters, words, fake_core):
    with pytest.raises(ParameterError, match=words):
        compare_with_memories(BitlineConfig(**parameters), 10.0)
    assert not fake_core[1]


def test_a_signed_bitline_array_stands_alone(fake_logic, fake_core):
    config = BitlineConfig(alphabets=(1,), act_signed=True, rows=64, cols=64, terms=64)
    result = compare_with_memories(config, 20.0)
    assert not any(row["design"].startswith("bitline exact") for row in result["rows"])
    console = Console(width=80, record=True)
    show_arrays(console, result)
    assert "No exact twin of this shape: act_signed must be False" in console.export_text()


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
