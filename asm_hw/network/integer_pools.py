"""Pools: a sum, which is a mean once requantized, or the largest integer of each window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from asm_hw import golden
from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat

from .integer_node import IntegerNode, RequantizedNode


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pool(IntegerNode):
    """Windows of ``kernel`` on [n, c, h, w]; in ``ceil_mode`` also those that reach beyond the last row or column."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low in (("kernel", 1), ("stride", 1), ("padding", 0)):
            self.set_pair(name, low)
        if any(2 * padding > kernel for padding, kernel in zip(self.padding, self.kernel, strict=True)):
            raise ParameterError(f"padding of layer {self.name!r} must be half its kernel at most, not {self.padding}")
        if not isinstance(self.ceil_mode, bool):
            raise ParameterError(f"ceil_mode of layer {self.name!r} must be true or false, not {self.ceil_mode!r}")

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        windows = self.windows(shapes[0], self.kernel, self.stride, self.padding, ceil_mode=self.ceil_mode)
        return (shapes[0][0], *windows)

    def beyond(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns by which windows on maps of ``shape`` reach beyond the padding below and on the right."""
        sizes = zip(self.output_shape(shape)[1:], shape[1:], self.kernel, self.stride, self.padding, strict=True)
        down, right = (max(0, (n - 1) * s + k - size - 2 * p) for n, size, k, s, p in sizes)
        return down, right


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerSumPool(_Pool, RequantizedNode):
    """Sums over windows, zeros as padding, then `requantize`, which divides: a mean. A second source may join."""

    kind: ClassVar[str] = "sum_pool"

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        self.check_channels(shapes[0][0])
        shape = super().output_shape(*shapes)
        self.check_joining(shape, *shapes[1:])
        return shape

    def forward(self, *x: Tensor) -> Tensor:
        return self.requantize(golden.sum_pool(x[0], self.kernel, self.stride, self.padding, self.ceil_mode), *x[1:])


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerMaxPool(_Pool):
    """The largest integer of each window; padding never wins."""

    kind: ClassVar[str] = "max_pool"

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        return formats[0]

    def forward(self, *x: Tensor) -> Tensor:
        return golden.max_pool(x[0], self.kernel, self.stride, self.padding, self.ceil_mode)
