"""The zeros that a convolution adds around its input."""

from __future__ import annotations

from asm_hw.errors import ParameterError

from .prepared_layers import Conv, Layer
from .shape_operations import Pair, as_pair

TAKEN = {2: ("n", "features"), 3: ("n", "channels", "length"), 4: ("n", "channels", "height", "width")}
"""By the dimensions of a layer's weight, those of what it takes."""


def conv_padding(layer: Conv) -> tuple[int, int, int, int]:
    """Columns left and right and rows above and below, whatever form the layer's padding was given in.

    ``"same"`` keeps the size: where an odd number is to be added, the larger half comes right and below, as in PyTorch.
    """
    if layer.padding == "same":
        (high, wide), (down, right) = kernel_of(layer), dilation_of(layer)
        height, width = down * (high - 1), right * (wide - 1)
        top, left = height // 2, width // 2
        return left, width - left, top, height - top
    if isinstance(layer.padding, str):  # "valid"
        return 0, 0, 0, 0
    top, left = as_pair(layer.padding, len(layer.kernel_size))
    return left, left, top, top


def kernel_of(layer: Conv) -> Pair:
    """Rows and columns of the kernel; a Conv1d has one row."""
    return as_pair(layer.kernel_size, len(layer.kernel_size), 1)


def dilation_of(layer: Conv) -> Pair:
    """Rows and columns from one tap to the next."""
    return as_pair(layer.dilation, len(layer.kernel_size), 1)


def stride_of(layer: Conv) -> Pair:
    """Rows and columns from one window to the next."""
    return as_pair(layer.stride, len(layer.kernel_size), 1)


def check_layer(path: str, layer: Layer, dimensions: int) -> None:
    """Refuse what an integer layer cannot express; ``dimensions``: of the tensor that it takes."""
    if isinstance(layer, Conv) and layer.padding_mode != "zeros":
        raise ParameterError(
            f"module {path!r} must pad with zeros, not {layer.padding_mode} {layer.padding!r}: padding_mode='zeros' or"
            " nn.ZeroPad2d has an integer form"
        )
    taken = TAKEN[len(layer.weight.shape)]
    if dimensions != len(taken):
        raise ParameterError(f"module {path!r} must take [{', '.join(taken)}], not {dimensions} dimensions")
