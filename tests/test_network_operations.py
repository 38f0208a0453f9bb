"""More of what networks use: the integers do what the prepared model does, or `prepare` says why not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_operations import MODELS, REFUSED, Net, Step, built, images, row
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.network.network_file import load, save
from asm_hw.training.calibrate import calibrate, quantize
from asm_hw.training.convert import convert
from asm_hw.training.freeze import freeze, settle
from asm_hw.training.prepare import prepare

pytestmark = pytest.mark.usefixtures("one_thread")

FINE = {"alphabets": tuple(range(1, 16, 2)), "weight_bits": 12, "act_bits": 12, "residual_bits": 14}
CLOSE = 0.02
"""Of the largest value: so far may integers of fine formats be off."""


def judge(model, x):
    """The integers of fine formats do what ``model`` does."""
    with torch.no_grad():
        wanted = model.eval()(x.clone())
    network = convert(quantize(model, x, **FINE))
    found = network(network.quantize_input(x)) * network.output_scale
    assert found.shape == wanted.shape
    off = ((found - wanted).abs().max() / wanted.abs().max()).item()
    assert off < CLOSE, off


@pytest.mark.parametrize("name", MODELS)
def test_integers_do_what_the_model_does(name):
    judge(built(MODELS[name]), images())


@pytest.mark.parametrize("name", MODELS)
def test_integers_are_those_of_the_prepared_model(name, tmp_path):
    x = images()
    prepared = quantize(built(MODELS[name]), x, alphabets=(1, 3), weight_bits=5, act_bits=4)
    network = convert(prepared)
    found = network(network.quantize_input(x))
    # The bias of a last layer is rounded to a unit; a float sum may turn a value at half a step over.
    units = ((prepared(x) / network.output_scale) - found).abs()
    assert (units < 2).double().mean() > 0.9, units
    save(network, tmp_path / "net")
    assert torch.equal(load(tmp_path / "net")(network.quantize_input(x)), found)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_integers_is_refused_before_training(name):
    model, sentence = REFUSED[name]
    with pytest.raises(ParameterError, match=sentence):
        prepare(built(model), images(), **FINE)


SIZES = st.integers(1, 4)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    kernel=SIZES,
    stride=SIZES,
    dilation=SIZES,
    same=st.booleans(),
    groups=st.sampled_from([1, 2]),
    length=st.integers(13, 20),
)
def test_any_conv1d(kernel, stride, dilation, same, groups, length):
    torch.manual_seed(kernel)
    how = {"padding": "same"} if same else {"padding": kernel // 2, "stride": stride}
    conv = nn.Conv1d(4, 6, kernel, dilation=dilation, groups=groups, **how)
    judge(nn.Sequential(nn.Flatten(1, 2), conv, nn.ReLU(), nn.Conv1d(6, 4, 1)), images((4, 1, length)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    kernel=st.tuples(SIZES, SIZES), stride=st.tuples(SIZES, SIZES), padded=st.booleans(), ceil=st.booleans(),
    counted=st.booleans(), divisor=st.sampled_from([None, None, 3]), signed=st.booleans(), largest=st.booleans(),
)  # fmt: skip
def test_any_pool(kernel, stride, padded, ceil, counted, divisor, signed, largest):
    padding = tuple(k // 2 for k in kernel) if padded else 0
    if largest:
        pool = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
    else:
        pool = nn.AvgPool2d(kernel, stride, padding, ceil, counted, divisor)
    torch.manual_seed(1)
    judge(Net(pool, signed), images())


@settings(max_examples=10, deadline=None, derandomize=True)
@given(size=st.tuples(st.integers(1, 7), st.integers(1, 9)), largest=st.booleans())
def test_any_adaptive_pool(size, largest):
    torch.manual_seed(1)
    judge(Net((nn.AdaptiveMaxPool2d if largest else nn.AdaptiveAvgPool2d)(size)), images())


@settings(max_examples=10, deadline=None, derandomize=True)
@given(order=st.permutations([1, 2, 3]), after=st.permutations([1, 2, 3]), pad=st.tuples(*[st.integers(0, 2)] * 4))
def test_any_order_of_dimensions_and_zeros_around(order, after, pad):
    torch.manual_seed(1)
    step = Step(lambda x: nn.functional.pad(x.permute(0, *order), pad).permute(0, *after))
    judge(
        Net(nn.Sequential(step, nn.Conv2d(int(step(torch.rand(1, 6, 7, 9)).shape[1]), 4, 2, padding="same"))), images()
    )


def test_an_input_of_rows_is_taken_as_it_is(tmp_path):
    torch.manual_seed(1)
    x = images((1, 4, 15)).flatten(1, 2)
    model = nn.Sequential(nn.Conv1d(4, 6, 3), nn.ReLU(), nn.Conv1d(6, 5, 3))
    network = convert(quantize(model, x, **FINE))
    assert network.input_shape == (4, 15) and network.shapes[network.layers[-1].name] == (5, 11)
    with pytest.raises(ParameterError, match="must take integers from"):
        network(torch.full((1, 4, 15), 1 << 14))
    judge(model, x)


def test_pools_of_parts_refuse_maps_of_another_size():
    prepared = prepare(built(MODELS["pool: padding that does not count"]), images())
    sentence = r"module 'step' must take maps of \(7, 9\) as in the sample, not \(8, 9\)"
    with pytest.raises(ParameterError, match=sentence):
        convert(prepared, (3, 8, 9))
    with pytest.raises(ParameterError, match=sentence):
        prepared(images((3, 8, 9)))


@pytest.mark.parametrize("name", ["join: of unlike scales", "pool: neither"])
def test_joined_tensors_keep_one_scale_through_calibration_and_freeze(name):
    x = images()
    prepared = prepare(built(MODELS[name]), x, alphabets=(1,), weight_bits=5, act_bits=4)
    shared = {node.target for node in prepared.graph.nodes if str(node.target).startswith("asm.values")}
    calibrate(prepared.eval(), [x])
    freeze(prepared)
    settle(prepared)
    network = convert(prepared)
    units = (prepared(x) / network.output_scale - network(network.quantize_input(x))).abs()
    assert (units < 2).double().mean() > 0.9
    calls = [node.target for node in prepared.graph.nodes if node.target in shared]
    assert len(calls) > len(shared)


def test_the_zeros_of_a_pad_go_into_the_layer_that_alone_reads_them():
    def pads(*modules):
        network = convert(quantize(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), *modules), images(), **FINE))
        return [layer.arguments for layer in network.layers if getattr(layer, "action", "") == "pad"]

    assert pads(nn.ZeroPad2d(1), nn.Conv2d(6, 4, 3)) == []
    assert pads(nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(6, 4, 3)) == [(1, 0, 1, 0, 0, 0)]
    assert pads(nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(6, 4, 2, padding="same")) == []


def test_a_row_model_has_no_rows_to_lose():
    network = convert(
        quantize(built(lambda: row(nn.Conv1d(21, 6, 3), nn.ReLU(), nn.Conv1d(6, 4, 3))), images(), **FINE)
    )
    assert [network.shapes[layer.name] for layer in network.products] == [(6, 1, 7), (4, 1, 5)]
