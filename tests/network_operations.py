"""Models with one more operation each, by name: rows, zeros on one side, pools, shuffles, dimensions in another order.

``MODELS``: become integers. ``REFUSED``: by a sentence that holds the text beside each. Each takes `SHAPE`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SHAPE = (3, 7, 9)


def images(shape=SHAPE, count=8):
    """Of unlike contrast, so that a model tells them apart."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *shape, generator=generator) * torch.rand(count, 1, 1, 1, generator=generator) * 3


def built(model):
    torch.manual_seed(1)
    return model().eval()


class Step(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Net(nn.Module):
    """A convolution, ``step`` on its ReLU [n, 6, 7, 9], or on the signed sums, and what comes of it in a matrix product."""

    def __init__(self, step, signed=False):
        super().__init__()
        self.one, self.signed = nn.Conv2d(3, 6, 3, padding=1), signed
        self.step = step if isinstance(step, nn.Module) else Step(step)
        with torch.no_grad():
            channels = self.step(torch.rand(2, 6, 7, 9)).shape[1]
        self.two = nn.Conv2d(channels, 5, 1)
        self.head = nn.Linear(5, 4)

    def forward(self, x):
        x = self.one(x)
        x = self.step(x if self.signed else F.relu(x))
        return self.head(F.relu(self.two(x)).mean((2, 3)))


class Branches(nn.Module):
    """Two convolutions, and what ``join`` makes of them."""

    def __init__(self, join):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(3, 6, 3, padding=1)
        self.join, self.three = join, nn.Conv2d(6, 4, 1)

    def forward(self, x):
        return self.three(self.join(self.one(x), self.two(x))).mean((2, 3))


def row(*modules):
    """Modules on rows [n, 21, 9]."""
    return nn.Sequential(nn.Flatten(1, 2), *modules)


def shuffled(x, groups=3):
    n, c, h, w = x.size()
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)


def pooled(x, *args, **kwargs):
    return F.avg_pool2d(x, *args, **kwargs)


PADDED = {
    "same, even kernel": nn.Conv2d(6, 6, (4, 2), padding="same"),
    "same, dilated": nn.Conv2d(6, 6, (2, 3), padding="same", dilation=(3, 2)),
    "same, odd kernel": nn.Conv2d(6, 6, 3, padding="same"),
    "circular without padding": nn.Conv2d(6, 6, 3, padding_mode="circular"),
    "zeros on one side": nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(6, 6, 3, 2)),
    "zeros on both sides": nn.Sequential(nn.ZeroPad2d((2, 2, 1, 1)), nn.Conv2d(6, 6, 3, padding=1)),
    "zeros that complete others": nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(6, 6, 2, padding="same")),
    "zeros by a constant": nn.Sequential(nn.ConstantPad2d((1, 0, 0, 0), 0.0), nn.Conv2d(6, 6, 3)),
    "zeros by a function": nn.Sequential(Step(lambda x: F.pad(x, (1, 2))), nn.Conv2d(6, 6, 3)),
    "zeros before a pool": nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2)),
}
POOLS = {
    "ceil_mode": nn.MaxPool2d(2, ceil_mode=True),
    "ceil_mode with padding": nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "mean in ceil_mode": nn.AvgPool2d(2, ceil_mode=True),
    "mean in ceil_mode with padding": nn.AvgPool2d((3, 2), 2, (0, 1), ceil_mode=True),
    "padding that does not count": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "padding that does not count, by a function": Step(lambda x: pooled(x, 3, 2, 1, count_include_pad=False)),
    "neither": nn.AvgPool2d(2, 2, 1, ceil_mode=True, count_include_pad=False),
    "divisor": nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=5),
    "adaptive, windows that overlap": nn.AdaptiveAvgPool2d((3, 4)),
    "adaptive, unlike windows": nn.AdaptiveAvgPool2d((4, 2)),
    "adaptive, by a function": Step(lambda x: F.adaptive_avg_pool2d(x, 4)),
    "adaptive, the largest": nn.AdaptiveMaxPool2d((4, 5)),
    "adaptive, one size as it is": nn.AdaptiveAvgPool2d((None, 1)),
    "mean of rows": Step(lambda x: x.mean(2, keepdim=True)),
    "mean of columns": Step(lambda x: x.mean(-1).unsqueeze(1)),
}
MOVED = {
    "channel shuffle": Step(shuffled),
    "channel shuffle module": nn.ChannelShuffle(2),
    "channel shuffle function": Step(lambda x: F.channel_shuffle(x, 3)),
    "pixel shuffle": nn.Sequential(nn.Conv2d(6, 8, 1), nn.PixelShuffle(2)),
    "pixel unshuffle": nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.PixelUnshuffle(2)),
    "channels last": Step(lambda x: x.permute(0, 2, 3, 1)),
    "there and back": Step(lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2)),
    "rows and columns": Step(lambda x: x.transpose(-1, -2)),
    "movedim": Step(lambda x: torch.movedim(x, 1, 3)),
    "swapaxes": Step(lambda x: x.swapaxes(1, 2)),
    "unflatten": Step(lambda x: x.unflatten(1, (2, 3)).flatten(1, 2)),
}
JOINS = {
    "below one another": lambda a, b: torch.cat([F.relu(a), F.relu(b)], 2),
    "beside one another, signed": lambda a, b: torch.cat((F.relu(a), b), dim=-1),
    "of unlike scales": lambda a, b: torch.cat([F.relu(a), 5 * F.relu(b)], 2),
    "then a ReLU": lambda a, b: F.relu(torch.cat([F.relu(a), b], 2)),
    "rolled": lambda a, b: torch.cat([a[:, :, 4:], a[:, :, :4]], 2) - b,
    "joined twice": lambda a, b: torch.cat([torch.cat([F.relu(a), b], 3), torch.cat([b, F.relu(a)], 3)], 2),
    "and a ReLU of what is never negative": lambda a, b: torch.cat([F.relu(a), b], 2)[:, :, :7] + F.relu(F.relu(a)),
    "and read alone": lambda a, b: torch.cat([F.relu(a), b], 2)[:, :, 3:10] + F.relu(a),
}
ROWS = {
    "conv1d": lambda: row(nn.Conv1d(21, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 4, 3)),
    "conv1d, same": lambda: row(nn.Conv1d(21, 6, 4, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(54, 4)),
    "conv1d, strides, dilation and groups": lambda: row(
        nn.Conv1d(21, 6, 2, stride=2, dilation=2, groups=3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 4)
    ),
    "pools of rows": lambda: row(
        nn.Conv1d(21, 6, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True), nn.AvgPool1d(2, 1), nn.Conv1d(6, 4, 1)
    ),
    "pools of unlike windows": lambda: row(
        nn.Conv1d(21, 6, 3, padding=1), nn.ReLU(), nn.AvgPool1d(3, 2, 1, count_include_pad=False), nn.AdaptiveMaxPool1d(3),
        nn.Conv1d(6, 4, 1),
    ),
    "depthwise conv1d, a norm of vectors": lambda: row(
        nn.Conv1d(21, 21, 3, groups=21), nn.BatchNorm1d(21), nn.ReLU6(), Step(lambda x: x.mean(2)), nn.Linear(21, 8),
        nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4),
    ),
    "transposed": lambda: row(nn.Conv1d(21, 6, 3), nn.ReLU(), Step(lambda x: x.transpose(1, 2)), nn.Conv1d(7, 4, 2)),
    "zeros, slices, channels": lambda: row(
        nn.Conv1d(21, 6, 3), nn.ReLU(), nn.ZeroPad1d((1, 0)), Step(lambda x: torch.cat([x[:, 2:, ::2], x[:, :4, ::2]], 1)),
        nn.Conv1d(8, 4, 2),
    ),
    "rows to a map and back": lambda: row(
        nn.Conv1d(21, 6, 3), nn.ReLU(), Step(lambda x: x.unsqueeze(1)), nn.Conv2d(1, 5, 2), nn.ReLU(),
        Step(lambda x: x.mean(3)), nn.Conv1d(5, 4, 2),
    ),
    "a residual": lambda: row(nn.Conv1d(21, 6, 3, padding=1), Residual(), nn.ReLU(), nn.Conv1d(6, 4, 2)),
    "flattened behind a permutation": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), Step(lambda x: x.permute(0, 2, 3, 1)), nn.Flatten(), nn.Linear(4 * 5 * 7, 4)
    ),
}  # fmt: skip


