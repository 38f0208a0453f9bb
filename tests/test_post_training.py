"""The quick paths of the command line, and formats by layer in a training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tiny_training
import torch
from asm_hw.training.checkpoint import read_tensors
from asm_hw.training.program import WEIGHTS
from asm_hw.training.sensitivity import energy_cost, weight_cost
from asm_hw.training.settings import read_layers
from test_bad_input import assert_refused, called
from torch import nn

from asm_hw.alphabet import AlphabetSet
from asm_hw.cli import main
from asm_hw.errors import ParameterError
from asm_hw.network.storage import load

TINY = ["--model", "tiny_training:with_norm", "--dataset", "tiny_training:splits", "--threads", "1"]
ONE, THREE = AlphabetSet((1,)), AlphabetSet((1, 3))

pytestmark = pytest.mark.usefixtures("one_thread")


def call(capsys, *arguments):
    """What ``asm-hw`` prints as JSON."""
    result = called(capsys, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


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
    assert [layer.config.weight_bits for layer in layers] == [8, 8]  # the first and the last
    assert all(set(layer.weight.flatten().tolist()) <= set(layer.config.weight.levels) for layer in layers)
    images, labels = next(tiny_training.splits().test.batches(torch.arange(128), 128))
    right = (network(network.quantize_input(images)).argmax(1) == labels).double().mean().item()
    assert result["test"]["integer_percent"] == pytest.approx(100 * right, abs=1e-3)
    assert str(tmp_path) not in json.dumps(result) and str(start) not in json.dumps(result)
    before = (tmp_path / "run" / WEIGHTS).stat().st_mtime_ns
    assert call(capsys, *given) == result and (tmp_path / "run" / WEIGHTS).stat().st_mtime_ns == before
    assert_refused(called(capsys, *given, "--act-bits", "5"), ["out", "new folder", "run"])
    assert_refused(called(capsys, "quantize", *TINY, "--init", start, "--out", start), ["out", "another run"])
    assert json.loads((start / "result.json").read_text())["settings"]["alphabets"] is None


def test_a_choice_is_trained_and_quantized(capsys, tmp_path, start):
    """`choose` writes what ``--layers`` takes, and so does the result of a run."""
    choice = tmp_path / "choice.json"
    chosen = call(capsys, "choose", *TINY, "--init", start, "--within", "0", "--images", "51", "--out", choice)
    assert chosen == json.loads(choice.read_text()) and set(chosen["layers"]) == {"0", "4"}
    assert chosen["curve"][-1]["score"] >= chosen["top"]["score"] or not chosen["reached"]
    layers = {"0": {"alphabets": [1, 3], "weight_bits": 4}, "4": {"alphabets": [1]}}
    choice.write_text(json.dumps(chosen | {"layers": layers}))
    given = ["--init", start, "--alphabets", "1,3,5"]
    trained = call(
        capsys, "train", *TINY, *given, "--batch", "32", "--epochs", "1", "--layers", choice, "--out", tmp_path / "a"
    )
    assert trained["settings"]["layers"] == layers and "--layers result.json" in trained["command"]
    again = ["--layers", tmp_path / "a" / "result.json", "--out", tmp_path / "b"]
    quantized = call(capsys, "quantize", *TINY, *given, *again)
    for folder in "ab":
        network = load(tmp_path / folder / "integers.safetensors")
        found = [(n.config.alphabets, n.config.weight_bits) for n in network.layers if hasattr(n, "weight")]
        assert found == [(THREE, 4), (ONE, 8)]
    assert quantized["settings"]["layers"] == layers
    assert read_tensors(tmp_path / "b" / WEIGHTS)[1]["settings"] == quantized["settings"]


def test_a_budget_of_energy_bounds_the_choice(capsys, tmp_path, start):
    given = ["--candidates", "1", "--candidates", "1,3", "--energy", "1=2", "--energy", "1,3=3", "--labels", "0"]
    budget = ["--most-cost", "2.9", "--images", "40", "--out", tmp_path / "choice.json"]
    chosen = call(capsys, "choose", *TINY, "--init", start, *given, *budget)
    costs = [row["cost"] for row in chosen["curve"]]
    assert costs[0] == pytest.approx(2.0) and costs[-1] <= 2.9 < chosen["top"]["cost"] == pytest.approx(3.0)
    assert len(chosen["curve"]) == 2 and chosen["float_score"] == 100.0 and not chosen["settings"]["labels"]
    assert not chosen["reached"]


def test_costs_are_means_over_weights_and_macs():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))
    cost = weight_cost(model)  # 18 and 160 weights
    assert cost("0", THREE) == pytest.approx(36 / 178) and cost("0", ONE) + cost("3", ONE) == pytest.approx(1)
    energy = energy_cost(model, torch.zeros(3, 1, 4, 4), {ONE: 2.0, THREE: 3.0})  # 16 x 18 and 160 MACs
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
        (["quantize", "--init", "START", "--images", "1"], ["images", "1"]),
        (["quantize", "--init", "START", "--layers", "LAYERS"], ["overrides", "'nowhere'"]),
        (["train", "--init", "START", "--alphabets", "1", "--layers", "LAYERS"], ["overrides", "'nowhere'"]),
        (["train", "--alphabets", "1", "--layers", "LAYERS"], ["overrides", "'nowhere'"]),
        (["train", "--layers", "LAYERS"], ["layers", "alphabets"]),
        (["choose", "--init", "START", "--within", "-1"], ["within", "-1"]),
        (["choose", "--init", "START", "--energy", "1"], ["energy", "SET=ENERGY", "'1'"]),
        (["choose", "--init", "START", "--energy", "1=2"], ["energy", "each candidate", "1,3"]),
        (["choose", "--init", "START", "--candidates", "1,4"], ["4", "odd"]),
    ],
    ids=lambda value: " ".join(value) if len(value) > 1 else str(value),
)
def test_bad_calls_are_one_sentence_and_leave_nothing(capsys, tmp_path, start, arguments, words):
    (tmp_path / "layers.json").write_text('{"nowhere": {"alphabets": [1]}}')
    named = {"START": str(start), "LAYERS": str(tmp_path / "layers.json")}
    command, *rest = (named.get(argument, argument) for argument in arguments)
    assert_refused(called(capsys, command, *TINY, *rest, "--out", tmp_path / "out"), words)
    assert [path.name for path in tmp_path.iterdir()] == ["layers.json"]
