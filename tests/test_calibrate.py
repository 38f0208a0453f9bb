"""Post-training quantization and the choice of alphabets, on the digits."""

from __future__ import annotations

import copy

import pytest
import torch

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.training.calibrate import calibrate, correct_norms, quantize, reestimate_norms
from asm_hw.training.convert import convert
from asm_hw.training.data.digits_data import digits
from asm_hw.training.digits_training import accuracy, train
from asm_hw.training.freeze import freeze, settle
from asm_hw.training.models.digits_model import digits_cnn
from asm_hw.training.prepare import prepare
from asm_hw.training.quantizer import ActivationQuantizer, Narrowing, anneal
from asm_hw.training.requantize_multipliers import scale_errors
from asm_hw.training.sensitivity import closeness, select_alphabets

SHAPE = (1, 8, 8)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    pytest.importorskip("sklearn")
    return digits()


@pytest.fixture(scope="module")
def model(data):
    model = digits_cnn(0)
    train(model, data, epochs=10, seed=0)
    return model


def test_calibration_mends_bad_scales_and_converts(data, model):
    prepared = prepare(model, data.train_images[:64], act_bits=4, overrides={"3": {"act_bits": 6}})
    with torch.no_grad():
        for module in prepared.modules():
            if isinstance(module, ActivationQuantizer) and module.log2_scale.requires_grad:
                module.log2_scale.add_(4.0)
    broken = accuracy(prepared.eval(), data.test_images, data.test_labels)
    calibrate(prepared, data.train_images[:512].split(128))
    mended = accuracy(prepared, data.test_images, data.test_labels)
    assert mended > 0.9 and broken < mended - 0.15
    freeze(prepared)
    settle(prepared)
    network = convert(prepared, SHAPE)
    with torch.no_grad():
        logits = prepared(data.test_images)
    steps = (network(network.quantize_input(data.test_images)) - logits / network.output_scale).abs()
    assert steps.max() < 0.51


def test_calibration_fits_what_narrows(data, model):
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one = torch.nn.Conv2d(1, 4, 3, padding=1)
            self.two = torch.nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            x = torch.relu(self.one(x))
            return torch.relu(self.two(x) + x)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        prepared = prepare(Residual(), data.train_images[:64], act_bits=4, edge={})
    narrow = [m for m in prepared.modules() if isinstance(m, Narrowing)]
    assert len(narrow) == 1
    fitted = int(narrow[0].shift)
    narrow[0].shift.fill_(0)
    calibrate(prepared, [data.train_images[:64]])
    # What arrives is quantized by now, so the fit may differ by a step.
    assert fitted > 0 and abs(int(narrow[0].shift) - fitted) <= 1


def test_norms_take_the_statistics_of_the_data(data, model):
    moved = copy.deepcopy(model)
    moved[1].running_mean.add_(3.0)
    reestimate_norms(moved, [data.train_images[:600], data.train_images[600:1200]])
    halves = []
    with torch.no_grad():
        for images in (data.train_images[:600], data.train_images[600:1200]):
            halves.append(model[0](images).mean((0, 2, 3)))
    assert torch.allclose(moved[1].running_mean, sum(halves) / 2, atol=1e-5)
    assert moved[1].momentum == 0.1 and not moved.training


def test_annealing_goes_from_all_integers_to_the_set(data, model):
    prepared = prepare(model, data.train_images[:64], alphabets=(1,), edge={})
    layer = prepared.get_submodule("3")
    scale = layer.parametrizations.weight[0].scale.view(-1, 1, 1, 1)
    target = layer.weight.detach().clone()
    anneal(prepared, 0.0)
    integers = layer.weight.detach() / scale
    assert torch.allclose(integers, integers.round(), atol=1e-5) and 3 in integers.round().abs().unique().tolist()
    anneal(prepared, 0.5)
    assert torch.allclose(layer.weight, (target + integers * scale) / 2, atol=1e-6)
    anneal(prepared, 1.0)
    assert torch.equal(layer.weight, target)


