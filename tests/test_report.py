"""What the commands compute and print, end to end: demo, sim, synth, wave, and the tables of the pages."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tiny_network import draw, tiny

from asm_hw.cli import commands as command_line
from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.rtl_layers import near_program, run_network
from asm_hw.ppa.baselines.area_comparison import build, compare
from asm_hw.ppa.energy.energy_comparison import LARGEST
from asm_hw.ppa.energy.unit_energy import map_unit, measure
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.report import digits_demo as demo
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig

REPOSITORY = Path(__file__).resolve().parent.parent


def plain_play(config, corrupt=None):
    """An array of plain integers: follows release and last beat by beat; adds 1 to sum ``corrupt``."""
    weights, activations = dict(config.weight.table), dict(config.activation.table)

    def play(beats):
        sums, load = [], 0
        acc = [0] * config.columns
        for x, release, last in zip(beats.x.tolist(), beats.release, beats.last, strict=True):
            for column, codes in enumerate(beats.w[load % len(beats.w)].tolist()):
                acc[column] += sum(weights[w] * activations[a] for w, a in zip(codes, x, strict=True))
            load += bool(release)
            if last:
                sums.append(acc)
                acc = [0] * config.columns
        sums = np.array(sums)
        if corrupt is not None:
            sums[corrupt] += 1
        return sums, len(beats.x)

    return play


ARRAY = DotConfig(alphabets=(1, 3), weight_bits=5, act_bits=8, lanes=20, columns=2)


def test_a_network_on_a_right_array_equals_golden():
    """A grouped convolution is a product each group."""
    network = tiny()
    x = draw(range(64), (3, 2, 7, 5), 9)
    seen = []
    outputs, runs = run_network(network, ARRAY, plain_play(ARRAY), x, done=seen.append)
    assert torch.equal(outputs, network(x))
    assert seen == runs
    assert [run.mismatches for run in runs] == [0, 0, 0, 0]
    assert [run.outputs for run in runs] == [3 * 48, 3 * 54, 3 * 5, 3 * 3]
    assert [run.macs for run in runs] == [3 * 48 * 18, 3 * 54 * 4, 3 * 5 * 54, 3 * 3 * 5]
    assert [run.weights_held for run in runs] == [True, True, False, True]


def test_one_wrong_sum_is_one_mismatch():
    network = IntegerNetwork(layers=tiny().layers[3:], input_shape=(5,), input_scale=1.0, output_scale=1.0)
    _, (run,) = run_network(network, ARRAY, plain_play(ARRAY, corrupt=(0, 0)), draw(range(256), (4, 5), 9))
    assert (run.mismatches, run.outputs) == (1, 12)


def test_one_wrong_sum_of_each_group_is_a_mismatch_each():
    layer = tiny().layers[1]
    network = IntegerNetwork(layers=(layer,), input_shape=(4, 4, 3), input_scale=1.0, output_scale=1.0)
    _, (run,) = run_network(network, ARRAY, plain_play(ARRAY, corrupt=(0, 0)), draw(range(256), (1, 4, 4, 3), 9))
    assert (run.mismatches, run.outputs) == (2, 54)


def test_a_grouped_convolution_is_no_single_product():
    with pytest.raises(ParameterError, match="layer 'grouped' must have 1 group to be one product, not 2"):
        near_program(NearMemoryConfig(), tiny().layers[1], draw(range(256), (1, 4, 4, 3), 9))


@pytest.mark.parametrize(("parameters", "sentence"), [
    ({"out_signed": True}, "must give what the unit does, 8-bit signed outputs, not 8-bit unsigned"),
    ({"weight_bits": 3}, "must have weights that unit near_memory_asm_1_3_w3"),
    ({"act_bits": 3}, "must have activations that unit near_memory_asm_1_3_w5_u3"),
    ({"acc_bits": 10}, "acc_bits must be at least 14 for layer 'first', not 10"),
])  # fmt: skip
def test_a_layer_of_other_formats_is_refused(parameters, sentence):
    with pytest.raises(ParameterError) as error:
        near_program(NearMemoryConfig(**parameters), tiny().layers[0], draw(range(64), (1, 1, 8, 8), 9))
    assert sentence in str(error.value)


@pytest.fixture
def small_demo(tmp_path, monkeypatch):
    """A demo of few images on a small array; the synthesized unit is a small mac. All else is real."""
    data = demo.digits()
    few = replace(data, train_images=data.train_images[:128], train_labels=data.train_labels[:128],
                  test_images=data.test_images[:10], test_labels=data.test_labels[:10])  # fmt: skip
    monkeypatch.setattr(demo, "digits", lambda: few)
    monkeypatch.setattr(demo, "BUILD", tmp_path)
    monkeypatch.setattr(demo, "LANES", 4)
    monkeypatch.setattr(demo, "compare", lambda _, **options: compare(MacConfig(act_bits=3, acc_bits=8), **options))


def test_demo_end_to_end(small_demo):
    result = CliRunner().invoke(command_line.cli, ["demo", "--epochs", "1", "--json"])
    assert result.exit_code == 0, result.output + repr(result.exception)
    figures = json.loads(result.stdout)
    assert figures["mismatches"] == 0
    assert figures["test_images"] == 10
    assert figures["outputs_compared"] == sum(layer["outputs"] for layer in figures["layers"])
    assert figures["accuracy_rtl"] == figures["accuracy_asm"]
    assert figures["cycles"] > sum(layer["macs"] for layer in figures["layers"]) / (4 * demo.COLUMNS)
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


BLOCKS = {
    ("README.md", "results"): ("headline", "table"),
    ("docs/area-and-energy.md", "area"): ("figures", "area_table"),
    ("docs/area-and-energy.md", "energy"): ("ppa", "energy_table"),
    ("docs/fpga.md", "fpga"): ("fpga", "fpga_table"),
    ("docs/accuracy.md", "accuracy"): ("figures", "accuracy_table"),
    ("docs/accuracy.md", "trainings"): ("trainings", "table"),
    ("docs/bitline.md", "bitline"): ("bitline", "table"),
    ("docs/quantization.md", "ablation"): ("ablation", "table"),
    ("docs/quantization.md", "training_step"): ("training_step", "table"),
    ("docs/bitline.md", "arrays"): ("bitline", "beside_arrays"),
    ("docs/bitline.md", "scaling"): ("bitline_scaling", "table"),
    ("docs/near-memory.md", "energy"): ("near_memory", "table"),
    ("docs/near-memory.md", "scaling"): ("near_memory_scaling", "table"),
}
"""The pages' generated tables: the script in benchmarks/ and its function."""


