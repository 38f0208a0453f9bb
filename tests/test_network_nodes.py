"""Nodes without weights and residuals, against loops of plain Python integers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_network import SETS, draw, requantizer

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerConv2d
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.network.network_file import load, save

SHAPE = (3, 6, 5)


def joining(channels, seed, **settings):
    """A requantize step that a residual joins."""
    plain = requantizer(channels, seed, **settings)
    return replace(
        plain,
        skip_scale=draw([1, 2, 3, 12, -6, 48], (channels,), seed + 5),
        skip_shift=draw(range(4), (channels,), seed + 6),
    )


def plain_value(out, c, total, skip=0):
    """Scale, residual, bias, half, shift and clamp of one accumulator, in Python's integers."""
    total = total * int(out.scale[c]) + int(out.bias[c])
    if out.skip_scale is not None:
        total += skip * int(out.skip_scale[c]) * 2 ** int(out.skip_shift[c])
    shift = int(out.shift[c])
    total = (total + (1 << shift - 1 if shift else 0)) >> shift
    low, high = out.limits or (
        (-(1 << out.bits - 1), (1 << out.bits - 1) - 1) if out.signed else (0, (1 << out.bits) - 1)
    )
    return max(low, min(high, total))


def plain_windows(image, kernel, stride, padding, reduce):
    """``reduce`` of the values of each window that lie inside the map."""
    (kh, kw), (sy, sx), (py, px) = kernel, stride, padding
    rows, columns = len(image), len(image[0])
    return [
        [
            reduce(
                image[y][x]
                for y in range(max(top, 0), min(top + kh, rows))
                for x in range(max(left, 0), min(left + kw, columns))
            )
            for left in range(-px, columns + px - kw + 1, sx)
        ]
        for top in range(-py, rows + py - kh + 1, sy)
    ]


def mapped(function, *images):
    """``function(channel, values...)`` of every place of [c, h, w] lists."""
    return [
        [[function(c, *values) for values in zip(*rows, strict=True)] for rows in zip(*maps, strict=True)]
        for c, maps in enumerate(zip(*images, strict=True))
    ]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("joined", [False, True])
def test_sum_is_plain_arithmetic(joined, signed):
    out = joining(3, 1, signed=signed) if joined else requantizer(3, 1, signed=signed)
    out = replace(out, limits=(0, 90))
    x, y = draw(range(-128, 128), (4, *SHAPE), 2), draw(range(256), (4, *SHAPE), 3)
    got = IntegerSum(name="s", requantize=out).forward(*([x, y] if joined else [x])).tolist()
    for one, two, result in zip(x.tolist(), y.tolist(), got, strict=True):
        assert result == mapped(lambda c, a, b: plain_value(out, c, a, b), one, two)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 1)), ((6, 5), (6, 5), (0, 0))]
)
def test_pools_are_plain_arithmetic(kernel, stride, padding):
    window = {"kernel": kernel, "stride": stride, "padding": padding}
    x = draw(range(-128, 128), (3, *SHAPE), 4)
    out = requantizer(3, 5)
    summed = IntegerSumPool(name="p", requantize=out, **window).forward(x).tolist()
    largest = IntegerMaxPool(name="m", **window).forward(x).tolist()
    for image, sums, most in zip(x.tolist(), summed, largest, strict=True):
        assert most == [plain_windows(channel, kernel, stride, padding, max) for channel in image]
        expected = [plain_windows(channel, kernel, stride, padding, sum) for channel in image]
        assert sums == mapped(lambda c, total: plain_value(out, c, total), expected)


def test_moves_change_no_integer():
    x = torch.arange(2 * 90).view(2, *SHAPE)
    sliced = IntegerMove(name="a", action="slice", arguments=(0, 3, 1, 1, 6, 2, 0, 5, 3))
    padded = IntegerMove(name="b", action="pad", arguments=(1, 0, 0, 2, 1, 1))
    shaped = IntegerMove(name="c", action="reshape", arguments=(90,))
    assert torch.equal(sliced.forward(x), x[:, :, 1::2, ::3])
    assert padded.forward(x).shape[1:] == padded.output_shape(SHAPE) == (5, 8, 6)
    assert torch.equal(padded.forward(x)[:, 1:4, :6, 1:], x) and padded.forward(x).sum() == x.sum()
    assert torch.equal(shaped.forward(x), x.view(2, 90))
    assert sliced.output_shape(SHAPE) == (3, 3, 2) and shaped.output_shape(SHAPE) == (90,)


