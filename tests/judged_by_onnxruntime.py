"""Networks as ONNX models, every stored tensor judged by onnxruntime."""

from __future__ import annotations

import torch

from asm_hw.exchange.onnx_judge import compare_with_onnxruntime
from asm_hw.exchange.onnx_model import onnx_model
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT
from asm_hw.network.integer_requantize import Requantize
from asm_hw.numbers.alphabets import AlphabetSet

SETS = AlphabetSet((1, 3))


def check_onnx(network, x, **how):
    """Every stored tensor by onnxruntime equals golden's; the model."""
    model = onnx_model(network, all_tensors=True, **how)
    found = compare_with_onnxruntime(model.SerializeToString(), network, x)
    assert found.mismatches == 0, found.first_difference
    assert found.images == len(x) and found.compared > 0
    return model


def extreme_inputs(network, count=6, seed=0):
    """Least, largest and zero everywhere, then these mixed, then any."""
    stored = network.formats[INPUT]
    low, high = stored.range
    shape = network.input_shape
    generator = torch.Generator().manual_seed(seed)
    ends = torch.tensor([low, high])[torch.randint(2, (2, *shape), generator=generator)]
    values = torch.tensor(stored.levels.levels if stored.levels is not None else [low, 0, high, high // 2, low // 3])
    drawn = values[torch.randint(len(values), (count, *shape), generator=generator)]
    return torch.cat([torch.full((1, *shape), value) for value in (low, high, 0)] + [ends, drawn])


def chained(nodes, shape, stored):
    """A network of ``nodes`` on inputs of ``shape`` that are stored as ``stored``."""
    return IntegerNetwork(
        layers=tuple(nodes), input_shape=shape, input_scale=1.0, output_scale=1.0, input_format=stored
    )


def step(channels, scale=1, bias=0, shift=0, bits=8, signed=False, **more):
    """A requantize step that is the same for all channels."""
    one = torch.ones(channels, dtype=torch.int64)
    for name in ("skip_scale", "skip_shift"):
        if name in more:
            more[name] = one * more[name]
    return Requantize(
        alphabets=SETS, scale=one * scale, bias=one * bias, shift=one * shift, bits=bits, signed=signed, **more
    )


def binary(bits, signed=False):
    return ActivationFormat(bits, signed)
