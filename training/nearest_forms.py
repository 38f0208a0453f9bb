"""What a call has to be written as where it has no integer form."""

from __future__ import annotations

from torch.fx import Node

from .traced_operations import place_of

PRODUCTS = "a product of two tensors would need a multiplier"
ZEROS = "padding with zeros has one"
NEAREST = {
    "prelu": "one with the same slope for all channels has one",
    "rrelu": "LeakyReLU has one",
    **dict.fromkeys(("mul", "matmul", "bmm", "einsum", "baddbmm", "bilinear"), PRODUCTS),
    **dict.fromkeys(("multiheadattention", "scaleddotproductattention"), PRODUCTS),
    **dict.fromkeys(
        ("softmax", "logsoftmax", "softmax2d", "argmax", "topk"), "the last layer's sums tell the class without it"
    ),
    **dict.fromkeys(
        ("layernorm", "groupnorm", "instancenorm2d", "localresponsenorm", "rmsnorm"), "BatchNorm2d has one"
    ),
    **dict.fromkeys(("conv3d", "convtranspose1d", "convtranspose2d"), "Conv1d and Conv2d have one"),
    **dict.fromkeys(
        ("conv1d", "conv2d", "linear"), "modules Conv1d, Conv2d and Linear with weights of their own have one"
    ),
    **dict.fromkeys(("batchnorm", "batchnorm1d", "batchnorm2d"), "the modules BatchNorm1d and BatchNorm2d have one"),
    **dict.fromkeys(
        ("pad", "reflectionpad1d", "reflectionpad2d", "replicationpad1d", "replicationpad2d", "circularpad2d"), ZEROS
    ),
    **dict.fromkeys(("constantpad1d", "constantpad2d"), ZEROS),
    **dict.fromkeys(("maxpool1d", "maxpool2d"), "max pools without dilation and return_indices have one"),
    **dict.fromkeys(("select", "narrow", "unbind", "getitem"), "slices such as x[:, :8] have one"),
}
"""By the lower-case name of a class, function or method without underscores."""


def refusal(node: Node, called: str) -> str:
    """Why ``node``, which calls a class, function or method ``called``, cannot become integers."""
    nearest = NEAREST.get(called.lower().replace("_", ""))
    sentence = f"{place_of(node)} must consist of what has an integer form, and {called} as it is called there has none"
    return f"{sentence}: {nearest}" if nearest else sentence
