"""Integer networks against loops of plain Python integers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_network import SETS, draw, last, tiny

from asm_hw.errors import ParameterError
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLinear
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_requantize import MAX_SHIFT
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.integers import signed_bits
from asm_hw.numbers.level_code import activation_levels

# The same in plain Python integers.


def plain_finish(total, channel, out):
    scale, bias, shift = (int(getattr(out, name)[channel]) for name in ("scale", "bias", "shift"))
    value = (total * scale + bias + (1 << shift - 1 if shift else 0)) >> shift
    low = -(1 << out.bits - 1) if out.signed else 0
    value = max(low, min(value, (1 << out.bits - out.signed) - 1))
    return value if out.encode is None else activation_levels(out.encode, out.bits, out.signed).nearest(value)


def plain_conv(layer, image):
    w, (sy, sx), (py, px) = layer.weight.tolist(), layer.stride, layer.padding
    height, width = len(image[0]), len(image[0][0])
    kh, kw, inner = len(w[0][0]), len(w[0][0][0]), len(w[0])
    result = []
    for o, kernel in enumerate(w):
        start = o // (len(w) // layer.groups) * inner
        rows = []
        for top in range(-py, height + py - kh + 1, sy):
            row = []
            for left in range(-px, width + px - kw + 1, sx):
                total = 0
                for c in range(inner):
                    for i in range(kh):
                        for j in range(kw):
                            if 0 <= top + i < height and 0 <= left + j < width:
                                total += kernel[c][i][j] * image[start + c][top + i][left + j]
                row.append(plain_finish(total, o, layer.requantize))
            rows.append(row)
        result.append(rows)
    return result


def plain_forward(network, image):
    for layer in network.layers:
        if isinstance(layer, IntegerConv2d):
            image = plain_conv(layer, image)
        else:
            flat = [v for c in image for row in c for v in row] if isinstance(image[0], list) else image
            sums = [sum(w * x for w, x in zip(row, flat, strict=True)) for row in layer.weight.tolist()]
            image = [plain_finish(total, o, layer.requantize) for o, total in enumerate(sums)]
    return image


@pytest.mark.parametrize(("act_alphabets", "signed"), [(None, False), (None, True), ((1, 3), False), ((1,), False)])
def test_network_equals_plain_integers(act_alphabets, signed):
    network = tiny(act_alphabets and AlphabetSet(act_alphabets), signed)
    low, high = network.layers[0].operands.activation.range
    x = draw(range(low, high + 1), (5, 2, 7, 5), 7)
    assert network(x).tolist() == [plain_forward(network, image) for image in x.tolist()]
    step = x
    for layer, size in zip(network.layers, network.sizes, strict=True):
        acc = layer.accumulate(step)
        assert acc.dtype == torch.int64
        assert signed_bits(int(acc.min()), int(acc.max())) <= layer.acc_bits
        step = layer.finish(acc)
        assert tuple(step.shape[1:]) == size.output_shape
    assert torch.equal(step, network(x))


def test_acc_bits_is_reached_and_not_exceeded():
    config = ProductFormat.of(alphabets=SETS, weight_bits=5, act_bits=8)
    layer = IntegerLinear(
        name="l", operands=config, weight=torch.tensor([[12, 12, -8], [-12, -12, -12]]), requantize=last(2, 0)
    )
    assert layer.accumulate(torch.tensor([[255, 255, 0], [255, 255, 255]])).tolist() == [[6120, -6120], [4080, -9180]]
    assert layer.acc_bits == signed_bits(-9180, 6120) == 15


def test_sizes_count_macs_and_bits():
    first, grouped, hidden, end = tiny().sizes
    assert first.output_shape == (4, 4, 3) and grouped.output_shape == (6, 3, 3) and end.output_shape == (3,)
    assert (first.macs, grouped.macs, hidden.macs, end.macs) == (4 * 12 * 18, 6 * 9 * 4, 5 * 54, 15)
    assert (hidden.weights, hidden.float_bits, hidden.binary_bits) == (270, 270 * 32, 270 * 5)
    assert hidden.packed_bits == 270 * 4  # {1,3}: a sign and 3 bits for 8 magnitudes


@pytest.mark.parametrize("encoded", [False, True])
def test_quantize_input_scales_rounds_and_saturates(encoded):
    config = ProductFormat.of(alphabets=SETS, weight_bits=5, act_bits=4, act_alphabets=SETS if encoded else None)
    layer = IntegerLinear(name="l", operands=config, weight=torch.tensor([[1] * 6]), requantize=last(1, 0))
    network = IntegerNetwork(layers=(layer,), input_shape=(6,), input_scale=0.5, output_scale=1)
    given = network.quantize_input(torch.tensor([[-3.0, 0.24, 0.25, 2.6, 5.4, 99.0]]))
    assert given.tolist() == [[0, 0, 1, 4 if encoded else 5, 12 if encoded else 11, 12 if encoded else 15]]


# Refusals.


def test_layers_refuse_values_that_no_hardware_has():
    good = tiny()
    first, hidden, end = good.layers[0], good.layers[2], good.layers[3]
    wrong = hidden.weight.clone()
    wrong[1, 2] = 5
    cases = [
        (
            lambda: replace(hidden, weight=wrong),
            r"layer 'hidden' weight must hold levels of \{1,3\} over 4 bits, not 5",
        ),
        (
            lambda: replace(hidden, weight=hidden.weight.float()),
            "layer 'hidden' must have an int64 weight of 2 dimensions",
        ),
        (lambda: replace(hidden, requantize=end.requantize), "layer 'hidden' must requantize 5 channels, not 3"),
        (lambda: replace(first, stride=(0, 1)), "stride must be an integer from 1 to 65536, not 0"),
        (lambda: replace(first, groups=3), "layer 'first' must have outputs divisible by 3 groups, not 4"),
        (lambda: replace(end.requantize, scale=end.requantize.scale * 5), "requantize scale must hold levels of"),
        (
            lambda: replace(end.requantize, shift=end.requantize.shift + 32),
            f"shift must be from 0 to {MAX_SHIFT}, not 32",
        ),
        (lambda: replace(end.requantize, bits=63), "requantize bits must be an integer from 2 to 62, not 63"),
        (lambda: replace(end.requantize, bias=end.requantize.bias - (1 << 63) + 99), "requantize bias must stay below"),
        (lambda: replace(good, layers=()), "layers must name at least one layer"),
        (lambda: replace(good, layers=good.layers[1:], input_format=None), r"layer 'grouped' must take \(4, h, w\)"),
        (lambda: replace(good, layers=(hidden, first)), "layer 'hidden' must be given the .* that it takes"),
        (lambda: replace(good, input_scale=float("nan")), "input_scale must be a number above 0, .*not nan"),
        (
            lambda: replace(good, input_scale=1e-39),
            "input_scale must be a number above 0, normal in float32, not 1e-39",
        ),
        (lambda: replace(good, input_shape=(2, 7, -5)), "input_shape must be an integer from 1 to 65536, not -5"),
    ]
    for build, sentence in cases:
        with pytest.raises(ParameterError, match=sentence):
            build()


def test_inputs_outside_the_port_are_refused():
    network = tiny()
    x = torch.zeros(1, 2, 7, 5, dtype=torch.int64)
    for bad, sentence in [
        (x - 1, "layer 'first' must take integers from 0 to 63, not -1"),
        (x + 64, "from 0 to 63, not 64"),
        (x.float(), "must take integers, not torch.float32"),
        (x[:, :1], r"inputs must have shape \(2, 7, 5\) after the batch, not \(1, 7, 5\)"),
    ]:
        with pytest.raises(ParameterError, match=sentence):
            network(bad)
    encoded = tiny(AlphabetSet((1,))).layers[1]
    with pytest.raises(ParameterError, match=r"layer 'grouped' input must hold levels of \{1\} over 8 bits, not 3"):
        encoded.accumulate(torch.full((1, 4, 4, 3), 3))


def test_a_network_prints_a_summary():
    lines = str(tiny(act_alphabets=SETS)).splitlines()
    assert lines[0].split() == "layer kind from output MACs weights weight bits W A stored as".split()
    assert lines[1].split() == ["input", "2x7x5", "u6"]
    assert lines[2].split() == ["first", "conv2d", "input", "4x4x3", "864", "72", "288", "5{1,3}", "u6", "u8{1,3}"]
    assert lines[-1].split() == ["total", "1,365", "381", "1,524"]
    assert len(lines) == 7 and len({line.index("conv2d") for line in lines[2:4]}) == 1
