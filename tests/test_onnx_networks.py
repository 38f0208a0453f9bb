"""Trained networks as ONNX, on onnxruntime; and one wrong number in a file, which the comparison sees."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from judged_by_onnxruntime import check_onnx
from tiny_network import draw, tiny

from asm_hw.exchange.onnx_judge import compare_with_onnxruntime
from asm_hw.exchange.onnx_model import onnx_model
from asm_hw.network.network_file import load
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.report.engine_run import random_inputs

REPOSITORY = Path(__file__).resolve().parent.parent


def changed(model, index, by=1):
    """The model with one number of a constant larger by one, or by so much."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    tensor = other.graph.initializer[index]
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[values.size // 2] += by
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return other


def test_one_wrong_number_in_the_file_is_seen():
    """Weight, zero point, multiplier, bias, shift, ...: each constant of a trained network's file, changed once."""
    network = load(REPOSITORY / "zoo" / "digits_cnn_1_w5_a8.safetensors")
    good = onnx_model(network, all_tensors=True)
    x = random_inputs(network, 40, 0)
    assert compare_with_onnxruntime(good.SerializeToString(), network, x).mismatches == 0
    parts = ("weight", "zero_point_16", "scale", "offset", "shift", "most")
    seen = {part: [] for part in parts}
    for index, tensor in enumerate(good.graph.initializer):
        part = tensor.name.rpartition("/")[2]
        if part in seen:
            # A shift follows of 9 bits and more: the least bit of a sum is mostly rounded away.
            wrong = changed(good, index, 1 << 8 if part == "offset" else 1)
            found = compare_with_onnxruntime(wrong.SerializeToString(), network, x)
            seen[part].append(found.mismatches)
            assert not found.mismatches or found.first_difference["onnxruntime"] != found.first_difference["golden"]
    assert all(seen.values()), seen
    assert all(min(found) > 0 for found in seen.values()), seen


def test_a_wrong_level_in_the_file_is_seen():
    network = tiny(AlphabetSet((1,)))
    good = onnx_model(network, all_tensors=True)
    (index, *_) = [i for i, tensor in enumerate(good.graph.initializer) if tensor.name.endswith("/levels")]
    x = draw(range(64), (200, 2, 7, 5), 3)
    assert compare_with_onnxruntime(changed(good, index).SerializeToString(), network, x).mismatches > 0


@pytest.mark.parametrize(
    ("name", "images"),
    [("digits_cnn_1_w5_a8", 20), ("resnet8_1_w5_a4", 4), ("resnet20_1_3_w5_a8", 2), ("mobilenet_v2_050_1_3_w5_a8", 2)],
)
def test_networks_of_the_zoo(name, images):
    network = load(REPOSITORY / "zoo" / f"{name}.safetensors")
    check_onnx(network, random_inputs(network, images, 0))


@pytest.mark.full
@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "zoo").glob("*_w[45]_a*.safetensors")), ids=lambda path: path.stem
)
def test_images_of_each_network_of_the_zoo(path, data_folder, monkeypatch):
    from asm_hw.training.evaluate import integer_batches

    monkeypatch.setenv("ASM_HW_DATA", str(data_folder))
    network = load(path)
    dataset = "digits" if path.stem.startswith("digits") else "cifar10"
    ((x, _),) = integer_batches(network, dataset, 20)
    check_onnx(network, x)
