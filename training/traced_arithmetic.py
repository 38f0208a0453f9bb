"""Arithmetic of a traced model: sums and differences of two tensors, and factors and offsets of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from .shape_operations import Op
from .tensor_shapes import Seen

Constant = float | Tensor
"""A number, or the parameter or buffer that holds one for all channels or one for each."""


@dataclass(frozen=True, eq=False)
class Affine:
    """What a tensor is multiplied by, and what is added: ``factor`` (its inverse if ``divides``), ``offset * sign``."""

    factor: Constant = 1.0
    divides: bool = False
    offset: Constant = 0.0
    sign: float = 1.0

    @property
    def gain(self) -> Tensor:
        """float64 [channels] or [1]."""
        return 1 / _double(self.factor) if self.divides else _double(self.factor)

    @property
    def shift(self) -> Tensor:
        """float64 [channels] or [1]."""
        return _double(self.offset) * self.sign

    @property
    def anchor(self) -> tuple[Tensor, Tensor] | None:
        """The parameter or buffer in the shift, [channels] or [1], and its factor there; None for a number."""
        return (self.offset.view(-1), _double(self.sign)) if isinstance(self.offset, Tensor) else None

    @property
    def unsigned(self) -> bool:
        """Whether values that are never below 0 stay so, whatever training does."""
        if isinstance(self.factor, Tensor) or isinstance(self.offset, Tensor):
            return False
        return self.factor >= 0 and self.offset * self.sign >= 0


def arithmetic(node: Node, seen: Seen, name: str) -> Op | None:
    """The operation of an add, sub, rsub, mul, div or neg; None where the hardware has none for these operands.

    ``add`` of two tensors (detail: the factors of both); ``affine`` of one tensor (detail: `Affine`).
    """
    given: dict[str, Any] = dict(zip(("input", "other", "alpha"), node.args, strict=False)) | dict(node.kwargs)
    one, two, alpha = given["input"], given.get("other", -1.0), given.get("alpha", 1)
    if name == "rsub":
        one, two, name = two, one, "sub"
    if given.get("rounding_mode") is not None or not isinstance(alpha, int | float):
        return None
    tensors = [_is_tensor(operand, seen) for operand in (one, two)]
    if name in ("mul", "div", "neg"):
        if tensors != [True, False] and (name == "div" or tensors != [False, True]):
            return None
        source, factor = (one, two) if tensors[0] else (two, one)
        return _affine(node, seen, source, factor, divides=name == "div")
    factors = (1.0, float(alpha if name == "add" else -alpha))
    if all(tensors):
        return Op("add", (one, two), factors) if seen[one] == seen[two] else None
    if tensors[0]:
        return _affine(node, seen, one, offset=two, sign=factors[1])
    return _affine(node, seen, two, factors[1], one) if tensors[1] else None


def _affine(node: Node, seen: Seen, source: Node, factor: Any = 1.0, offset: Any = 0.0, **how: Any) -> Op | None:
    """The operation of ``source`` with these constants; None where one is not a number for all or for each channel."""
    factor, offset = (_constant(one, seen, seen[source]) for one in (factor, offset))
    if seen[node] != seen[source] or factor is None or offset is None:
        return None
    affine = Affine(factor, offset=offset, **how)
    finite = affine.gain.isfinite().all() and affine.shift.isfinite().all()
    return Op("affine", (source,), affine) if finite else None


def _constant(value: Any, seen: Seen, shape: torch.Size) -> Constant | None:
    """A number, or a tensor that has one for all or for each channel of a tensor of ``shape``."""
    held = seen[value] if isinstance(value, Node) else value
    if isinstance(held, int | float):
        return float(held)
    if not isinstance(held, Tensor):
        return None
    channels = (1, shape[1], *(1 for _ in shape[2:]))
    fits = held.numel() == 1 or (1,) * (len(shape) - held.dim()) + tuple(held.shape) == channels
    return held if fits else None


def _is_tensor(value: Any, seen: Seen) -> bool:
    """Whether ``value`` is a tensor that the model computes from its input."""
    return isinstance(value, Node) and value.op != "get_attr" and isinstance(seen[value], torch.Size)


def _double(value: Constant) -> Tensor:
    """[channels] or [1]."""
    return torch.as_tensor(value, dtype=torch.float64).detach().cpu().view(-1)
