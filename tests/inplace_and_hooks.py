"""Models that change tensors in place, hook their modules or bring their own forward, by name.

``MODELS``: become integers. ``REFUSED``: by a sentence that holds the text beside each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune


class Net(nn.Module):
    """Two convolutions, and between them what ``step`` does to their tensors."""

    def __init__(self, step):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.three = nn.Conv2d(8, 8, 3, padding=1)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(8, 5)
        self.bias = nn.Parameter(torch.linspace(-1, 1, 8).view(8, 1, 1))
        self.gamma = nn.Parameter(torch.linspace(0.5, 1.5, 8).view(1, 8, 1, 1))
        self.step = step

    def forward(self, x):
        x = self.step(self, self.one(x))
        return self.head(F.relu(self.two(x)).mean((2, 3)))


def _ignored(call):
    """A step that does not use what ``call`` gives back."""

    def step(net, x):
        call(net, x)
        return x

    return step


def _read_before(net, x):
    before = x + 1.0
    x.relu_()
    return before + x


def _read_after(net, x):
    y = net.relu(x)
    return x + y  # both are clipped


def _twice(net, x):
    x.add_(1.0)
    x.relu_()
    x.mul_(0.5)
    return x


def _view(net, x):
    flat = x.flatten(2)
    flat.clamp_(min=0.0)
    return x


def _view_read(net, x):
    flat = x.view(x.size(0), -1)
    x.relu_()
    return flat.view(x.size())


def _augmented(net, x):
    y = x
    y += 0.5
    y -= 0.25
    y *= 2.0
    y /= 3.0
    return F.relu(x)


def _one_module_again(net, x):
    x = net.relu(x) - 0.1
    y = net.three(x)
    y += x
    net.relu(y)
    return y


def _branches(net, x):
    y = net.three(x)
    y.add_(x)
    return F.relu_(y)


def _split(net, x):
    one, two, three = F.relu(x).split([3, 4, 1], 1)
    return torch.cat([three, one, two], 1)


def _part(net, x):
    x[:, :4].relu_()
    return x


def _out(net, x):
    torch.relu_(x[:, 1:])
    return x


STEPS = {
    "module": _ignored(lambda net, x: net.relu(x)),
    "method": _ignored(lambda net, x: x.relu_()),
    "function": _ignored(lambda net, x: F.relu(x, inplace=True)),
    "function by place": _ignored(lambda net, x: F.relu(x, True)),
    "F.relu_": _ignored(lambda net, x: F.relu_(x)),
    "torch.relu_": _ignored(lambda net, x: torch.relu_(x)),
    "relu6": _ignored(lambda net, x: F.relu6(x, inplace=True)),
    "hardtanh_": _ignored(lambda net, x: F.hardtanh_(x, 0.0, 2.0)),
    "clamp_": _ignored(lambda net, x: x.clamp_(-0.5, 0.5)),
    "add_ a number": _ignored(lambda net, x: x.add_(0.5)),
    "add_ with alpha": _ignored(lambda net, x: x.add_(net.three(x), alpha=-0.5)),
    "sub_": _ignored(lambda net, x: x.sub_(net.three(x))),
    "mul_": _ignored(lambda net, x: x.mul_(-1.5)),
    "div_": _ignored(lambda net, x: x.div_(0.7)),
    "neg_": _ignored(lambda net, x: x.neg_()),
    "dropout": _ignored(lambda net, x: F.dropout(x, 0.5, net.training, inplace=True)),
    "identity": _ignored(lambda net, x: nn.functional.dropout(x, 0.0, False).relu_()),
    "read before": _read_before,
    "read after": _read_after,
    "three times": _twice,
    "through a view": _view,
    "a view of it read": _view_read,
    "operators": _augmented,
    "a sum": _branches,
    "one module again": _one_module_again,
    "parameters": lambda net, x: (x - net.bias) * net.gamma + 1,
    "a parameter's inverse": lambda net, x: 1 - x / net.gamma,
    "rsub": lambda net, x: torch.rsub(F.relu(x), 2.0),
    "chunks": lambda net, x: torch.cat([F.relu(x).chunk(2, 1)[1], x.chunk(2, dim=1)[0]], 1),
    "split": _split,
    "pieces put together": lambda net, x: torch.cat(F.relu(x).tensor_split((2, 5), 1), 1),
    "difference": lambda net, x: F.relu(x) - F.relu(net.three(x)),
    "limits that cross": lambda net, x: F.relu(net.three(x)) + x.clamp(0.9, -0.3),
}
PARTS = {"part by a slice": _part, "part by a function": _out}


def hooked(where, hook, pre=False):
    """`Net` with a hook at the module ``where``."""
    net = Net(lambda net, x: net.relu(x))
    module = net.get_submodule(where)
    (module.register_forward_pre_hook if pre else module.register_forward_hook)(hook)
    return net


def with_kwargs():
    net = Net(lambda net, x: net.relu(x))
    net.two.register_forward_hook(lambda module, args, kwargs, out: out * 2.0, with_kwargs=True)
    return net


class Standardized(nn.Conv2d):
    """Its own `_conv_forward`: weights that are computed."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight / weight.std(), bias)


