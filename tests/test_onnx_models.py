"""ONNX files where the command line takes a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import tiny_training
import torch
from onnx_networks import exported
from test_bad_input import assert_refused, call, called
from wrong_onnx import write

from asm_hw.training.checkpoint import read_tensors, sha256
from asm_hw.training.run_folder import WEIGHTS

pytestmark = pytest.mark.usefixtures("one_thread")
DATA = ["--dataset", "tiny_training:splits", "--threads", "1"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A network in a file."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("onnx")
    model = tiny_training.Inverted(tiny_training.CLASSES).eval()
    return exported(model, torch.rand(2, 1, 8, 8), folder / "net.onnx", dynamo=False)


def test_quantize_takes_a_file(capsys, tmp_path, path):
    result = call(capsys, "quantize", *DATA, "--model", path, "--images", "64", "--out", tmp_path / "run")
    settings = result["settings"]
    assert (settings["model"], settings["init"], settings["init_sha256"]) == ("net.onnx", None, sha256(path))
    assert "--model net.onnx" in result["command"] and "--init" not in result["command"]
    assert str(path.parent) not in json.dumps(result)
    assert result["test"]["agreement_percent"] > 95
    assert call(capsys, "quantize", *DATA, "--model", path, "--images", "64", "--out", tmp_path / "run") == result


def test_train_begins_with_the_weights_of_the_file(capsys, tmp_path, path):
    given = ["--model", path, "--batch", "64", "--epochs", "1"]
    result = call(capsys, "train", *DATA, *given, "--alphabets", "1", "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "float").exists() and result["settings"]["init_sha256"] == sha256(path)
    plain = call(capsys, "train", *DATA, *given, "--learning-rate", "1e-9", "--out", tmp_path / "float")
    assert plain["settings"]["alphabets"] is None
    from asm_hw import from_onnx

    weights, begun = read_tensors(tmp_path / "float" / WEIGHTS)[0], from_onnx(path)
    assert all(torch.allclose(weights[name], p, atol=1e-5) for name, p in begun.named_parameters())


@pytest.mark.parametrize("name", ["loop", "truncated", "open_sizes", "external_above", "two_at_once"])
@pytest.mark.parametrize("command", ["quantize", "train"])
def test_a_wrong_file_is_a_sentence(name, command, capsys, tmp_path):
    import wrong_onnx_nodes  # noqa: F401
    import wrong_onnx_tensors  # noqa: F401

    words = [f"{name}.onnx"]
    refused = called(capsys, command, *DATA, "--model", write(name, tmp_path), "--out", tmp_path / "run")
    assert_refused(refused, words)
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there(capsys, tmp_path):
    refused = called(capsys, "quantize", *DATA, "--model", tmp_path / "net.onnx", "--out", tmp_path / "run")
    assert_refused(refused, ["model must be an ONNX file that is there"])


def test_without_onnx_a_sentence_says_what_to_install(tmp_path, path):
    """As where the extra is not installed."""
    program = "import sys; sys.modules['onnx'] = None; from asm_hw.cli import main; main()"
    command = [sys.executable, "-c", program, "quantize", *DATA, "--model", str(path), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=os.path.dirname(__file__), capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'asm-hw[onnx]'" in done.stderr and "Traceback" not in done.stderr