def graph():
    """A convolution joined by what it started from, a pool, a concatenation and a mean."""
    config = ProductFormat.of(alphabets=SETS, weight_bits=5, act_bits=4)
    weight = draw(config.weight.levels.levels, (3, 3, 3, 3), 7)
    return IntegerNetwork(
        layers=(
            IntegerSum(name="top", sources=("input",), requantize=requantizer(3, 8, bits=4)),
            IntegerConv2d(
                name="conv", sources=("top", "input"), operands=config, weight=weight,
                requantize=joining(3, 9), padding=(1, 1),
            ),
            IntegerMaxPool(name="max", kernel=(2, 2), stride=(2, 2)),
            IntegerMove(name="shrunk", sources=("input",), action="slice", arguments=(0, 3, 1, 0, 6, 2, 0, 4, 2)),
            IntegerConcat(name="both", sources=("max", "shrunk")),
            IntegerSumPool(name="mean", kernel=(3, 2), stride=(3, 2), requantize=requantizer(6, 10)),
        ),
        input_shape=SHAPE, input_scale=0.5, output_scale=2.0, input_format=ActivationFormat(8, True),
    )  # fmt: skip


def test_graph_runs_node_by_node_and_comes_back_from_a_file(tmp_path):
    network = graph()
    x = draw(range(-128, 128), (5, *SHAPE), 11)
    top, conv, largest, shrunk, both, mean = network.layers
    narrow = top.forward(x)
    joined = conv.finish(conv.accumulate(narrow), x)
    acc = conv.accumulate(narrow)[0].tolist()
    assert joined[0].tolist() == mapped(lambda c, a, b: plain_value(conv.requantize, c, a, b), acc, x[0].tolist())
    expected = mean.forward(both.forward(largest.forward(joined), shrunk.forward(x)))
    assert torch.equal(network(x), expected)
    assert network.shapes["both"] == (6, 3, 2) and network.formats["both"] == ActivationFormat(9, True)
    assert [layer.name for layer in network.products] == ["conv"]
    save(network, tmp_path / "net")
    assert torch.equal(load(tmp_path / "net")(x), expected)


def test_nodes_refuse_what_does_not_fit():
    network = graph()
    top, conv, largest, shrunk, *_ = network.layers
    for build, sentence in [
        (
            lambda: replace(network, layers=(top, replace(conv, sources=("top",)))),
            "layer 'conv' must have 2 sources, not 1",
        ),
        (
            lambda: replace(network, layers=(top, replace(conv, sources=("top", "later")))),
            "sources listed before it, not 'later'",
        ),
        (
            lambda: replace(network, layers=(top, replace(conv, sources=("input", "top")))),
            "layer 'conv' must be given the",
        ),
        (lambda: replace(network, layers=(top, replace(shrunk, arguments=(0, 3, 1)))), "layer 'shrunk' must slice"),
        (
            lambda: replace(network, layers=(top, replace(largest, kernel=(9, 9)))),
            "layer 'max' must fit into its input",
        ),
        (lambda: replace(network, input_format=None), "input_format must be given where the first layer is IntegerSum"),
        (lambda: replace(largest, padding=(2, 0)), "padding of layer 'max' must be half its kernel at most"),
        (
            lambda: replace(shrunk, action="turn"),
            "action of layer 'shrunk' must be one of reshape, slice, pad, permute, select, not 'turn'",
        ),
        (lambda: replace(conv.requantize, skip_shift=None), "skip_scale and skip_shift must be given together"),
        (lambda: replace(conv.requantize, limits=(0, 256)), "limits must be two integers from 0 to 255"),
        (lambda: conv.finish(torch.zeros(1, 3, 6, 5)), "requantize must take one skip beside its accumulators"),
    ]:
        with pytest.raises(ParameterError, match=sentence):
            build()
