"""A prepared, trained and converted model against its integers."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys

import pytest
import torch
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import weight_levels
from asm_hw.training.convert import convert
from asm_hw.training.data import digits
from asm_hw.training.digits_training import accuracy, shift_images, train, train_asm
from asm_hw.training.freeze import freeze, settle
from asm_hw.training.models import digits_cnn
from asm_hw.training.prepare import prepare
from asm_hw.training.quantizer import ActivationQuantizer
from asm_hw.training.requantize_multipliers import scale_errors

SETS = [(1,), (1, 3), (1, 3, 5, 7), (1, 11), tuple(range(1, 16, 2))]
SHAPE = (1, 8, 8)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    pytest.importorskip("sklearn")
    return digits()


@pytest.fixture(scope="module")
def trained(data):
    """A float model and, per alphabet set, what a brief alphabet-aware training makes of it."""
    model = digits_cnn(0)
    train(model, data, epochs=10, seed=0)
    return model, {a: train_asm(model, data, epochs=6, seed=0, alphabets=a) for a in [(1,), (1, 3)]}


def layer(model, path):
    return model.get_submodule(path)


def quantizers(model):
    """The quantizers of the stored tensors, the input's first."""
    return [module for module in model.modules() if isinstance(module, ActivationQuantizer)]


# Prepare.


def test_prepare_leaves_the_model_and_its_names_alone(data):
    model = digits_cnn(1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prepared = prepare(model, data.train_images[:64])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert type(model[0]) is nn.Conv2d and not hasattr(model, "asm")
    assert isinstance(layer(prepared, "0"), nn.Conv2d) and isinstance(layer(prepared, "10"), nn.Linear)
    assert len(layer(prepared, "10").parametrizations.weight[0].scale) == 1  # logits of one scale
    assert len(layer(prepared, "3").parametrizations.weight[0].scale) == 16
    third = layer(prepared, "3")
    levels = third.weight[2].unique().div(third.parametrizations.weight[0].scale[2]).round().int().tolist()
    assert set(levels) <= set(weight_levels(AlphabetSet((1, 3)), 5).levels)


def test_only_the_scale_of_the_network_s_input_is_fixed(data):
    small = dataclasses.replace(data, train_images=data.train_images[:128], train_labels=data.train_labels[:128])
    prepared = prepare(digits_cnn(1), small.train_images, input_scale=data.input_scale)
    before = [quantizer.scale.item() for quantizer in quantizers(prepared)]
    assert before[0] == 1 / 16 and len(set(before)) == 4
    train(prepared, small, epochs=2, seed=0)
    after = [quantizer.scale.item() for quantizer in quantizers(prepared)]
    assert [new != old for new, old in zip(after, before, strict=True)] == [0, 1, 1, 1]


def test_prepared_state_loads_into_another_prepared_model(data, trained):
    _, prepared = trained
    other = prepare(digits_cnn(9), data.train_images[:64], alphabets=(1,), edge={}, input_scale=data.input_scale)
    other.load_state_dict(prepared[1,].state_dict(), strict=True)
    other.eval()
    assert torch.equal(other(data.test_images), prepared[1,](data.test_images))
    one, two = convert(other, SHAPE), convert(prepared[1,], SHAPE)
    x = one.quantize_input(data.test_images[:50])
    assert torch.equal(one(x), two(x))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"alphabets": (1, 4)}, "alphabet 4 must be odd"),
        ({"weight_bits": 17}, "weight_bits must be an integer from 2 to 16, not 17"),
        ({"act_bits": 0}, "act_bits must be an integer from 1 to 16, not 0"),
        ({"input_scale": -1.0}, "input_scale must be a number above 0, normal in float32, not -1.0"),
    ],
)
def test_prepare_refuses(settings, sentence):
    with pytest.raises(ParameterError, match=sentence):
        prepare(digits_cnn(), torch.rand(4, 1, 8, 8), **settings)


def test_prepare_refuses_models_it_cannot_quantize():
    with pytest.raises(ParameterError, match="model ReLU must hold a Conv1d, Conv2d or Linear to quantize"):
        prepare(nn.ReLU(), torch.rand(2, 4))
    twice = prepare(digits_cnn(), torch.rand(4, 1, 8, 8))
    with pytest.raises(ParameterError, match="module '0' must have a plain weight"):
        prepare(twice, torch.rand(4, 1, 8, 8))


# Convert.


@pytest.mark.parametrize("alphabets", [(1,), (1, 3)], ids=str)
def test_integers_agree_with_the_fake_quantized_model(data, trained, alphabets):
    prepared = copy.deepcopy(trained[1][alphabets])
    settle(prepared)
    network = convert(prepared, SHAPE)
    code = weight_levels(AlphabetSet(alphabets), 5)
    assert all(value in code for layer in network.layers for value in layer.weight.unique().tolist())
    integers = network(network.quantize_input(data.test_images))
    with torch.no_grad():
        logits = prepared(data.test_images)
    assert torch.equal(integers.argmax(1), logits.argmax(1))
    assert (integers - logits / network.output_scale).abs().max() < 0.51  # the rounding of the last bias
    assert max(scale_errors(prepared).values()) < 1e-6