@pytest.mark.parametrize(("page", "marker"), BLOCKS)
def test_a_page_holds_the_measured_table(page, marker, monkeypatch):
    script, function = BLOCKS[page, marker]
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    table = getattr(importlib.import_module(script), function)()
    assert table.count("\n") >= 3
    assert f"<!-- {marker} -->\n{table}\n<!-- /{marker} -->" in (REPOSITORY / page).read_text()


@pytest.mark.parametrize(("sized", "scalar", "array"), [(False, 0.03, 0.25), (True, 0.08, 0.50)])
def test_near_memory_meets_its_targets(sized, scalar, array, monkeypatch):
    """The published logic with the memories counted again, at the default shape."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    near_memory = importlib.import_module("near_memory")
    result = json.loads(near_memory.OUTPUT.read_text())
    shape = near_memory.best_shape(near_memory.energies(result))
    default = NearMemoryConfig()
    assert shape == (default.lanes, default.columns, default.hold)
    found = near_memory.rows(result, sized, *shape)
    fj = {name: row["energy_per_mac_fj"] for name, row in found.items()}
    own = fj["near-memory {1} W=5"]
    assert own <= scalar * fj["vn_scalar INT8"]
    assert own <= array * fj["vn_array INT8"]
    assert own <= 0.67 * fj["near-memory exact W=5"]


RESNET20 = {
    ((1, 3), 5, 8, None): 91.6,
    ((1, 3), 5, 4, None): 91.4,
    ((1,), 5, 4, None): 91.2,
    ((1,), 4, 4, None): 90.6,
    ((1,), 5, 4, (1, 3)): 90.0,
}
"""Percent of the CIFAR-10 test images that integers name right, by alphabets, widths, alphabets of activations."""


def test_trainings_meet_their_targets():
    """The longest training of each format, all its seeds; integers and fake-quant agree everywhere.

    With A=4 logits do within a unit; what is left with A=8 is in docs/quantization.md.
    """
    rows = json.loads((REPOSITORY / "docs" / "results" / "trainings.json").read_text())
    quantized = [row for row in rows if row["settings"]["alphabets"] is not None]
    assert all(row["test"]["images"] == 10000 and row["test"]["agreement_percent"] >= 99.9 for row in quantized)
    four = [row["test"]["largest_logit_difference_steps"] for row in quantized if row["settings"]["act_bits"] == 4]
    assert four and max(four) <= 1
    for (alphabets, weight_bits, act_bits, encoded), target in RESNET20.items():
        wanted = ["resnet20", list(alphabets), weight_bits, act_bits, encoded and list(encoded)]
        names = ("model", "alphabets", "weight_bits", "act_bits", "act_alphabets")
        found = [row for row in quantized if [row["settings"][name] for name in names] == wanted]
        longest = max(row["epochs"] for row in found)
        assert all(row["test"]["integer_percent"] >= target for row in found if row["epochs"] == longest)
    floats = {row["settings"]["model"]: row["test"]["float_percent"] for row in rows if row not in quantized}
    for model, least, loss in (("resnet8", 87, 0.7), ("mobilenet_v2_050", 90, 1.0)):
        assert floats[model] >= least
        integers = [row["test"]["integer_percent"] for row in quantized if row["settings"]["model"] == model]
        assert integers and min(integers) >= floats[model] - loss


def test_training_and_evaluation_keep_to_their_time():
    result = json.loads((REPOSITORY / "docs" / "results" / "training_step.json").read_text())
    for group, formats, most in (("step", 4, 1.30), ("golden", 2, 3.0)):
        ratios = {name: row["ratio"] for name, row in result[group].items() if name != "float"}
        assert len(ratios) == formats
        # An encoded step has a look-up more: 1.303 where it was measured.
        assert all(ratio <= most + 0.05 * (" on " in name) for name, ratio in ratios.items())


def energy_rows() -> list[dict]:
    return json.loads((REPOSITORY / "docs" / "results" / "energy.json").read_text())["rows"]


def test_the_search_for_the_least_energy_did_not_end_at_its_limit():
    """Ways that are much larger than the smallest are not measured: all of those are larger than the one that won."""
    for row in energy_rows():
        for kind in ("held", "streaming"):
            assert 1 <= row[kind]["area_over_smallest"] <= LARGEST - 0.05
            left_out = [way["area_um2"] for way in row[kind]["too_large"]]
            assert all(area >= 1.05 * row[kind]["area_um2"] for area in left_out)


@pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog for delays")
@pytest.mark.parametrize(
    ("technology", "design"),
    [
        ("sg13g2", "{1} W=5"),
        ("sky130hd", "bare"),
        *(
            pytest.param(technology, design, marks=pytest.mark.full)
            for technology in ("sg13g2", "sky130hd", "asap7")
            for design in ("exact W=5", "{1,3} W=5")
        ),
    ],
)
def test_published_figures_are_those_of_this_code(technology, design, monkeypatch, tmp_path):
    """Area to the last digit, energy within 2 %, built and measured in the way that the row names."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    ppa = importlib.import_module("ppa")
    published = next(row for row in energy_rows() if (row["technology"], row["design"]) == (technology, design))
    library, clock_mhz = compact_library(tmp_path, technology), ppa.CLOCKS_MHZ[technology]
    for stream in ppa.STREAMS:
        row = published[stream.weights]
        config = replace(ppa.DESIGNS[design], structure=row["structure"], weight_form=row["weight_form"])
        [way] = build([(config, row["recipe"])], library)
        assert way.mapped.area_um2 == pytest.approx(row["area_um2"], abs=0.001)
        again = measure(map_unit(way), library, stream, clock_mhz).row["energy_per_mac_fj"]
        assert again == pytest.approx(row["by_seed_fj"][0], rel=0.02)


def test_every_generated_table_is_held():
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    markers = [(page, marker) for page in pages for marker in re.findall(r"<!-- (\w+) -->", page.read_text())]
    assert sorted((str(page.relative_to(REPOSITORY)), marker) for page, marker in markers) == sorted(BLOCKS)
