"""What a step of training does: the loss, the rate and who updates which parameter."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .recipes import Recipe

MOMENTUM = 0.9
TEMPERATURE = 4.0
"""Of the answers compared in distillation (Hinton et al., arXiv 1503.02531)."""


def rate_at(done: float, recipe: Recipe) -> float:
    """The learning rate after the share ``done`` of all steps: up over the warm-up, then half a cosine to 0."""
    if done < recipe.warmup:
        return recipe.learning_rate * (0.01 + 0.99 * done / recipe.warmup)
    falling = (done - recipe.warmup) / max(1 - recipe.warmup, 1e-9)
    return recipe.learning_rate * (1 + math.cos(math.pi * falling)) / 2


def loss_of(logits: Tensor, images: Tensor, labels: Tensor, teacher: nn.Module | None, recipe: Recipe) -> Tensor:
    """Cross entropy of ``logits`` [n, classes], and the distance to what ``teacher`` answers, where there is one."""
    loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    if teacher is None:
        return loss
    with torch.no_grad():
        taught = teacher(images).float()
    mine, target = (F.log_softmax(x / TEMPERATURE, 1) for x in (logits, taught))
    distance = TEMPERATURE**2 * F.kl_div(mine, target, reduction="batchmean", log_target=True)
    return recipe.distill * distance + (1 - recipe.distill) * loss


def make_optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """SGD for weights, norms and biases; Adam, whose steps know no unit, for the logarithms of scales.

    One-dimensional parameters do not decay. ``share``: a group's rate as a share of the recipe's.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    scales = [p for name, p in named if name.endswith("log2_scale")]
    others = [p for name, p in named if not name.endswith("log2_scale")]
    groups = [
        {"params": [p for p in others if p.dim() > 1], "weight_decay": recipe.weight_decay, "share": 1.0},
        {"params": [p for p in others if p.dim() <= 1], "weight_decay": 0.0, "share": 1.0},
    ]
    made: list[torch.optim.Optimizer] = [
        torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=MOMENTUM, nesterov=True)
    ]
    if scales:
        share = recipe.scale_learning_rate / recipe.learning_rate
        made.append(torch.optim.Adam([{"params": scales, "share": share}], lr=recipe.scale_learning_rate))
    return made
