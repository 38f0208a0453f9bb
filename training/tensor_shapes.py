"""The shapes that a traced model's tensors have, and how they are seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from asm_hw.errors import ParameterError

INPUT_SHAPE = "asm_input_shape"
"""In the ``meta`` of a prepared model: the shape of one input that it was prepared with."""

Seen = dict[Node, Any]
"""By node: the torch.Size of its tensor; its value if it is no tensor, or a parameter or buffer."""


class FixedSize(nn.Module):
    """Passes maps [n, c, *size] of the size for which a model was rewritten; `ParameterError` for others."""

    def __init__(self, size: tuple[int, ...], place: str) -> None:
        super().__init__()
        self.size, self.place = size, place

    def forward(self, values: Tensor) -> Tensor:
        found = tuple(values.shape[2:])
        if found != self.size:
            raise ParameterError(f"{self.place} must take maps of {self.size} as in the sample, not {found}")
        return values


class _Watcher(Interpreter):
    def __init__(self, model: GraphModule) -> None:
        super().__init__(model)
        self.seen: Seen = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        size = isinstance(result, torch.Size)  # of x.size(): a value, not the shape of a tensor
        computed = isinstance(result, Tensor) and n.op != "get_attr"
        self.seen[n] = result.shape if computed else tuple(result) if size else result
        return result


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """``model`` in evaluation mode; afterwards each of its modules is in the mode that it was in before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def watch(model: GraphModule, example: Tensor) -> Seen:
    """The shape, or the value, of every node when ``model`` evaluates ``example``; raises as `evaluate` does."""
    watcher = _Watcher(model)
    evaluate(watcher, example)
    return watcher.seen


@torch.no_grad()
def evaluate(interpreter: Interpreter, example: Tensor) -> None:
    """Run the model of ``interpreter`` in evaluation mode; `ParameterError` where it does not take ``example``."""
    interpreter.extra_traceback = False
    try:
        with evaluating(interpreter.module):
            interpreter.run(example)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ParameterError(f"inputs of shape {list(example.shape[1:])} must fit the model: {reason}") from None


def watch_prepared(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> Seen:
    """What `watch` sees in a prepared model on inputs of `prepared_shape`."""
    shape = prepared_shape(model, input_shape)
    return watch(prepared_graph(model), torch.zeros(2, *shape, device=next(model.parameters()).device))


def prepared_graph(model: nn.Module) -> GraphModule:
    """``model`` as the graph that `prepare` made; `ParameterError` if it was not prepared."""
    if not isinstance(model, GraphModule) or INPUT_SHAPE not in model.meta:
        raise ParameterError(f"model {type(model).__name__} must be prepared: it has no quantizers")
    return model


def prepared_shape(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """``input_shape``, by default the one that ``model`` was prepared with; `ParameterError` if it was not."""
    known: tuple[int, ...] = prepared_graph(model).meta[INPUT_SHAPE]
    if input_shape is None:
        return known
    if not isinstance(input_shape, Sequence) or not all(isinstance(n, int) and n > 0 for n in input_shape):
        raise ParameterError(f"input_shape must be sizes of at least 1, such as (3, 32, 32), not {input_shape!r}")
    return tuple(input_shape)