class Doubling(nn.Conv2d):
    """Its own `_conv_forward`, which a graph can follow."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight, bias) * 2.0


def replaced(where, forward):
    """`Net` with another forward in one module."""
    net = Net(lambda net, x: net.relu(x))
    net.get_submodule(where).forward = forward
    return net


def of_two(layer):
    net = Net(lambda net, x: net.relu(x))
    net.two = layer
    return net


def pruned():
    net = Net(lambda net, x: net.relu(x))
    prune.l1_unstructured(net.two, "weight", 0.5)
    prune.random_unstructured(net.two, "bias", 0.5)
    return net


MODELS = {
    **{f"in place: {name}": (lambda step=step: Net(step)) for name, step in STEPS.items()},
    "hook on a layer": lambda: hooked("two", lambda module, inputs, out: out + 1.0),
    "pre-hook on a layer": lambda: hooked("two", lambda module, inputs: (inputs[0] * 2,), pre=True),
    "hook on a ReLU": lambda: hooked("relu", lambda module, inputs, out: out.clamp(max=0.2)),
    "hook on the model": lambda: hooked("", lambda module, inputs, out: out * 2.0 - 1.0),
    "pre-hook on the model": lambda: hooked("", lambda module, inputs: ((inputs[0] - 0.5) / 0.25,), pre=True),
    "hook that only looks": lambda: hooked("two", lambda module, inputs, out: None),
    "hook with keywords": with_kwargs,
    "weight norm": lambda: of_two(nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3, padding=1))),
    "weight norm by a hook": lambda: of_two(nn.utils.weight_norm(nn.Conv2d(8, 8, 3, padding=1))),
    "pruned": pruned,
    "forward of a ReLU replaced": lambda: replaced("relu", lambda x: x.clamp(0.0, 0.5)),
}


@torch.fx.wrap
def relu(x):
    """A function of the user's own, which a graph calls whole, under a name that PyTorch has too."""
    return x.clamp(min=-0.1)


REFUSED = {
    **{f"in place: {name}": ((lambda step=step: Net(step)), "overwr") for name, step in PARTS.items()},
    "wrapped function": (lambda: Net(lambda net, x: relu(x)), "and relu as it is called there has none"),
    "own _conv_forward": (lambda: of_two(Standardized(8, 8, 3, padding=1)), "module 'two' must consist of .* conv2d"),
    "own _conv_forward, followed": (lambda: of_two(Doubling(8, 8, 3, padding=1)), "module 'two' must .* conv2d"),
    "forward of a layer replaced": (lambda: replaced("two", lambda x: x * x), "would need a multiplier"),
    "hook on values": (
        lambda: hooked("two", lambda module, inputs, out: out * float(out.detach().abs().max())),
        "torch.fx",
    ),
    "product": (lambda: Net(lambda net, x: x * net.three(x)), "a product of two tensors would need a multiplier"),
    "offset by place": (lambda: Net(lambda net, x: x + torch.arange(144.0).view(12, 12)), "and add as it is called"),
    "softmax": (lambda: Net(lambda net, x: F.softmax(x, 1)), "and softmax as it is called there has none: the last"),
}
