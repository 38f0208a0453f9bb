"""Rounding with error feedback, by plain arithmetic: enumeration where the space is small, float64 elsewhere."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import weight_levels
from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert
from asm_hw.training.error_feedback import round_model
from asm_hw.training.feedback_rounding import Moments, round_with_feedback
from asm_hw.training.float_twin import float_twin
from asm_hw.training.freeze import freeze
from asm_hw.training.input_moments import DAMPING, input_moments
from asm_hw.training.levels import NearestLevel
from asm_hw.training.prepare import prepare
from asm_hw.training.requantize_multipliers import scale_errors
from asm_hw.training.rounding_checkpoint import RoundingCheckpoint

pytestmark = pytest.mark.usefixtures("one_thread")

SETS = [(1,), (1, 3), (1, 3, 5, 7)]


def correlated(groups, terms, seed):
    """Covariances [groups, terms, terms] of terms that go together."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(groups, 4 * terms, 1, generator=generator) + 0.5 * torch.randn(
        groups, 4 * terms, terms, generator=generator
    )
    return x.transpose(1, 2) @ x / (4 * terms)


def error_of(levels, weight, scale, matrix):
    lost = (levels * scale[..., None] - weight).double()
    return torch.einsum("grt,gtu,gru->gr", lost, matrix.double(), lost)


