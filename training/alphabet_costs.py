"""What the alphabet sets of layers cost a network: alphabets a weight, or energy a MAC, in the mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet

from .prepared_layers import LAYERS, Layer
from .tensor_shapes import evaluating

Cost = Callable[[str, AlphabetSet], float]
"""What the layer at a path adds to the cost of the network with a set: `weight_cost`, `energy_cost` or any other."""


def weight_cost(model: nn.Module, sample: Tensor) -> Cost:
    """The mean number of alphabets over all weights that ``model`` uses on an input like ``sample`` [n, ...]."""
    layers = _layers(model)
    return _mean({path: layers[path].weight.numel() for path in _macs(model, sample)}, len)


def energy_cost(model: nn.Module, sample: Tensor, energies: Mapping[Any, float]) -> Cost:
    """The mean energy over all MACs of ``model`` on an input like ``sample`` [n, ...].

    ``energies``: of one MAC by alphabet set, in any unit, as ``asm-hw energy`` measures them; wider weights of
    a first and a last layer are taken to cost as much.
    """
    known = {AlphabetSet.of(alphabets): energy for alphabets, energy in energies.items()}

    def energy(alphabets: AlphabetSet) -> float:
        if alphabets not in known:
            raise ParameterError(f"energies must hold one for each candidate, not none for {alphabets}")
        return known[alphabets]

    return _mean(_macs(model, sample), energy)


def _layers(model: nn.Module) -> dict[str, Layer]:
    return {path: module for path, module in model.named_modules() if isinstance(module, LAYERS)}


@torch.no_grad()
def _macs(model: nn.Module, sample: Tensor) -> dict[str, int]:
    """Products of each layer that ``model`` calls on one input, by path."""
    macs: dict[str, int] = {}

    def count(path: str) -> Callable[..., None]:
        def hook(layer: Any, inputs: object, output: Tensor) -> None:
            macs[path] = macs.get(path, 0) + output[0].numel() * layer.weight[0].numel()

        return hook

    hooks = [layer.register_forward_hook(count(path)) for path, layer in _layers(model).items()]
    with evaluating(model):
        model(sample[:1])
    for hook in hooks:
        hook.remove()
    return macs


def _mean(counts: Mapping[str, int], value: Callable[[AlphabetSet], float]) -> Cost:
    """What a layer adds to the mean of ``value`` over all that ``counts`` counts."""
    total = sum(counts.values())
    return lambda path, alphabets: counts[path] / total * value(alphabets)