class Residual(nn.Module):
    """On rows of 6 channels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(6, 6, 3, padding=1)

    def forward(self, x):
        return x + self.conv(F.relu(x))


MODELS = {
    **{f"padding: {name}": lambda step=step: Net(step) for name, step in PADDED.items()},
    **{f"pool: {name}": lambda step=step: Net(step) for name, step in POOLS.items()},
    **{f"signed pool: {name}": lambda step=step: Net(step, signed=True) for name, step in POOLS.items()},
    **{f"move: {name}": lambda step=step: Net(step) for name, step in MOVED.items()},
    **{f"join: {name}": lambda join=join: Branches(join) for name, join in JOINS.items()},
    **{f"rows: {name}": build for name, build in ROWS.items()},
    "two at once: padding": lambda: Net(nn.Sequential(nn.ZeroPad2d((1, 0, 0, 0)), nn.Conv2d(6, 6, 2, padding="same"))),
    "two at once: shuffle and join": lambda: Branches(lambda a, b: shuffled(torch.cat([a, F.relu(b)], 1), 2)[:, 3:9]),
}
REFUSED = {
    "reflected": (lambda: Net(nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect")), "'step' must pad with zeros, not refl"),
    "reflection pad": (lambda: Net(nn.ReflectionPad2d(1)), "'step' must .* ReflectionPad2d .*: padding with zeros has one"),
    "circular pad": (lambda: Net(lambda x: F.pad(x, (1, 1, 1, 1), "circular")), "'step' must .* pad .*: padding with zeros"),
    "ones around": (lambda: Net(nn.ConstantPad2d(1, 1.0)), "'step' must .* ConstantPad2d .*: padding with zeros has one"),
    "dilated pool": (lambda: Net(nn.MaxPool2d(2, dilation=2)), "'step' must .* MaxPool2d .*: max pools without dilation"),
    "enlarged by a pool": (lambda: Net(nn.AdaptiveAvgPool2d(14)), "'step' must .* AdaptiveAvgPool2d"),
    "batch in another place": (
        lambda: Net(lambda x: x.transpose(0, 1).transpose(0, 1)), "'step' must consist of .* transpose"
    ),
    "the input beside others": (
        lambda: nn.Sequential(Step(lambda x: torch.cat([x, F.relu(x + 1)], 2)), nn.Conv2d(3, 4, 3)),
        "'0' must join rows or columns of tensors of one scale",
    ),
    "a mean of channels": (lambda: Net(lambda x: x.mean(1, keepdim=True)), "'step' must consist of .* mean"),
    "a transposed convolution": (lambda: Net(nn.ConvTranspose2d(6, 6, 2)), "ConvTranspose2d .*: Conv1d and Conv2d have one"),
}  # fmt: skip
