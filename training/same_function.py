"""Whether a traced model is the function that it was traced from."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.node import map_aggregate

from asm_hw.errors import ParameterError

from .plain_weights import copy_of

RELATIVE = 1e-4
"""Of the largest value: by so much results may differ, as kernels round."""
COMPARED, TRAINED = 64, 32
"""Inputs that are compared, and those of a batch in training mode."""


@torch.no_grad()
def check_same_function(model: nn.Module, traced: GraphModule, sample: Tensor) -> None:
    """Raise `ParameterError`, naming where they part, unless both give the same on the first of ``sample`` [n, ...].

    In evaluation mode, and in training mode from one seed, where the model can: copies are trained, and nothing stays.
    """
    _check_repeatable(model, sample[:2])
    for training in (False, True):
        inputs = sample[: TRAINED if training else COMPARED]
        own, _ = _run(copy_of(model).train(training), inputs)
        if own is None:  # such as a norm that takes no batch of one input
            continue
        other, error = _run(copy.deepcopy(traced).train(training), inputs)
        if other is None or not _alike(own, other):
            reason = str(error) if other is None else _where(model, traced, inputs, training)
            mode = "training" if training else "evaluation"
            raise ParameterError(
                f"model {type(model).__name__} must do what torch.fx sees of it: in {mode} mode it does not: {reason}"
            )


def _check_repeatable(model: nn.Module, inputs: Tensor) -> None:
    """Raise `ParameterError` where evaluating ``model`` changes what it computes next, as a counter of calls does."""
    copied = copy_of(model).eval()
    first, second = (_run(copied, inputs)[0] for _ in range(2))
    if first is not None and (second is None or not _alike(first, second)):
        raise ParameterError(
            f"model {type(model).__name__} must give the same for the same inputs: the second time it does not, so that"
            " it counts calls or changes a buffer in evaluation mode"
        )


def _run(model: nn.Module, inputs: Tensor) -> tuple[list[Tensor] | None, Exception | None]:
    """The tensors that ``model`` returns, its random numbers from one seed; None, and why, where it fails."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        try:
            return _tensors(model(inputs.clone())), None
        except Exception as error:  # of any kind: the model is a stranger's
            return None, error


def _tensors(result: Any) -> list[Tensor]:
    """The tensors in a model's result, in order."""
    found: list[Tensor] = []
    map_aggregate(result, lambda value: found.append(value) if isinstance(value, Tensor) else None)
    return found


def _alike(own: list[Tensor], other: list[Tensor]) -> bool:
    return len(own) == len(other) and all(map(_close, own, other))


def _close(own: Tensor, other: Tensor) -> bool:
    if own.shape != other.shape:
        return False
    limit = RELATIVE * own.nan_to_num().abs().max().item() if own.numel() and own.is_floating_point() else 0.0
    return torch.allclose(own, other.to(own.dtype), rtol=0.0, atol=limit, equal_nan=True)


def _where(model: nn.Module, traced: GraphModule, inputs: Tensor, training: bool) -> str:
    """The first module whose results differ, of those that the graph calls."""
    called: dict[str, list[list[Tensor]]] = {}
    for path, results in _results(copy.deepcopy(traced).train(training), inputs):
        called.setdefault(path, []).append(results)
    before = "the input"
    for path, own in _results(copy_of(model).train(training), inputs):
        if path not in called:
            continue
        if not called[path] or not _alike(own, called[path].pop(0)):
            module = model.get_submodule(path)
            hooks = module._forward_hooks or module._forward_pre_hooks
            return f"they part at module {path!r}" + (", which has hooks" if hooks else f", or between {before} and it")
        before = f"module {path!r}"
    return f"they part behind {before}"


def _results(model: nn.Module, inputs: Tensor) -> list[tuple[str, list[Tensor]]]:
    """What each call of a module gives, by path, in the order in which calls end."""
    found: list[tuple[str, list[Tensor]]] = []

    def keep(path: str) -> Any:
        return lambda module, arguments, result: found.append((path, [one.clone() for one in _tensors(result)]))

    for path, module in model.named_modules():
        if path:
            module.register_forward_hook(keep(path))
    _run(model, inputs)
    return found
