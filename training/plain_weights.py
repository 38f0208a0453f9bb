"""A copy of a model whose weights are tensors of their own, whatever computed them."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from .quantizer import WeightQuantizer

COMPUTED = (prune.BasePruningMethod, WeightNorm, SpectralNorm)
"""Pre-hooks that compute a tensor of their module, as torch.nn.utils has them."""


def copy_of(model: nn.Module) -> nn.Module:
    """A copy of ``model``, tensors among it that hooks computed, which deepcopy refuses."""
    held = [value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    return copy.deepcopy(model, {id(value): value.detach().clone() for value in held if not value.is_leaf})


def with_plain_weights(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in which weight norm, masks of pruning and other parametrizations are folded."""
    copied = copy_of(model)
    for module in copied.modules():
        for name, computed in list(getattr(module, "parametrizations", {}).items()):
            if not any(isinstance(one, WeightQuantizer) for one in computed):  # those of a model that is prepared
                kind = type(module)  # which the copy shares with the model, and which loses the tensor, too
                module.__class__ = type(kind.__name__, kind.__bases__, dict(vars(kind)))
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, COMPUTED):
                hook.remove(module)
                del module._forward_pre_hooks[key]
    return copied