def test_training_pays_and_freezing_does_not_break(data, trained):
    model, prepared = trained
    float_accuracy = accuracy(model, data.test_images, data.test_labels)
    assert float_accuracy > 0.95
    for alphabets in [(1,), (1, 3)]:
        network = convert(prepared[alphabets], SHAPE)
        reached = accuracy(lambda x, n=network: n(n.quantize_input(x)), data.test_images, data.test_labels)
        assert reached > float_accuracy - 0.03


def test_freeze_makes_ratios_levels_and_stops_statistics(data, trained):
    prepared = prepare(trained[0], data.train_images[:256], alphabets=(1,), input_scale=data.input_scale).eval()
    unfrozen = max(scale_errors(prepared).values())
    assert 0.01 < unfrozen < 0.14
    first = layer(prepared, "0").parametrizations.weight
    before = [w[0].scale.clone() for w in (first, layer(prepared, "3").parametrizations.weight)]
    freeze(prepared)
    assert max(scale_errors(prepared).values()) < 1e-6
    after = [w[0].scale for w in (first, layer(prepared, "3").parametrizations.weight)]
    assert all((new / old - 1).abs().max() < 0.15 for new, old in zip(after, before, strict=True))
    mean, log2_scale = layer(prepared, "1").running_mean.clone(), first[0].log2_scale.clone()
    weight = first.original.clone()
    train(
        prepared,
        dataclasses.replace(data, train_images=data.train_images[:128], train_labels=data.train_labels[:128]),
        epochs=1,
        seed=0,
    )
    assert torch.equal(layer(prepared, "1").running_mean, mean)
    assert torch.equal(first[0].log2_scale, log2_scale)
    assert not torch.equal(first.original, weight)
    assert max(scale_errors(prepared).values()) < 1e-6


@pytest.mark.parametrize(
    "settings",
    [{"act_alphabets": (1,)}, {"act_bits": 2}, {"weight_bits": 8, "act_bits": 4, "act_alphabets": (1, 3)}],
    ids=str,
)
def test_other_number_formats_convert_too(data, trained, settings):
    prepared = train_asm(trained[0], data, epochs=1, seed=0, alphabets=(1, 3), **settings)
    network = convert(prepared, SHAPE)
    x = network.quantize_input(data.test_images)
    assert torch.equal(x, quantizers(prepared)[0].integers(data.test_images))
    with torch.no_grad():
        agree = network(x).argmax(1) == prepared(data.test_images).argmax(1)
    assert agree.double().mean() >= 0.99


# Determinism and data.


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(data):
    small = dataclasses.replace(data, train_images=data.train_images[:192], train_labels=data.train_labels[:192])

    def run(seed):
        model = digits_cnn(seed)
        losses = train(model, small, epochs=1, seed=seed)
        calls = []
        prepared = train_asm(
            model, small, epochs=3, seed=seed, progress=lambda epoch, loss: calls.append((epoch, loss))
        )
        assert [epoch for epoch, _ in calls] == [1, 2, 3]
        return [*losses, *calls], prepared.state_dict()

    state = torch.get_rng_state()
    first, again, other = run(1), run(1), run(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert first[0] == again[0] != other[0]
    assert all(torch.equal(first[1][name], value) for name, value in again[1].items())


def test_train_refuses_too_little(data):
    with pytest.raises(ParameterError, match="epochs must be an integer from 1 to 65536, not 0"):
        train(digits_cnn(), data, epochs=0, seed=0)
    tiny = dataclasses.replace(data, train_images=data.train_images[:9], train_labels=data.train_labels[:9])
    with pytest.raises(ParameterError, match="training images must be at least 64, not 9"):
        train(digits_cnn(), tiny, epochs=1, seed=0)


def test_digits_split_is_fixed_and_stratified(data):
    again = digits()
    assert torch.equal(again.test_images, data.test_images) and torch.equal(again.train_labels, data.train_labels)
    assert data.train_images.shape == (1347, 1, 8, 8) and data.test_images.shape == (450, 1, 8, 8)
    assert data.test_labels.bincount().min() >= 43
    integers = data.train_images / data.input_scale
    assert torch.equal(integers, integers.round()) and (integers.min(), integers.max()) == (0, 16)


def test_shift_moves_by_at_most_a_pixel():
    image = torch.zeros(64, 1, 8, 8)
    image[:, :, 4, 4] = 1
    shifted = shift_images(image, torch.Generator().manual_seed(0))
    assert shifted.shape == image.shape
    assert shifted[:, 0, 3:6, 3:6].sum((1, 2)).eq(1).all()
    assert len(shifted.flatten(1).argmax(1).unique()) == 9


def test_training_loads_without_amaranth():
    program = "import sys, asm_hw.training.digits_training; sys.exit(any(name.split('.')[0] == 'amaranth' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
