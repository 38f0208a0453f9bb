"""Moves, concatenations and pools that reach beyond a map, against plain Python; moves that are merged."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine_corners import requantize

from asm_hw.compiler.move_products import CHANNELS_AND, with_swaps
from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.merged_moves import merged_moves
from asm_hw.network.network_file import load, save

SHAPE = (4, 6, 2)


def network(*layers, shape=SHAPE):
    return IntegerNetwork(
        layers=layers, input_shape=shape, input_scale=1.0, output_scale=1.0, input_format=ActivationFormat(8, True)
    )


def integers(*shape):
    return torch.randint(-128, 128, (2, *shape), generator=torch.Generator().manual_seed(1))


def move(action, *arguments, name="m", sources=()):
    return IntegerMove(name=name, action=action, arguments=arguments, sources=sources)


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_permute_is_plain_indexing(order):
    x = integers(*SHAPE)
    node = move("permute", *order)
    got = node.forward(x)[0]
    assert tuple(got.shape) == node.output_shape(SHAPE)
    for place in product(*map(range, SHAPE)):
        assert got[tuple(place[i] for i in order)] == x[0][place]
    swaps = with_swaps(network(node))
    assert all(layer.arguments in CHANNELS_AND for layer in swaps.layers)
    assert torch.equal(swaps(x), node.forward(x))


def test_select_and_concat_are_plain_indexing():
    x = integers(*SHAPE)
    assert move("select", 3, 0, 0).forward(x).tolist() == [[image[i] for i in (3, 0, 0)] for image in x.tolist()]
    rows, columns = (IntegerConcat(name="c", sources=("input", "input"), dim=dim) for dim in (2, 3))
    assert rows.forward(x, x).tolist() == [[c + c for c in image] for image in x.tolist()]
    assert columns.forward(x, x).tolist() == [[[r + r for r in c] for c in image] for image in x.tolist()]
    encoded = ActivationFormat(4, False)
    assert rows.output_format(encoded, encoded) == encoded
    assert (rows.output_shape(SHAPE, SHAPE), columns.output_shape(SHAPE, SHAPE)) == ((4, 12, 2), (4, 6, 4))


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([move("permute", 0, 0, 1)], r"layer 'm' must permute \(4, 6, 2\) by numbers that fit, not \(0, 0, 1\)"),
        ([move("select", 4)], r"layer 'm' must select \(4, 6, 2\) by numbers that fit, not \(4,\)"),
        ([move("select")], "layer 'm' must select"),
        (
            [move("slice", 0, 4, 1, 0, 3, 1, 0, 1, 1), IntegerConcat(name="c", sources=("input", "m"), dim=2)],
            "layer 'c' must join tensors that differ in rows only",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(layers, sentence):
    with pytest.raises(ParameterError, match=sentence):
        network(*layers)


@pytest.mark.parametrize(("name", "value"), [("ceil_mode", 1), ("dim", 4), ("dim", 0)])
def test_fields_of_files_are_judged(name, value):
    with pytest.raises(ParameterError, match=f"{name} of layer 'n'|dim of layer"):
        if name == "dim":
            IntegerConcat(name="n", dim=value)
        else:
            IntegerMaxPool(name="n", kernel=(2, 2), stride=(2, 2), ceil_mode=value)


SIDES = st.integers(1, 4)


def plain_pool(image, kernel, stride, padding, reduce):
    """``reduce`` of the values of each window that begins on the map or before it, as `ceil_mode` has it."""
    (kh, kw), (sy, sx), (py, px) = kernel, stride, padding
    height, width = len(image), len(image[0])

    def starts(size, k, s, p):
        found = [i * s - p for i in range(size + p) if i * s - p < size]
        return [start for i, start in enumerate(found) if i == 0 or found[i - 1] + k < size + p]

    return [
        [
            reduce([
                image[y][x] for y in range(max(top, 0), min(top + kh, height)) for x in range(max(left, 0), min(left + kw, width))
            ])
            for left in starts(width, kw, sx, px)
        ]
        for top in starts(height, kh, sy, py)
    ]  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(kernel=st.tuples(SIDES, SIDES), stride=st.tuples(SIDES, SIDES), padded=st.booleans())
def test_pools_beyond_the_map_are_plain_arithmetic(kernel, stride, padded):
    window = {"kernel": kernel, "stride": stride, "padding": tuple(k // 2 if padded else 0 for k in kernel)}
    x = integers(2, 7, 5)
    largest = IntegerMaxPool(name="m", ceil_mode=True, **window)
    wide = requantize(2, 16, shift=0, bias=0, signed=True)
    summed = IntegerSumPool(name="s", ceil_mode=True, requantize=wide, **window)
    for image, most, total in zip(x.tolist(), largest.forward(x).tolist(), summed.forward(x).tolist(), strict=True):
        assert most == [plain_pool(channel, **window, reduce=max) for channel in image]
        assert total == [plain_pool(channel, **window, reduce=sum) for channel in image]
    assert tuple(largest.forward(x).shape[1:]) == largest.output_shape((2, 7, 5)) == summed.output_shape((2, 7, 5))


@st.composite
def chains(draw):
    """Moves one after another, each of what the one before gives."""
    shape, found = SHAPE, []
    for index in range(draw(st.integers(1, 5))):
        action = draw(st.sampled_from(["reshape", "permute", "select"]))
        if action == "reshape":
            arguments = draw(st.sampled_from([(48,), (4, 12), (4, 6, 2), (8, 3, 2), (2, 2, 6, 2), (2, 12, 2)]))
            arguments = arguments if torch.Size(arguments).numel() == torch.Size(shape).numel() else shape
        elif action == "permute":
            arguments = tuple(draw(st.permutations(range(len(shape)))))
        else:
            arguments = tuple(draw(st.permutations(range(shape[0]))))
        found.append(move(action, *arguments, name=f"m{index}"))
        shape = found[-1].output_shape(shape)
    return found, shape


@settings(max_examples=80, deadline=None, derandomize=True)
@given(chain=chains(), product=st.booleans())
def test_merged_moves_are_the_same_function(chain, product):
    layers, shape = chain
    if product:
        operands = ProductFormat.of((1, 3), 5, 8, True)
        levels = torch.tensor(operands.weight.levels.levels)
        weight = levels[torch.randint(len(levels), (3, torch.Size(shape).numel()))]
        layers = [*layers, IntegerLinear(name="l", operands=operands, weight=weight, requantize=requantize(3))]
    whole, x = network(*layers), integers(*SHAPE)
    merged = merged_moves(whole)
    assert torch.equal(merged(x), whole(x))
    assert merged.layers[-1].name == whole.layers[-1].name
    assert not product or len(merged.layers) == 1


def test_a_tensor_that_others_read_stays():
    first, second = move("permute", 1, 0, 2, name="a"), move("permute", 1, 0, 2, name="b")
    joined = IntegerConcat(name="c", sources=("a", "b2"), dim=2)
    layers = (first, second, move("permute", 1, 0, 2, name="b2", sources=("b",)), joined)
    merged = merged_moves(network(*layers))
    assert [layer.name for layer in merged.layers] == ["a", "b2", "c"]
    assert torch.equal(merged(integers(*SHAPE)), network(*layers)(integers(*SHAPE)))


def test_files_hold_later_fields_only_where_they_say_something(tmp_path):
    plain = IntegerMaxPool(name="m", kernel=(2, 2), stride=(2, 2))
    beyond = IntegerMaxPool(name="m", kernel=(4, 3), stride=(4, 3), ceil_mode=True)
    for pool, held in ((plain, False), (beyond, True)):
        whole = network(pool, move("permute", 2, 0, 1, name="p"), IntegerConcat(name="c", sources=("p", "p"), dim=3))
        save(whole, tmp_path / "net")
        assert (b"ceil_mode" in (tmp_path / "net").read_bytes()) is held
        assert torch.equal(load(tmp_path / "net")(integers(*SHAPE)), whole(integers(*SHAPE)))
