"""The zeros that a convolution adds around its input."""

from __future__ import annotations

from torch import nn

from asm_hw.errors import ParameterError


def conv_padding(layer: nn.Conv2d) -> tuple[int, int, int, int]:
    """Columns left and right and rows above and below, whatever form the layer's padding was given in.

    ``"same"`` keeps the size: where an odd number is to be added, the larger half comes right and below, as in PyTorch.
    """
    if layer.padding == "same":
        sizes = [d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
        (top, left), (height, width) = (size // 2 for size in sizes), sizes
        return left, width - left, top, height - top
    if isinstance(layer.padding, str):  # "valid"
        return 0, 0, 0, 0
    top, left = layer.padding
    return left, left, top, top


def check_layer(path: str, layer: nn.Module) -> None:
    """Refuse what an integer layer cannot express."""
    if isinstance(layer, nn.Conv2d):
        left, right, top, bottom = conv_padding(layer)
        if layer.padding_mode != "zeros" or (left, top) != (right, bottom):
            raise ParameterError(
                f"module {path!r} must pad with zeros, as many on both sides, "
                f"not {layer.padding_mode} {layer.padding!r}"
            )
