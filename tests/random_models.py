"""Random PyTorch models of steps that a graph can follow, in place and not, some of them without an integer form."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 4


def _layer(kind):
    return lambda m, t, i: t.append(m.layers[i][kind](t[-1]))


def _ignored(call):
    """A step whose result nothing takes."""
    return lambda m, t, i: call(m, t, i)


def _keep(call):
    return lambda m, t, i: t.append(call(m, t, i))


def _other(t, i):
    return t[(i * 7) % len(t)]


STEPS = {
    "conv": _layer("conv"),
    "conv again": lambda m, t, i: t.append(m.layers[0]["conv"](t[-1])),
    "norm": _layer("norm"),
    "relu module": _layer("relu"),
    "relu module in place": _layer("relu_"),
    "relu module in place, ignored": _ignored(lambda m, t, i: m.layers[i]["relu_"](t[-1])),
    "relu of an older one, ignored": _ignored(lambda m, t, i: F.relu_(_other(t, i))),
    "relu": _keep(lambda m, t, i: F.relu(t[-1])),
    "relu_": _ignored(lambda m, t, i: t[-1].relu_()),
    "relu6": _keep(lambda m, t, i: F.relu6(t[-1], inplace=i % 2 == 0)),
    "clamp": _keep(lambda m, t, i: t[-1].clamp(-0.7, 0.9)),
    "clamp_": _ignored(lambda m, t, i: t[-1].clamp_(max=0.8)),
    "add": _keep(lambda m, t, i: t[-1] + _other(t, i)),
    "add with alpha": _keep(lambda m, t, i: torch.add(t[-1], _other(t, i), alpha=-0.5)),
    "sub": _keep(lambda m, t, i: _other(t, i) - t[-1]),
    "add_": _ignored(lambda m, t, i: t[-1].add_(_other(t, i))),
    "offset": _keep(lambda m, t, i: t[-1] + 0.3),
    "offset_": _ignored(lambda m, t, i: t[-1].sub_(0.2)),
    "factor": _keep(lambda m, t, i: -1.5 * t[-1]),
    "factor_": _ignored(lambda m, t, i: t[-1].mul_(0.6)),
    "quotient": _keep(lambda m, t, i: t[-1] / 1.7),
    "parameter": _keep(lambda m, t, i: t[-1] * m.gamma + m.beta),
    "difference": _keep(lambda m, t, i: 1 - t[-1]),
    "max pool": _keep(lambda m, t, i: F.max_pool2d(t[-1], 3, 1, 1)),
    "mean pool": _keep(lambda m, t, i: F.avg_pool2d(t[-1], 3, 1, 1)),
    "dropout": _keep(lambda m, t, i: F.dropout(t[-1], 0.3, m.training)),
    "dropout, ignored": _ignored(lambda m, t, i: F.dropout(t[-1], 0.3, m.training, inplace=True)),
    "alias": _keep(lambda m, t, i: t[-1]),
    "identity": _layer("same"),
    "view": _keep(lambda m, t, i: t[-1].flatten(2).view(t[-1].shape)),
    "view overwritten": _ignored(lambda m, t, i: t[-1].flatten(1).relu_()),
    "old": _keep(lambda m, t, i: _other(t, i)),
    "augmented": lambda m, t, i: t.__setitem__(-1, _augmented(t[-1])),
    "hooked": _layer("hooked"),
    "channel shuffle": _keep(lambda m, t, i: F.channel_shuffle(t[-1], 2)),
    "transposed": _keep(lambda m, t, i: t[-1].transpose(2, 3)),
    "shuffled by hand": _keep(lambda m, t, i: t[-1].view(-1, 2, 2, 6, 6).transpose(1, 2).reshape(-1, 4, 6, 6)),
    "zeros on one side": _keep(lambda m, t, i: F.max_pool2d(F.pad(t[-1], (0, 1, 1, 0)), 2, 1)),
    "an even kernel": _layer("even"),
    "padding that does not count": _keep(lambda m, t, i: F.avg_pool2d(t[-1], 3, 1, 1, count_include_pad=False)),
    "pieces of two": _keep(lambda m, t, i: torch.cat([t[-1][:, :, 2:], _other(t, i)[:, :, :2]], 2)),
    "rows": _keep(lambda m, t, i: m.layers[i]["row"](t[-1].flatten(2)).unflatten(2, (6, 6))),
    "pixels in channels and back": _keep(lambda m, t, i: F.pixel_shuffle(F.pixel_unshuffle(t[-1], 2), 2)),
    "gelu": _keep(lambda m, t, i: F.gelu(t[-1])),
    "sigmoid": _keep(lambda m, t, i: t[-1].sigmoid()),
    "sigmoid_": _ignored(lambda m, t, i: t[-1].sigmoid_()),
    "hardswish in place": _keep(lambda m, t, i: F.hardswish(t[-1], inplace=True)),
    "leaky module": _layer("leaky"),
    "prelu": _layer("prelu"),
    "softmax": _keep(lambda m, t, i: F.softmax(t[-1], 1)),
    "product": _keep(lambda m, t, i: t[-1] * _other(t, i)),
    "part overwritten": _ignored(lambda m, t, i: t[-1][:, :2].relu_()),
}

FORMLESS = {"softmax", "product", "part overwritten"}
"""Steps without an integer form."""


def _augmented(x):
    x += 0.25
    x *= 0.5
    return x


class RandomModel(nn.Module):
    """A convolution, some of `STEPS`, and a last layer behind the mean."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        torch.manual_seed(seed)
        self.steps = [draw.choice(list(STEPS)) for _ in range(draw.randint(2, 7))]
        self.first = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.layers = nn.ModuleList(nn.ModuleDict(_modules()) for _ in self.steps)
        self.gamma = nn.Parameter(torch.rand(CHANNELS, 1, 1) + 0.5)
        self.beta = nn.Parameter(torch.randn(1, CHANNELS, 1, 1))
        self.head = nn.Linear(CHANNELS, 5)

    def forward(self, x):
        tensors = [self.first(x)]
        for index, step in enumerate(self.steps):
            STEPS[step](self, tensors, index)
        return self.head(tensors[-1].mean((2, 3)))


def _modules():
    norm = nn.BatchNorm2d(CHANNELS)
    nn.init.uniform_(norm.running_mean, -0.3, 0.3)
    nn.init.uniform_(norm.running_var, 0.2, 0.8)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    hooked = nn.ReLU()
    hooked.register_forward_hook(lambda module, inputs, out: out * 0.5 + 0.1)
    even, row = nn.Conv2d(CHANNELS, CHANNELS, 2, padding="same"), nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1)
    conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
    return {
        "conv": conv,
        "even": even,
        "row": row,
        "norm": norm,
        "relu": nn.ReLU(),
        "leaky": nn.LeakyReLU(0.2, inplace=True),
        "prelu": nn.PReLU(),
        "relu_": nn.ReLU(inplace=True),
        "same": nn.Identity(),
        "hooked": hooked,
    }
