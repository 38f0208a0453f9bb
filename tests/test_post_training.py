"""The quick paths of the command line, and formats by layer in a training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tiny_training
import torch
from test_bad_input import assert_refused, call, called
from torch import nn

from asm_hw.cli import main
from asm_hw.errors import ParameterError
from asm_hw.network.network_file import load
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.training.alphabet_costs import energy_cost, weight_cost
from asm_hw.training.checkpoint import read_tensors, write_tensors
from asm_hw.training.run_folder import WEIGHTS
from asm_hw.training.run_settings import read_layers

TINY = ["--model", "tiny_training:with_norm", "--dataset", "tiny_training:splits", "--threads", "1"]
ONE, THREE = AlphabetSet((1,)), AlphabetSet((1, 3))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder with a trained float model."""
    folder = tmp_path_factory.mktemp("float")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["asm-hw", "train", *TINY, "--batch", "32", "--epochs", "4", "--out", str(folder)])
        with pytest.raises(SystemExit) as stopped:
            main()
    assert not stopped.value.code
    return folder


def test_quantize_leaves_the_integers_of_the_levels(capsys, tmp_path, start):
    given = ["quantize", *TINY, "--init", start, "--alphabets", "1,3", "--act-bits", "6", "--out", tmp_path / "run"]
    result = call(capsys, *given)
    assert result == json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["test"]["float_percent"] > 90 and result["test"]["integer_percent"] > 90
    network = load(tmp_path / "run" / "integers.safetensors")
    layers = [node for node in network.layers if hasattr(node, "weight")]
    assert [layer.operands.weight.bits for layer in layers] == [8, 8]  # the first and the last
    assert all(set(layer.weight.flatten().tolist()) <= set(layer.operands.weight.levels.levels) for layer in layers)
    images, labels = next(tiny_training.splits().test.batches(torch.arange(128), 128))
    right = (network(network.quantize_input(images)).argmax(1) == labels).double().mean().item()
    assert result["test"]["integer_percent"] == pytest.approx(100 * right, abs=1e-3)
    assert str(tmp_path) not in json.dumps(result) and str(start) not in json.dumps(result)
    before = (tmp_path / "run" / WEIGHTS).stat().st_mtime_ns
    assert call(capsys, *given) == result and (tmp_path / "run" / WEIGHTS).stat().st_mtime_ns == before
    (tmp_path / "run" / "result.json").unlink()  # as a kill leaves it
    again = call(capsys, *given)
    assert again["test"] | {"evaluation_s": 0} == result["test"] | {"evaluation_s": 0}
    assert_refused(called(capsys, *given, "--act-bits", "5"), ["act_bits must be 6", "not 5", "--out"])


def test_a_folder_of_another_command_is_refused(capsys, tmp_path, start):
    call(capsys, "quantize", *TINY, "--init", start, "--out", tmp_path / "q")
    for command, out in (("quantize", start), ("train", tmp_path / "q")):
        kept = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
        given = [command, *TINY, "--init", start, "--alphabets", "1,3", "--out", out]
        batch = ["--batch", "32"] if command == "train" else []
        assert_refused(called(capsys, *given, *batch), ["out must hold nothing", "is of another"])
        assert kept == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    quantized = ["quantize", *TINY, "--init", tmp_path / "q", "--out", tmp_path / "r"]
    assert_refused(called(capsys, *quantized), ["init", "float weights", "quantized run"])


def test_a_folder_of_other_things_is_left_alone(capsys, tmp_path, start):
    (tmp_path / "notes.txt").write_text("mine")
    for command, batch in (("quantize", []), ("train", ["--batch", "32"])):
        given = [command, *TINY, "--init", start, "--alphabets", "1", "--out", tmp_path, *batch]
        assert_refused(called(capsys, *given), ["out must be a new folder or that of a run", "'notes.txt'"])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_weights_that_are_not_finite_are_refused(capsys, tmp_path, start):
    tensors, _ = read_tensors(start / WEIGHTS)
    tensors["0.weight"][0, 0, 0, 0] = float("nan")
    write_tensors(tmp_path / "nan.safetensors", tensors, {})
    given = ["quantize", *TINY, "--init", tmp_path / "nan.safetensors", "--out", tmp_path / "run"]
    assert_refused(called(capsys, *given), ["init 'nan.safetensors' must hold finite numbers", "'0.weight'"])


def test_a_choice_is_trained_and_quantized(capsys, tmp_path, start):
    """`choose` writes what ``--layers`` takes, and so does the result of a run."""
    choice = tmp_path / "choice.json"
    own = tmp_path / "own.json"
    own.write_text('{"0": {"weight_bits": 4}}')
    asked = ["choose", *TINY, "--init", start, "--candidates", "1", "--candidates", "1,3", "--layers", own]
    asked += ["--energy", "1=1", "--energy", "1,3=3", "--images", "90", "--within", "0", "--out", choice]
    chosen = call(capsys, *asked)
    assert chosen == json.loads(choice.read_text()) == call(capsys, *asked)
    assert chosen["images"] == {"fitted": 90, "scored": 51} and chosen["settings"]["energy"] == ["1=1", "1,3=3"]
    assert_refused(called(capsys, *asked, "--within", "1"), ["within must be 0.0", "not 1.0"])
    assert chosen["reached"] and chosen["chosen"] == chosen["curve"][-1]
    layers = chosen["layers"]
    assert {path: set(settings) for path, settings in layers.items()} == {
        "0": {"alphabets", "weight_bits"},
        "4": {"alphabets"},
    }
    layers["0"]["alphabets"] = [1, 3]  # whatever the data made of it
    layers["4"]["alphabets"] = [1]
    choice.write_text(json.dumps(chosen))
    given = ["--init", start, "--alphabets", "1,3,5"]
    trained = call(
        capsys, "train", *TINY, *given, "--batch", "32", "--epochs", "1", "--layers", choice, "--out", tmp_path / "a"
    )
    assert trained["settings"]["layers"] == layers and "--layers result.json" in trained["command"]
    again = ["--layers", tmp_path / "a" / "result.json", "--out", tmp_path / "b"]
    quantized = call(capsys, "quantize", *TINY, *given, *again)
    for folder in "ab":
        network = load(tmp_path / folder / "integers.safetensors")
        found = [(n.operands.weight.alphabets, n.operands.weight.bits) for n in network.layers if hasattr(n, "weight")]
        assert found == [(THREE, 4), (ONE, 8)]
    assert quantized["settings"]["layers"] == layers
    assert f"--init {start.name}/{WEIGHTS}" in quantized["command"] and "--threads 1" in quantized["command"]
    assert read_tensors(tmp_path / "b" / WEIGHTS)[1]["settings"] == quantized["settings"]