@given(st.sampled_from(SETS), st.integers(2, 70), st.integers(1, 3), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_feedback_never_does_worse_than_the_nearest_levels(alphabets, terms, groups, seed):
    matrix = correlated(groups, terms, seed)
    weight = torch.randn(groups, 5, terms, generator=torch.Generator().manual_seed(seed))
    nearest = NearestLevel(weight_levels(AlphabetSet(alphabets), 5))
    scale = weight.abs().amax(2) / nearest.code.max
    levels, error = round_with_feedback(weight, scale, Moments.of(matrix), nearest)
    assert torch.isin(levels, torch.tensor(nearest.code.levels, dtype=levels.dtype)).all()
    assert torch.allclose(error.double(), error_of(levels, weight, scale, matrix), rtol=1e-2, atol=1e-5)
    plain = error_of(nearest(weight / scale[..., None]), weight, scale, matrix)
    assert (error.double() <= plain * 1.001 + 1e-5).all()


def test_few_terms_come_close_to_the_best_of_all_levels():
    """All 11 ** 3 combinations of three levels, of 200 rows: most rows reach the least error there is."""
    nearest = NearestLevel(weight_levels(AlphabetSet((1, 3)), 4))
    choices = torch.tensor(list(itertools.product(nearest.code.levels, repeat=3)), dtype=torch.float32)
    matrix = correlated(1, 3, 7)
    weight = torch.randn(1, 200, 3, generator=torch.Generator().manual_seed(3))
    scale = torch.full((1, 200), 0.3)
    _, error = round_with_feedback(weight, scale, Moments.of(matrix), nearest)
    all_errors = torch.stack([error_of(row.expand(1, 200, 3), weight, scale, matrix) for row in choices])
    least = all_errors.amin(0)
    plain = error_of(nearest(weight / 0.3), weight, scale, matrix)
    assert (error.double() >= least * 0.999 - 1e-6).all()
    assert (error.double() <= least * 1.001 + 1e-6).double().mean() > 0.7
    assert error.sum() < 1.1 * least.sum() < plain.sum()


LAYERS = {
    "linear": (lambda: nn.Linear(6, 4), (40, 6)),
    "rows": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (12, 4, 17)),
    "1x1": (lambda: nn.Conv2d(6, 4, 1, stride=2), (12, 6, 7, 7)),
    "3x3": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (12, 4, 7, 7)),
    "groups, dilation": (lambda: nn.Conv2d(4, 6, (3, 2), padding=(2, 1), dilation=(2, 1), groups=2), (12, 4, 7, 6)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, padding="same", groups=4), (12, 4, 6, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_moments_are_those_of_the_layers_outputs(name):
    """The variance of what a layer gives is its weights in the covariance, its mean its weights in the means."""
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer, x = make().double(), torch.randn(shape, dtype=torch.float64) + 0.3
    other = x + 0.1 * torch.randn_like(x)
    seen = input_moments(layer, x, other)
    groups = len(seen.matrix)
    rows = layer.weight.detach().reshape(groups, len(layer.weight) // groups, -1)
    with torch.no_grad():
        out, wanted = (layer(t).transpose(0, 1).flatten(1) - layer.bias[:, None] for t in (x, other))
    for mean, of in ((seen.mean, out), (seen.float_mean, wanted)):
        found = (rows * mean[:, None].double()).sum(2).flatten()
        assert torch.allclose(found, of.mean(1), atol=1e-5)
    undamped = seen.matrix.double()
    diagonal = undamped.diagonal(dim1=1, dim2=2).mean(1) * DAMPING / (1 + DAMPING)
    undamped = undamped - torch.diag_embed(diagonal[:, None].expand(undamped.shape[:2]))
    variance = torch.einsum("grt,gtu,gru->gr", rows, undamped, rows).flatten()
    assert torch.allclose(variance, out.var(1, correction=0), rtol=1e-4)


def test_moments_of_what_varies_little_around_a_large_mean():
    """As behind a sigmoid and a mean: the covariance is that of float64, damped, and can be inverted."""
    x = 0.5 + 1e-4 * torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    seen = input_moments(nn.Linear(16, 4), x, x)
    wanted = x.double().T.cov(correction=0)
    wanted += (DAMPING * wanted.diagonal().mean() + 1e-10) * torch.eye(16)
    assert torch.allclose(seen.matrix[0].double(), wanted, rtol=1e-3, atol=1e-12)
    assert torch.isfinite(Moments.of(seen.matrix).inverse_root).all()


def small_net(seed, act=nn.ReLU):
    """With functions that become tables where ``act`` is one of them."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        act(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 16, 1),
        act(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    ).eval()


def some_images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 4, 4, generator=generator)
    return F.interpolate(coarse, size=10, mode="bilinear") + 0.2 * torch.randn(count, 3, 10, 10, generator=generator)


@pytest.mark.parametrize(
    ("alphabets", "act"), [*((one, nn.ReLU) for one in SETS), ((1,), nn.SiLU), ((1, 3), nn.SiLU), ((1, 3), nn.Sigmoid)]
)
def test_a_model_comes_closer_to_its_floats(alphabets, act):
    """On images that it was not fitted on; multipliers stay levels, and the integers are what the model computes."""
    formats = {"alphabets": alphabets, "weight_bits": 4, "act_bits": 8}
    far, near = 0.0, 0.0
    for seed in range(3):
        model, fitted, others = small_net(seed, act), some_images(64), some_images(200, seed=9)
        with torch.no_grad():
            wanted = model(others)
            plain = quantize(model, fitted, feedback=False, **formats)
            rounded = quantize(model, fitted, **formats)
            far += F.mse_loss(plain(others), wanted).item()
            near += F.mse_loss(rounded(others), wanted).item()
            assert max(scale_errors(rounded).values()) < 1e-6
            network = convert(rounded)
            steps = rounded(others).double() / network.output_scale
            assert (network(network.quantize_input(others)) - steps).abs().max() <= 2
    assert near < 0.6 * far


@pytest.mark.parametrize("act", [nn.ReLU, nn.SiLU, nn.GELU, nn.Sigmoid, nn.Softplus, nn.PReLU, nn.Tanh])
def test_the_twin_is_the_float_model_node_by_node(act):
    model, x = small_net(0, act), some_images(8)
    prepared = prepare(model, x, alphabets=(1,), weight_bits=4, act_bits=4)
    twin = float_twin(prepared)
    with torch.no_grad():
        assert torch.allclose(twin(x), model(x), atol=1e-5)
        assert not torch.allclose(prepared.eval()(x), model(x), atol=1e-2)
    assert [node.name for node in twin.graph.nodes] == [node.name for node in prepared.graph.nodes]


def test_layers_that_are_called_twice_keep_their_nearest_levels():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 3, 1), nn.Linear(3, 4)

        def forward(self, x):
            return self.last(torch.relu(self.conv(torch.relu(self.conv(x)))).mean((2, 3)))

    torch.manual_seed(0)
    model, x = Twice().eval(), some_images(32)
    prepared = prepare(model, x, alphabets=(1, 3), weight_bits=5)
    twin = float_twin(prepared)
    freeze(prepared)
    before = {path: value.clone() for path, value in prepared.state_dict().items()}
    done = []
    round_model(prepared, twin, x, done.append)
    assert done == ["last"]
    moved = {path for path, value in prepared.state_dict().items() if not torch.equal(value, before[path])}
    assert moved and all(path.startswith("last.") for path in moved)


def test_an_interrupted_rounding_goes_on_to_the_same_weights(tmp_path):
    """Stopped after two layers; what went before is not rounded again, and all ends as in one go."""
    model, x = small_net(0), some_images(48)
    formats = {"alphabets": (1, 3), "weight_bits": 4}
    wanted = quantize(model, x, **formats).state_dict()

    class Stopped(Exception):
        pass

    def stop(path):
        told.append(path)
        if len(told) == 2:
            raise Stopped

    told = []
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stopped):
        quantize(model, x, report=stop, checkpoint=RoundingCheckpoint(path, {"a": 1}, seconds=0), **formats)
    rest = []
    kept = RoundingCheckpoint(path, {"a": 1}, seconds=0)
    found = quantize(model, x, report=rest.append, checkpoint=kept, **formats).state_dict()
    assert told == ["0", "2"] and rest == ["5", "9"] and kept.done == ["0", "2", "5", "9"]
    assert wanted.keys() == found.keys() and all(torch.equal(wanted[name], found[name]) for name in wanted)
    with pytest.raises(ParameterError, match="a must be 1, with which"):
        quantize(model, x, checkpoint=RoundingCheckpoint(path, {"a": 2}), **formats)
