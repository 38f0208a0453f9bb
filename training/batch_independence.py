"""Whether what a traced model does to an input depends on how many inputs come with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from asm_hw.errors import ParameterError

from .tensor_shapes import Seen, watch
from .traced_arithmetic import Affine
from .traced_calls import call_name
from .traced_operations import classify, place_of


def check_batch_independence(model: GraphModule, seen: Seen, example: Tensor) -> None:
    """Raise `ParameterError` where twice as many inputs as ``example`` [n, ...], on which ``model`` was ``seen``,
    give other operations: integers take one input at a time."""
    twice = watch(model, torch.cat([example, example]))
    for node in model.graph.nodes:
        one, two = (classify(node, model, shapes) for shapes in (seen, twice))
        if (one.kind, _constants(one.detail)) != (two.kind, _constants(two.detail)):
            raise ParameterError(
                f"{place_of(node)} must not depend on how many inputs come at once, as {call_name(node)} does there"
            )


def _constants(detail: Any) -> Any:
    """What of an operation's detail is numbers, comparable."""
    if isinstance(detail, Affine):
        return detail.gain.tolist(), detail.shift.tolist()
    return detail if isinstance(detail, tuple) else None
