"""Integers in another place, and tensors side by side: nothing is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.formats.activation_format import ActivationFormat

from .integer_node import IntegerNode

ACTIONS = {"reshape": None, "slice": None, "pad": 6, "permute": None, "select": None}
"""Moves, and how many integers describe one (None: as many as the shape asks)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerMove(IntegerNode):
    """Integers in another place: ``action`` with its ``arguments``.

    ``reshape``: the new shape. ``slice``: start, stop and step of each dimension. ``pad``: zeros before
    and after, of width, height and channels. ``permute``: for each dimension of the result, the one that it was.
    ``select``: for each channel of the result, the one that it was.
    """

    kind: ClassVar[str] = "move"

    action: str
    arguments: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(f"action of layer {self.name!r}", self.action, tuple(ACTIONS))
        object.__setattr__(self, "arguments", tuple(self.arguments))
        count = ACTIONS[self.action] or len(self.arguments)
        whole = all(isinstance(v, int) and not isinstance(v, bool) and 0 <= v < 1 << 31 for v in self.arguments)
        if not whole or len(self.arguments) != count:
            raise ParameterError(f"arguments of layer {self.name!r} must be integers from 0, not {self.arguments!r}")

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        return formats[0]

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        shape = shapes[0]
        if self.action == "reshape" and math.prod(self.arguments) == math.prod(shape):
            return self.arguments
        if self.action == "slice" and len(self.arguments) == 3 * len(shape) and 0 not in self.arguments[2::3]:
            taken = tuple(len(range(*s.indices(size))) for s, size in zip(self._slices, shape, strict=True))
            if min(taken) > 0:
                return taken
        if self.action == "pad" and len(shape) == 3:
            width, height, channels = (sum(self.arguments[i : i + 2]) for i in (0, 2, 4))
            return (shape[0] + channels, shape[1] + height, shape[2] + width)
        if self.action == "permute" and sorted(self.arguments) == list(range(len(shape))):
            return tuple(shape[i] for i in self.arguments)
        if self.action == "select" and self.arguments and max(self.arguments) < shape[0]:
            return (len(self.arguments), *shape[1:])
        raise ParameterError(
            f"layer {self.name!r} must {self.action} {shape} by numbers that fit, not {self.arguments}"
        )

    @property
    def _slices(self) -> tuple[slice, ...]:
        return tuple(slice(*self.arguments[i : i + 3]) for i in range(0, len(self.arguments), 3))

    def forward(self, *x: Tensor) -> Tensor:
        if self.action == "reshape":
            return x[0].reshape(len(x[0]), *self.arguments)
        if self.action == "slice":
            return x[0][(slice(None), *self._slices)]
        if self.action == "permute":
            return x[0].permute(0, *(i + 1 for i in self.arguments))
        if self.action == "select":
            return x[0][:, list(self.arguments)]
        return F.pad(x[0], self.arguments)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerConcat(IntegerNode):
    """Tensors [n, c, ...] side by side in dimension ``dim``.

    In the channels, 1, their scales differ: a sum must follow. In rows or columns, 2 or 3, they have one scale.
    """

    kind: ClassVar[str] = "concat"

    count: int = 2
    dim: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(f"dim of layer {self.name!r}", self.dim, 1, 3)

    @property
    def arity(self) -> int:
        return self.count

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        if self.dim > 1 and len(set(formats)) == 1:
            return formats[0]
        signed = any(f.signed for f in formats)
        return ActivationFormat(max(f.bits + (signed and not f.signed) for f in formats), signed)

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        place = self.dim - 1
        others = {shape[:place] + shape[self.dim :] for shape in shapes}
        if len(others) != 1 or min(map(len, shapes)) < self.dim:
            where = ("channels", "rows", "columns")[place]
            raise ParameterError(f"layer {self.name!r} must join tensors that differ in {where} only, not {shapes}")
        return (*shapes[0][:place], sum(shape[place] for shape in shapes), *shapes[0][self.dim :])

    def forward(self, *x: Tensor) -> Tensor:
        return torch.cat(x, self.dim)
