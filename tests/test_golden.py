"""The golden model against plain integers."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw import golden
from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import weight_levels


def plain_conv(w, x, stride, padding, groups):
    n, _, height, width = x.shape
    outputs, per_group, kh, kw = w.shape
    oh, ow = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    y = torch.zeros(n, outputs, oh, ow, dtype=torch.int64)
    for b in range(n):
        for o in range(outputs):
            first = o // (outputs // groups) * per_group
            for r in range(oh):
                for c in range(ow):
                    total = 0
                    for i in range(per_group):
                        for dy in range(kh):
                            for dx in range(kw):
                                row, column = r * stride + dy - padding, c * stride + dx - padding
                                if 0 <= row < height and 0 <= column < width:
                                    total += int(w[o, i, dy, dx]) * int(x[b, first + i, row, column])
                    y[b, o, r, c] = total
    return y


def test_multiply_equals_plain_arithmetic_for_every_level():
    levels = weight_levels(AlphabetSet((1, 3)), 8).levels
    w, x = torch.tensor(levels), torch.arange(-256, 256)
    product = golden.multiply(w[:, None], x)
    assert product.dtype == torch.int64
    assert product.tolist() == [[a * b for b in range(-256, 256)] for a in levels]


@given(st.integers(2, 62), st.integers(-(1 << 61), (1 << 61) - 1))
def test_fit_wraps_and_saturates(bits, total):
    top = 1 << bits - 1
    wrapped = int(golden.fit(torch.tensor(total), bits))
    assert -top <= wrapped < top
    assert (wrapped - total) % (1 << bits) == 0
    assert int(golden.fit(torch.tensor(total), bits, "saturate")) == max(-top, min(top - 1, total))


@pytest.mark.parametrize("magnitude", [1 << 3, 1 << 12, 1 << 25, 1 << 29])  # float32, float64, split
@settings(deadline=None, max_examples=10)
@given(stride=st.integers(1, 2), padding=st.integers(0, 1), groups=st.sampled_from([1, 2]), seed=st.integers(0, 999))
def test_conv2d_equals_plain_integers(magnitude, stride, padding, groups, seed):
    rng = random.Random(seed)

    def draw(*shape):
        count = torch.Size(shape).numel()
        return torch.tensor([rng.randint(-magnitude, magnitude) for _ in range(count)]).view(shape)

    w, x = draw(4, 4 // groups, 3, 2), draw(2, 4, 5, 4)
    assert torch.equal(golden.conv2d(w, x, stride, padding, groups=groups), plain_conv(w, x, stride, padding, groups))


@given(seed=st.integers(0, 999), magnitude=st.sampled_from([3, 1 << 11, 1 << 12, 1 << 26, 1 << 30]))
@settings(deadline=None)
def test_matvec_equals_plain_integers(seed, magnitude):
    rng = random.Random(seed)
    w = [[rng.choice([-magnitude, magnitude, rng.randint(-magnitude, magnitude)]) for _ in range(7)] for _ in range(3)]
    x = [rng.choice([-magnitude, magnitude - 1]) for _ in range(7)]
    assert golden.matvec(torch.tensor(w), torch.tensor(x)).tolist() == [
        sum(a * b for a, b in zip(r, x, strict=True)) for r in w
    ]


@pytest.mark.parametrize(("dtype", "bits"), [(torch.int8, 8), (torch.int16, 16), (torch.int32, 32)])
def test_bounds_hold_for_the_smallest_value_of_a_type(dtype, bits):
    """Its magnitude leaves the type: a bound taken in the type would call float32 exact."""
    low = -(1 << bits - 1)
    x = torch.tensor([low, low], dtype=dtype)
    w = torch.tensor([[(1 << 24) + 1, 2]])
    assert golden.matvec(w, x).tolist() == [((1 << 24) + 3) * low]
    assert golden.matvec(torch.tensor([[low, 1]], dtype=dtype), torch.tensor([(1 << 24) + 1, 1])).tolist() == [
        ((1 << 24) + 1) * low + 1
    ]
    image = torch.tensor([[[[low, low]]]], dtype=dtype)
    assert golden.conv2d(w.view(1, 1, 1, 2), image).tolist() == [[[[((1 << 24) + 3) * low]]]]


@pytest.mark.parametrize(
    "call",
    [
        lambda low: golden.matvec(low.view(1, 1), torch.tensor([3])),
        lambda low: golden.matvec(torch.tensor([[3]]), low.view(1)),
        lambda low: golden.matvec(low.expand(1, 2), torch.tensor([1, 1])),
        lambda low: golden.requantize(low, *(torch.tensor(v) for v in (3, 0, 1)), -128, 127),
        lambda low: golden.requantize(torch.tensor(1), torch.tensor(1), low, torch.tensor(1), -128, 127),
    ],
)
def test_the_smallest_64_bit_integer_is_refused(call):
    with pytest.raises(ParameterError, match="below 2"):
        call(torch.tensor(-(1 << 63)))


def test_one_huge_weight_is_no_reason_to_refuse():
    assert golden.matvec(torch.tensor([[1 << 62, 1, -1]]), torch.tensor([1, 1, -1])).tolist() == [(1 << 62) + 2]


def test_products_beyond_63_bits_and_floats_are_refused():
    big = torch.full((1, 4), 1 << 31)
    with pytest.raises(ParameterError, match="below 2"):
        golden.matvec(big, big[0])
    with pytest.raises(ParameterError, match="integers"):
        golden.matvec(big.float(), big[0])


def test_saturating_dot_depends_on_the_order_of_beats():
    w = torch.tensor([[[100]], [[100]], [[-100]]])  # [beats, columns, lanes]
    x = torch.ones(3, 1, dtype=torch.int64)
    assert golden.dot(w, x, 8, "saturate").tolist() == [27]
    assert golden.dot(w, x, 8).tolist() == [100]
    assert golden.dot(w, x, 9).tolist() == [100]


@given(
    st.integers(-(1 << 40), 1 << 40),
    st.integers(-(1 << 15), 1 << 15),
    st.integers(-(1 << 20), 1 << 20),
    st.integers(0, 40),
)
def test_requantize_equals_plain_arithmetic(acc, scale, bias, shift):
    half = 1 << shift - 1 if shift else 0
    expected = max(-128, min(127, (acc * scale + bias + half) >> shift))
    got = golden.requantize(*(torch.tensor(v) for v in (acc, scale, bias, shift)), -128, 127)
    assert int(got) == expected


@settings(deadline=None)
@given(
    acc_bits=st.integers(1, 40),  # with 16 bits of a scale on both sides of what float64 holds
    scale_bits=st.integers(1, 15),
    joined=st.booleans(),
    last=st.booleans(),
    part=st.sampled_from([1, 7, 1 << 16]),
    seed=st.integers(0, 1 << 20),
)
def test_requantized_maps_equal_plain_arithmetic(acc_bits, scale_bits, joined, last, part, seed):
    rng, (n, c, h, w) = random.Random(seed), (2, 3, 2, 2)
    layout = torch.channels_last if last else torch.contiguous_format

    def maps(bits):
        values = [rng.randint(-(1 << bits), 1 << bits) for _ in range(n * c * h * w)]
        return torch.tensor(values).view(n, c, h, w).contiguous(memory_format=layout)

    def by_channel(low, high):
        return torch.tensor([rng.randint(low, high) for _ in range(c)]).view(c, 1, 1)

    acc, skip, edge = maps(acc_bits), maps(8), 1 << scale_bits
    scale, skip_scale, bias = by_channel(-edge, edge), by_channel(-(1 << 40), 1 << 40), by_channel(-(1 << 50), 1 << 50)
    shift = by_channel(0, 45)
    low, high = (-128, 127) if seed % 2 else (-(1 << 61), 1 << 61)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("asm_hw.golden.exact_requantize.PART_VALUES", part)
        got = golden.requantize(acc, scale, bias, shift, low, high, *((skip, skip_scale) if joined else ()))
    for i, channel, *place in itertools.product(*map(range, acc.shape)):
        at = (i, channel, *place)
        s = int(shift[channel])
        total = int(acc[at]) * int(scale[channel]) + int(bias[channel]) + (1 << s >> 1)
        total += int(skip[at]) * int(skip_scale[channel]) * joined
        assert int(got[at]) == max(low, min(high, total >> s))
    assert got.dtype == torch.int64


def test_requantize_refuses_what_leaves_64_bits():
    with pytest.raises(ParameterError, match="below 2"):
        golden.requantize(torch.tensor(1 << 50), torch.tensor(1 << 15), torch.tensor(0), torch.tensor(3), 0, 1)
