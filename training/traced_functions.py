"""Functions of each element of one tensor, which the hardware looks up in a table: modules, functions and methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_arg

from .shape_operations import Op
from .tensor_shapes import Seen

NEVER_NEGATIVE = ("abs", "absolute", "exp", "hardsigmoid", "sigmoid", "softplus", "square")
NOT_NEGATIVE_FROM_0 = (
    *("celu", "elu", "gelu", "hardshrink", "hardswish", "leakyrelu", "mish", "prelu", "selu", "silu"),
    *("atan", "arctan", "erf", "expm1", "log1p", "softshrink", "softsign", "sqrt", "tanh", "tanhshrink"),
)
OTHERS = ("cos", "log", "logsigmoid", "pow", "reciprocal", "rsqrt", "sin", "threshold")
FUNCTIONS = frozenset((*NEVER_NEGATIVE, *NOT_NEGATIVE_FROM_0, *OTHERS))
"""By the lower-case name of a class, function or method without underscores."""


@dataclass(frozen=True, eq=False)
class Function:
    """``apply`` to a tensor, element by element."""

    name: str
    apply: Callable[[Tensor], Tensor]

    @property
    def in_double(self) -> bool:
        """Whether it is computed in float64.

        Kernels in float32 round the last elements of a tensor otherwise than the others, and a table has other
        lengths than tensors: float64 rounded to float32 is the same in both. PReLU has float32 slopes, and multiplies
        once, which every kernel does alike.
        """
        return self.name != "prelu"

    def __call__(self, values: Tensor) -> Tensor:
        """The function of float32 ``values``, float32."""
        return self.apply(values.double()).float() if self.in_double else self.apply(values)

    def unsigned(self, of_unsigned: bool) -> bool:
        """Whether it is never below 0; ``of_unsigned``: what it is of is not."""
        return self.name in NEVER_NEGATIVE or (of_unsigned and self.name in NOT_NEGATIVE_FROM_0)


def plain_name(name: str) -> str:
    """``name`` of a class, function or method in lower case without underscores."""
    return name.lower().replace("_", "")


def function_of_module(node: Node, module: nn.Module) -> Op | None:
    """The operation of a module of PyTorch that is a function of each element; None for others."""
    name = plain_name(type(module).__name__)
    if name not in FUNCTIONS or not type(module).__module__.startswith("torch.nn.") or _has_slopes(module):
        return None
    return Op("table", tuple(node.all_input_nodes), Function(name, module))


def _has_slopes(module: nn.Module) -> bool:
    """Whether a PReLU has a slope for each channel, and with it as many functions."""
    return isinstance(module, nn.PReLU) and module.weight.numel() > 1


def function_of_call(node: Node, seen: Seen, name: str) -> Op | None:
    """The operation of a function or method called ``name``; None where it is not of one tensor alone."""
    held = {other: seen[other] for other in node.all_input_nodes if other.op == "get_attr"}
    tensors = [other for other in node.all_input_nodes if other not in held]
    if len(tensors) != 1 or any(isinstance(value, Tensor) and value.numel() > 1 for value in held.values()):
        return None

    def apply(values: Tensor) -> Tensor:
        def value(other: Node) -> Any:
            return held.get(other, values)

        args, kwargs = map_arg(node.args, value), map_arg(node.kwargs, value)
        target = getattr(torch.Tensor, node.target) if isinstance(node.target, str) else node.target
        result: Tensor = target(*args, **kwargs)
        return result

    return Op("table", tuple(tensors), Function(plain_name(name), apply))
