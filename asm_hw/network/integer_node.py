"""What every node of an integer network has: a name, its sources, and shapes and formats that must meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.activation_format import ActivationFormat

from .integer_requantize import Requantize, check_levels

INPUT = "input"
"""The name of the network's input among the sources."""


def window_count(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool = False) -> int:
    """How many windows a row of ``size`` has; ``ceil_mode``: a last one may reach beyond it, where it begins within."""
    count = (size + 2 * padding - kernel + (stride - 1) * ceil_mode) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNode:
    """A step from stored tensors to one stored tensor.

    ``sources``: names of the nodes before it, or `INPUT`; by default the node listed before it.
    """

    kind: ClassVar[str]
    """What files and summaries call such a node."""

    name: str
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ParameterError(f"name of a layer must be text, not {self.name!r}")
        object.__setattr__(self, "sources", tuple(self.sources))
        if not all(isinstance(source, str) for source in self.sources):
            raise ParameterError(f"layer {self.name!r} must have names as sources, not {self.sources!r}")

    @property
    def arity(self) -> int:
        """How many sources it takes."""
        return 1

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        """How its result is stored, for sources stored as ``formats``; `ParameterError` if they do not fit."""
        raise NotImplementedError

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one output, without batch, for one input of ``shapes``; `ParameterError` if they do not fit."""
        raise NotImplementedError

    def forward(self, *x: Tensor) -> Tensor:
        """The result, int64 [n, ...], of integer tensors [n, ...]."""
        raise NotImplementedError

    def check_format(self, given: ActivationFormat, taken: ActivationFormat) -> None:
        """Raise `ParameterError` unless a source is stored as this node takes it."""
        if given != taken:
            raise ParameterError(
                f"layer {self.name!r} must be given the (bits, signed, alphabets) {taken} that it takes, not {given}"
            )

    def check_integers(self, x: Tensor, taken: ActivationFormat) -> None:
        """Raise `ParameterError` unless ``x`` holds integers of the format ``taken``."""
        low, high = taken.range
        if x.is_floating_point():
            raise ParameterError(f"layer {self.name!r} must take integers, not {x.dtype}")
        for value in map(int, torch.aminmax(x)) if x.numel() else ():
            if not low <= value <= high:
                raise ParameterError(f"layer {self.name!r} must take integers from {low} to {high}, not {value}")
        if taken.levels is not None:
            check_levels(f"layer {self.name!r} input", x, taken.levels)

    def set_pair(self, name: str, low: int) -> None:
        """Check the field ``name``: two integers of at least ``low``."""
        pair = tuple(getattr(self, name))
        if len(pair) != 2:
            raise ParameterError(f"layer {self.name!r} must have two values of {name}, not {pair!r}")
        object.__setattr__(self, name, tuple(check_range(name, value, low, 1 << 16) for value in pair))

    def windows(
        self,
        shape: tuple[int, ...],
        kernel: tuple[int, ...],
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int] = (1, 1),
        ceil_mode: bool = False,
    ) -> tuple[int, ...]:
        """Height and width of the windows on maps [c, h, w]."""
        if len(shape) != 3:
            raise ParameterError(f"layer {self.name!r} must take (channels, h, w), not {shape}")
        sizes = zip(shape[1:], kernel, stride, padding, dilation, strict=True)
        out = tuple(window_count(size, d * (k - 1) + 1, s, p, ceil_mode) for size, k, s, p, d in sizes)
        if min(out) < 1:
            raise ParameterError(f"layer {self.name!r} must fit into its input, not {shape}")
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class RequantizedNode(IntegerNode):
    """A node whose sums pass `requantize`, where a second source may join them."""

    requantize: Requantize

    @property
    def arity(self) -> int:
        return self.requantize.arity

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        return self.requantize.format

    def check_channels(self, channels: int) -> None:
        """Raise `ParameterError` unless there is a multiplier for each of so many channels."""
        if len(self.requantize.scale) != channels:
            raise ParameterError(
                f"layer {self.name!r} must requantize {channels} channels, not {len(self.requantize.scale)}"
            )

    def check_joining(self, shape: tuple[int, ...], *joining: tuple[int, ...]) -> None:
        """Raise `ParameterError` unless what joins sums of ``shape``, if anything does, has their shape."""
        if any(other != shape for other in joining):
            raise ParameterError(f"layer {self.name!r} must add a tensor of shape {shape}, not {joining[0]}")
