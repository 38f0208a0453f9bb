"""ONNX at the ends of its integers: saturating kernels, wide weights and values, long sums, shifts, clamps, tables."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_by_onnxruntime import SETS, binary, chained, check_onnx, extreme_inputs, step
from tiny_network import draw

from asm_hw.errors import ParameterError
from asm_hw.exchange.onnx_model import onnx_model
from asm_hw.exchange.onnx_requantize import steps_of
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_requantize import Requantize, multiplier_code
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.numbers.alphabets import AlphabetSet


def layers_of(operands, weight_of, bits=62):
    """A convolution and a matrix product whose results are their sums, with weights by ``weight_of(shape, seed)``."""
    how = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    exact = step(6, bits=bits, signed=True)
    grouped = IntegerConv2d(
        name="conv", operands=operands, weight=weight_of((6, 4, 3, 2), 1), groups=2, requantize=exact, **how
    )
    dense = IntegerLinear(name="dense", operands=operands, weight=weight_of((6, 8 * 5 * 4), 2), requantize=exact)
    return [
        chained([layer], (8, 5, 4), operands.activation)
        for layer in (grouped, dense)
    ]  # fmt: skip


EVERY = (1, 3, 5, 7, 9, 11, 13, 15)


@pytest.mark.parametrize("act_signed", [False, True])
@pytest.mark.parametrize(
    ("weight_bits", "act_bits", "act_alphabets"),
    [
        (8, 8, None),
        (9, 8, None),
        (8, 9, None),
        (16, 16, None),
        (12, 2, None),
        (2, 16, None),
        (8, 8, (1,)),
        (5, 16, (1, 3)),
    ],
)
def test_the_largest_weights_and_values(weight_bits, act_bits, act_signed, act_alphabets):
    operands = ProductFormat.of(EVERY, weight_bits, act_bits, act_signed, act_alphabets)
    low, high = operands.weight.range
    ways = [
        lambda shape, seed: torch.full(shape, high),
        lambda shape, seed: torch.full(shape, low),
        lambda shape, seed: draw([low, high], shape, seed),
        lambda shape, seed: draw(operands.weight.levels.levels, shape, seed),
        lambda shape, seed: torch.zeros(shape, dtype=torch.int64),
    ]
    for way in ways if weight_bits < 16 else ways[2:4]:  # 65,535 levels are slow to look through
        for network in layers_of(operands, way):
            check_onnx(network, extreme_inputs(network))


def test_sums_of_more_than_32_bits_are_added_in_64():
    """70,000 products of 255 and 127: a sum of 32 signed bits is too small."""
    operands = ProductFormat.of(EVERY, 8, 8)
    rows = torch.stack([torch.full((70000,), 127), torch.full((70000,), -127), torch.arange(70000) % 128])
    dense = IntegerLinear(name="dense", operands=operands, weight=rows, requantize=step(3, bits=40, signed=True))
    network = chained([dense], (2, 35000), operands.activation)
    model = check_onnx(network, extreme_inputs(network, 1))
    assert int(network(torch.full((1, 2, 35000), 255))[0, 0]) == 70000 * 255 * 127 > 1 << 31
    assert sum(node.op_type == "MatMulInteger" for node in model.graph.node) == 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_requantize_of_any_parameters(data):
    """A sum node, whose sums are its input: scale, residual, bias, shift, limits, bits and code as they come."""
    draw_ = data.draw
    levels = multiplier_code(SETS).levels
    stored, channels = binary(draw_(st.sampled_from([1, 4, 8, 9, 16, 31])), draw_(st.booleans())), 3
    signed = draw_(st.booleans())
    bits = draw_(st.integers(1 + signed, draw_(st.sampled_from([8, 8, 16, 33, 62]))))
    encode = AlphabetSet((1, 3)) if 1 + signed < bits <= 12 and draw_(st.booleans()) else None
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    limits = tuple(sorted((draw_(st.integers(low, high)), draw_(st.integers(low, high)))))

    def each(values):
        return torch.tensor(draw_(st.lists(values, min_size=channels, max_size=channels)))

    joins = draw_(st.booleans())
    bias_bits = draw_(st.sampled_from([4, 20, 40]))
    out = Requantize(
        alphabets=SETS,
        scale=each(st.sampled_from(levels)),
        bias=each(st.integers(-(1 << bias_bits), 1 << bias_bits)),
        shift=each(st.integers(0, 31)) if draw_(st.booleans()) else torch.full((channels,), draw_(st.integers(0, 31))),
        bits=bits,
        signed=signed,
        encode=encode,
        limits=limits if draw_(st.booleans()) else None,
        skip_scale=each(st.sampled_from(levels)) if joins else None,
        skip_shift=each(st.integers(0, 12)) if joins else None,
    )
    sources = ("input", "input") if joins else ("input",)
    network = chained([IntegerSum(name="sum", sources=sources, requantize=out)], (channels, 4), stored)
    try:
        steps_of("sum", out, [stored.range] * channels, stored.range)
    except ParameterError:
        assert bits > 32  # only such a clamp, shifted left, may leave 64 bits
        return
    check_onnx(network, extreme_inputs(network, 40, draw_(st.integers(0, 99))))


def test_floor_of_negative_sums():
    """-1 >> 1 is -1, and with half a step 0: division that rounds to zero would differ."""
    out = step(1, bits=8, signed=True, shift=3)
    network = chained([IntegerSum(name="sum", requantize=out)], (1, 256), binary(8, True))
    x = torch.arange(-128, 128).view(1, 1, 256)
    assert network(x).flatten().tolist() == [(v + 4) // 8 for v in range(-128, 128)]
    check_onnx(network, x)


def test_what_needs_more_than_64_bits_is_refused_by_name():
    out = replace(step(2, scale=1 << 14, bits=62, signed=True, shift=31), bias=torch.tensor([(1 << 62) - 1, 0]))
    network = chained([IntegerSum(name="wide", requantize=out)], (2, 2), binary(60, True))
    with pytest.raises(ParameterError, match="layer 'wide' must have values of at most 64 bits to be in ONNX, not"):
        onnx_model(network)
    pool = IntegerMaxPool(name="most", kernel=(2, 2), stride=(1, 1))
    with pytest.raises(ParameterError, match="layer 'most' must take integers of at most 53 bits to be an ONNX pool"):
        onnx_model(chained([pool], (1, 4, 4), binary(60)))


@pytest.mark.parametrize(
    ("bits", "signed"), [(1, False), (8, False), (8, True), (9, False), (16, True), (31, True), (45, True)]
)
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 3), (1, 2), (1, 1)), ((5, 6), (5, 6), (0, 0)), ((1, 1), (2, 2), (0, 0))]
)
def test_pools(bits, signed, kernel, stride, padding):
    window = {"kernel": kernel, "stride": stride, "padding": padding}
    out = step(3, scale=3, bias=7, shift=2, bits=62, signed=True)
    if bits == 45:
        out = step(3, bits=62, signed=True)
    stored, shape = binary(bits, signed), (3, 5, 6)
    joined = replace(out, skip_scale=out.scale, skip_shift=out.shift)
    sums = chained([IntegerSumPool(name="p", requantize=out, **window)], shape, stored)
    check_onnx(sums, extreme_inputs(sums))
    same = IntegerMaxPool(name="m", **window)
    both = chained([same, IntegerSumPool(name="p", sources=("input", "m"), requantize=joined, **window)], shape, stored)
    check_onnx(both, extreme_inputs(both))


@pytest.mark.parametrize("bits", [8, 16])
def test_moves_and_concatenation(bits):
    stored, shape = binary(bits, True), (3, 4, 5)
    unsigned = step(3, bits=bits)
    nodes = [
        IntegerMove(name="pad", action="pad", arguments=(1, 0, 2, 3, 1, 2)),
        IntegerMove(name="slice", action="slice", arguments=(1, 6, 2, 0, 99, 3, 2, 5, 1)),
        IntegerMove(name="flat", action="reshape", arguments=(27,)),
        IntegerMove(name="maps", action="reshape", arguments=(3, 3, 3)),
        IntegerSum(name="positive", sources=("input",), requantize=unsigned),
        IntegerConcat(name="both", sources=("input", "positive", "input"), count=3),
        IntegerSumPool(name="p", kernel=(2, 2), stride=(1, 1), requantize=step(9, bits=32, signed=True)),
    ]
    network = chained(nodes, shape, stored)
    assert network.formats["both"].bits == bits + 1
    check_onnx(network, extreme_inputs(network))


def test_values_that_fit_take_32_bits():
    """Sums of 8-bit numbers are not widened; those of more than 31 bits are."""
    for bias, widened in ((100, False), (1 << 40, True)):
        network = chained([IntegerSum(name="s", requantize=step(2, 3, bias, 4))], (2, 3), binary(8))
        model = check_onnx(network, extreme_inputs(network))
        kinds = {value.type.tensor_type.elem_type for value in model.graph.value_info}
        assert (onnx.TensorProto.INT64 in kinds) is widened
