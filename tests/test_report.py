"""What the commands compute and print, end to end: demo, sim, synth and wave."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from asm_hw.cli import commands as command_line
from asm_hw.ppa.baselines.area_comparison import compare_area
from asm_hw.report import digits_demo as demo
from asm_hw.units.mac.mac_config import MacConfig


@pytest.fixture
def small_demo(tmp_path, monkeypatch):
    """A demo of few images on a small engine; the synthesized unit is a small mac. All else is real."""
    data = demo.digits()
    few = replace(data, train_images=data.train_images[:128], train_labels=data.train_labels[:128],
                  test_images=data.test_images[:10], test_labels=data.test_labels[:10])  # fmt: skip
    monkeypatch.setattr(demo, "digits", lambda: few)
    monkeypatch.setattr(demo, "BUILD", tmp_path)
    monkeypatch.setattr(demo, "LANES", 9)
    monkeypatch.setattr(demo, "COLUMNS", 2)
    small = MacConfig(act_bits=3, acc_bits=8)
    monkeypatch.setattr(demo, "compare_area", lambda _, **options: compare_area(small, **options))


def test_demo_end_to_end(small_demo):
    result = CliRunner().invoke(command_line.cli, ["demo", "--epochs", "1", "--json"])
    assert result.exit_code == 0, result.output + repr(result.exception)
    figures = json.loads(result.stdout)
    assert figures["mismatches"] == 0
    assert figures["test_images"] == 10
    assert figures["outputs_compared"] == 10 * (8 * 64 + 16 * 16 + 32 * 4 + 10)
    assert figures["as_predicted"] and figures["first_difference"] is None
    assert figures["accuracy_rtl"] == figures["accuracy_asm"]
    assert figures["cycles"] == 10 * figures["cycles_per_image"]
    assert figures["cycles_per_image"] > sum(layer["macs"] for layer in figures["layers"]) / (9 * 2)
    assert figures["engine"]["lanes"] == figures["parameters"]["lanes"] == 9
    assert figures["weight_packed_bits"] < figures["weight_binary_bits"] < figures["weight_float_bits"]
    assert figures["area_um2"]["asm"] > figures["area_um2"]["bare"] > 0
    demo.Console().print(demo._table(figures))


def test_json_of_the_commands_that_run_tools(cli, tmp_path):
    unit = ("--alphabets", "1", "--weight-bits", "3", "--act-bits", "3", "--acc-bits", "8")
    simulated = json.loads(cli("sim", *unit, "--simulator", "verilator", "--json").stdout)
    assert (simulated["passed"], simulated["failed"]) == (1, 0)
    assert simulated["runs"][0]["tests"] == 3
    waved = json.loads(cli("wave", *unit, "--json").stdout)
    assert waved["passed"] and (tmp_path / waved["waveform"]).stat().st_size > 1000
    synthesized = json.loads(cli("synth", *unit, "--json").stdout)
    rows = synthesized["rows"]
    assert rows["asm"]["area_um2"] > rows["bare"]["area_um2"] > 0
    assert rows["asm"]["area_ratio_to_bare"] == round(rows["asm"]["area_um2"] / rows["bare"]["area_um2"], 4)
    shown = cli("synth", *unit).stdout
    assert f"{rows['exact']['area_um2']:.0f}" in shown


def test_a_structure_that_is_tried_anyway_is_noted(cli):
    result = cli("synth", "--unit", "multiplier", "--structure", "plain", "--weight-form", "binary")
    assert result.returncode == 0
    assert "note: the best structure is looked for: plain is not used" in result.stderr
    assert "note: the best weight_form is looked for: binary is not used" in result.stderr
