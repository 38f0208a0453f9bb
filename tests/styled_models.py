"""Models of any style: built, trained a little, and compared with their integers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SHAPE = (3, 12, 12)


class Normed(nn.Conv2d):
    """A user's own subclass of a known layer."""


class Shortcut(nn.Module):
    """Option A: strided slices and channels of zeros."""

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2), "constant", 0)


class Foreign(nn.Module):
    """Everything at once, in a style of its own."""

    def __init__(self, branch=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Sequential(Normed(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)))
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.cut = Shortcut()
        self.inverted = nn.Sequential(
            nn.Conv2d(8, 16, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(inplace=True),
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(inplace=True),
            nn.Conv2d(16, 8, 1, bias=False),
            nn.BatchNorm2d(8, affine=False),
        )
        self.project = nn.Sequential(nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6))
        self.main = nn.Sequential(nn.Conv2d(8, 6, 3, padding=2, dilation=2), nn.BatchNorm2d(6))
        self.before = nn.BatchNorm2d(12)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = F.relu(self.stem(x), inplace=True)
        x = F.relu(self.shared(x))
        x = F.relu(self.shared(x)) + x  # shared weights; a residual of stored tensors
        y = self.norm(self.down(x))
        y += self.cut(x)
        y = F.relu(F.max_pool2d(y, 2))
        y = y + self.inverted(y)  # a linear bottleneck: signed
        z = torch.relu(self.main(y) + self.project(y))  # two products: one is stored
        z = F.hardtanh(self.before(torch.cat([z, z], 1)), -0.5, 2.0)
        z = F.avg_pool2d(z, z.size()[3])
        z = F.dropout(z, 0.1, self.training)
        return self.head(z.view(z.size(0), -1))


def images(n, seed=0):
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def build(model_class, *args, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(*args)
    for _ in range(20):
        model(images(64))  # running statistics
    return model


def train_a_little(model, steps=4):
    model.train()
    x, y = images(64, 1), torch.arange(64) % 5
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.02)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropout
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    model.eval()
    return losses


def agreement(prepared, network, n=300):
    """The largest distance of logits, in steps of the output."""
    x = images(n, 7)
    with torch.no_grad():
        expected = prepared(x) / network.output_scale
    return (network(network.quantize_input(x)) - expected).abs()


class Calls(nn.Module):
    """A convolution, ``between`` and another convolution."""

    def __init__(self, between):
        super().__init__()
        self.one, self.two, self.between = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), between

    def forward(self, x):
        return self.two(self.between(self.one(x)))