def test_choice_escalates_until_the_score_or_the_budget(data, model):
    images = data.train_images[:256]
    score = closeness(model, data.train_images[256:768])
    settings = {"formats": {"act_bits": 8, "weight_bits": 5}, "candidates": [(1,), (1, 3), (1, 3, 5, 7)]}
    seen = []
    free = select_alphabets(model, images, score, least=-0.01, report=seen.append, **settings)
    assert set(free.alphabets) == {"0", "3", "6", "10"} == set(free.sensitivity)
    costs = [point.cost for point in free.curve]
    assert costs == sorted(costs) and free.curve[0].raised is None
    assert set(free.curve[0].alphabets.values()) == {AlphabetSet((1,))}
    for before, after in zip(free.curve, free.curve[1:], strict=False):
        changed = [path for path in before.alphabets if before.alphabets[path] != after.alphabets[path]]
        assert changed == [after.raised]
    assert free.reached and free.selected is free.curve[-1] and free.selected.score >= -0.01
    assert len(free.curve) > 1 and all(point.score < -0.01 for point in free.curve[:-1])
    assert len(seen) == 1 + 4 + len(free.curve) and seen[0] == free.top
    # The score is that of what the hardware computes.
    prepared = quantize(model, images, feedback=False, overrides=free.overrides, act_bits=8, weight_bits=5)
    assert prepared.get_submodule("3").parametrizations.weight[0].format.alphabets == free.alphabets["3"]
    assert score(prepared) == free.selected.score
    network = convert(prepared)
    integers = network(network.quantize_input(data.test_images)) * network.output_scale
    assert torch.equal(integers.argmax(1), prepared(data.test_images).argmax(1))


def test_a_budget_ends_the_escalation_and_its_best_point_counts(model, data):
    """Scores are made up here: the best is neither the first nor the last."""
    scores = iter([10.0, 9.0, 8.0, 7.0, 6.0, 1.0, 5.0, 3.0, 2.0, 4.0, 0.0])  # top, four layers, the curve
    settings = {"cost": lambda path, alphabets: len(alphabets) / 4, "candidates": [(1,), (1, 3)]}
    images = data.train_images[:64]
    bound = select_alphabets(model, images, lambda m: next(scores), most_cost=1.75, **settings)
    assert bound.sensitivity == {"0": 1.0, "3": 2.0, "6": 3.0, "10": 4.0}
    assert [point.raised for point in bound.curve] == [None, "10", "6", "3"]
    assert [point.score for point in bound.curve] == [1.0, 5.0, 3.0, 2.0]
    assert not bound.reached and bound.selected.score == 5.0 and bound.selected.cost == 1.25
    assert bound.alphabets == bound.selected.alphabets
    for candidates in ([(1, 3), (1,)], [(1,), (1,)]):
        with pytest.raises(ParameterError, match="candidates must cost more from one to the next"):
            select_alphabets(model, images, lambda m: 0.0, **settings | {"candidates": candidates})
    with pytest.raises(ParameterError, match=r"most_cost must be at least 1, that of .*, not 0\.5"):
        select_alphabets(model, images, lambda m: 0.0, most_cost=0.5, **settings)


def test_norms_are_corrected_by_what_quantization_shifts(data, model):
    """After it each norm sees the float model's means, but for its own shift; multipliers stay."""
    images = data.train_images[:512]
    prepared = prepare(model, images, alphabets=(1,), act_bits=4)
    freeze(prepared)
    with torch.no_grad():
        wanted = means_at_norms(model.eval(), images)
        before = means_at_norms(prepared.eval(), images)
        errors = scale_errors(prepared)
        correct_norms(prepared, model, images)
        after = means_at_norms(prepared, images)
    shifts = [
        (mean - norm) - (float_mean - float_norm)
        for (norm, mean), (float_norm, float_mean) in zip(before, wanted, strict=True)
    ]
    assert max(shift.abs().max().item() for shift in shifts) > 0.01
    for (norm, mean), (float_norm, float_mean) in zip(after, wanted, strict=True):
        assert torch.allclose(mean - norm, float_mean - float_norm, atol=1e-5)
    assert scale_errors(prepared) == errors and max(errors.values()) < 1e-6


def means_at_norms(model, images):
    """(running mean, mean of the input) of each batch norm."""
    found = []

    def hook(norm, inputs):
        found.append((norm.running_mean.clone(), inputs[0].mean((0, 2, 3))))

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(hook) for norm in norms]
    model(images)
    for one in hooks:
        one.remove()
    return found


def test_bad_calls_are_refused(data, model):
    with pytest.raises(ParameterError, match="must be prepared"):
        calibrate(model, [data.train_images[:8]])
    with pytest.raises(ParameterError, match="candidates must name at least one"):
        select_alphabets(model, data.train_images[:8], lambda m: 0.0, candidates=[])