def test_a_budget_of_energy_bounds_the_choice(capsys, tmp_path, start):
    given = ["--candidates", "1", "--candidates", "1,3", "--energy", "1=2", "--energy", "1,3=3", "--labels", "0"]
    budget = ["--most-cost", "2.9", "--images", "40", "--out", tmp_path / "choice.json"]
    chosen = call(capsys, "choose", *TINY, "--init", start, *given, *budget)
    costs = [row["cost"] for row in chosen["curve"]]
    assert costs[0] == pytest.approx(2.0) and max(costs) <= 2.9 < chosen["top"]["cost"] == pytest.approx(3.0)
    assert chosen["float_score"] == 100.0 and not chosen["settings"]["labels"]


def test_costs_are_means_over_weights_and_macs():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))
    cost = weight_cost(model, torch.zeros(3, 1, 4, 4))  # 18 and 160 weights
    assert cost("0", THREE) == pytest.approx(36 / 178) and cost("0", ONE) + cost("3", ONE) == pytest.approx(1)
    energy = energy_cost(model, torch.zeros(3, 1, 4, 4), {(1,): 2.0, THREE: 3.0})  # 16 x 18 and 160 MACs
    assert energy("0", THREE) == pytest.approx(3 * 288 / 448) and energy("3", ONE) == pytest.approx(2 * 160 / 448)
    with pytest.raises(ParameterError, match="energies must hold one for each candidate"):
        energy("0", AlphabetSet((1, 5)))


@pytest.mark.parametrize("text", ["{", "[1]", '{"0": 1}', '{"layers": 3}', "3"])
def test_layers_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "layers.json").write_text(text)
    with pytest.raises(ParameterError, match="layers must be a JSON file of settings by module path"):
        read_layers(tmp_path / "layers.json")
    with pytest.raises(ParameterError, match="layers must be"):
        read_layers(Path("nowhere.json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quantize"], ["init", "must be given"]),
        (["quantize", "--init", "START", "--images", "1"], ["images", ", not 1"]),
        (["quantize", "--init", "START", "--layers", "LAYERS"], ["layers", "'nowhere'"]),
        (
            ["train", "--init", "START", "--alphabets", "1", "--batch", "32", "--layers", "LAYERS"],
            ["layers", "'nowhere'"],
        ),
        (["train", "--alphabets", "1", "--batch", "32", "--layers", "LAYERS"], ["layers", "'nowhere'"]),
        (["train", "--layers", "LAYERS"], ["layers", "must be left out where no alphabets are given"]),
        (["train", "--act-bits", "4"], ["act_bits 4 must be left out where no alphabets are given"]),
        (["quantize", "--model", "resnet9"], ["model must be module:function or one of", "'resnet9'"]),
        (["choose", "--init", "START", "--within", "-1"], ["within", ", not -1"]),
        (["choose", "--init", "START", "--energy", "1"], ["energy", "SET=ENERGY", "'1'"]),
        (["choose", "--init", "START", "--energy", "1=2"], ["energy", "each candidate", "1,3"]),
        (["choose", "--init", "START", "--candidates", "1", "--energy", "1=2", "--energy", "1=3"], ["once", "'1=3'"]),
        (["choose", "--init", "START", "--energy", "1,5=2"], ["no other set", "'1,5=2'"]),
        (["choose", "--init", "START", "--candidates", "1,3", "--candidates", "1"], ["candidates must cost more"]),
        (["choose", "--init", "START", "--most-cost", "0.5"], ["most_cost must be at least 1", ", not 0.5"]),
        (["quantize", "--init", "START", "--layers", "NULL"], ["module '4'", "left in float"]),
        (
            ["train", "--init", "START", "--alphabets", "1", "--batch", "32", "--layers", "NULL"],
            ["module '4'", "left in float"],
        ),
        (["quantize", "--init", "START", "--workers", "-1"], ["workers", ", not -1"]),
        (["quantize", "--init", "START", "--image-size", "0"], ["image_size", ", not 0"]),
        (["choose", "--init", "START", "--candidates", "1,4"], ["alphabet 4", "odd"]),
    ],
    ids=lambda value: " ".join(value) if len(value) > 1 else str(value),
)
def test_bad_calls_are_one_sentence_and_leave_nothing(capsys, tmp_path, start, arguments, words):
    (tmp_path / "layers.json").write_text('{"nowhere": {"alphabets": [1]}}')
    (tmp_path / "null.json").write_text('{"4": null}')
    named = {"START": start, "LAYERS": tmp_path / "layers.json", "NULL": tmp_path / "null.json"}
    command, *rest = (named.get(argument, argument) for argument in arguments)
    assert_refused(called(capsys, command, *TINY, *rest, "--out", tmp_path / "out"), words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layers.json", "null.json"]
