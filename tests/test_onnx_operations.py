"""Moves, pools and paddings of converted networks as ONNX: every stored tensor by onnxruntime."""

from __future__ import annotations

import pytest
import torch
from judged_by_onnxruntime import check_onnx, extreme_inputs
from network_operations import MODELS, built, images

from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", MODELS)
def test_converted_networks_equal_golden_in_every_tensor(name):
    x = images()
    network = convert(quantize(built(MODELS[name]), x, feedback=False, alphabets=(1, 3), weight_bits=5, act_bits=4))
    check_onnx(network, torch.cat([network.quantize_input(x[:4]), extreme_inputs(network, 2)]))
