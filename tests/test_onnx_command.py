"""``asm-hw onnx``: the file, the comparison with onnxruntime, exit statuses, bad input."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from tiny_network import draw, tiny

from asm_hw.cli import commands as command_line
from asm_hw.errors import ParameterError
from asm_hw.exchange import onnx_model as writing
from asm_hw.network.network_file import load, save


@pytest.fixture
def folder(tmp_path, monkeypatch):
    save(tiny(), tmp_path / "net.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_network_becomes_a_file_that_was_judged(cli, tmp_path):
    network = tiny()
    save(network, tmp_path / "net.safetensors")
    done = cli("onnx", "net.safetensors", "--json", "--all-tensors")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    values = sum(int(np.prod(size.output_shape)) for size in network.sizes)
    assert (result["file"], result["images"], result["mismatches"]) == ("net.onnx", 10, 0)
    assert result["compared"] == 10 * values and result["first_difference"] is None
    model = onnx.load(tmp_path / "net.onnx")
    assert result["operators"] == len(model.graph.node)
    assert result["bytes"] == (tmp_path / "net.onnx").stat().st_size
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    x = draw(range(64), (4, 2, 7, 5), 8)
    *_, last = session.run(None, {"input": x.numpy().astype(np.uint8)})
    assert np.array_equal(last, load(tmp_path / "net.safetensors")(x).numpy())


def invoke(*arguments):
    return CliRunner().invoke(command_line.cli, ["onnx", "net.safetensors", *map(str, arguments)])


def test_real_numbers_and_no_comparison(folder):
    done = invoke("--input", "real", "--result", "real", "--out", "real.onnx")
    assert done.exit_code == 0 and "0 of 30 values differ" in done.output, done.output
    done = invoke("--images", 0, "--out", "quick.onnx", "--json")
    assert done.exit_code == 0 and "images" not in json.loads(done.stdout)
    assert sorted(path.name for path in folder.iterdir()) == ["net.safetensors", "quick.onnx", "real.onnx"]


def test_a_difference_is_exit_status_1(folder, monkeypatch):
    """A writer that adds one to a bias: the comparison finds it, and says where."""
    right = writing.onnx_model

    def wrong(*arguments):
        model = right(*arguments)
        (bias,) = [t for t in model.graph.initializer if t.name == "last/offset"]
        bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 1, bias.name))
        return model

    monkeypatch.setattr(writing, "onnx_model", wrong)
    done = invoke("--json")
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert found["mismatches"] == found["compared"] == 30
    first = found["first_difference"]
    assert (first["layer"], first["image"], first["index"]) == ("last", 0, [0])
    assert first["onnxruntime"] == first["golden"] + 1
    assert "first difference" in invoke().output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.safetensors"], "must be a readable safetensors file"),
        (["net.safetensors", "--input", "float"], "input must be one of integers, real, not 'float'"),
        (["net.safetensors", "--result", "logits"], "result must be one of integers, real, not 'logits'"),
        (["net.safetensors", "--out", "none/net.onnx"], "must be a file in a folder that exists"),
        (["net.safetensors", "--out", "/proc/net.onnx"], "'/proc/net.onnx' must be one that can be written"),
        (["net.safetensors", "--images", "-1"], "'--images'"),
        (["net.safetensors", "--dataset", "digits"], "must have images of (2, 7, 5), not (1, 8, 8)"),
    ],
)
def test_bad_input_is_one_sentence(cli, tmp_path, arguments, sentence):
    save(tiny(), tmp_path / "net.safetensors")
    refused = cli("onnx", *arguments)
    assert refused.returncode == 2
    assert sentence in refused.stderr and len(refused.stderr.splitlines()) == 1, refused.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--dataset", "folder:nowhere"], "'nowhere/train' is missing"),
        (["--dataset", "digits"], "dataset 'digits' must have images of"),
        (["--mean", "0.5"], "mean must be left out where no dataset is given"),
        (["--resize", "8", "--images", "0"], "resize must be left out where no dataset is given"),
    ],
)
def test_images_that_cannot_be_compared_leave_no_file(folder, given, words):
    done = invoke(*given)
    assert isinstance(done.exception, ParameterError) and words in str(done.exception), done.output
    assert [path.name for path in folder.iterdir()] == ["net.safetensors"]
