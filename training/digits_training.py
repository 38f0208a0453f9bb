"""Training loops: float, then alphabet-aware from the float weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asm_hw.errors import ParameterError, check_range

from .data import ImageData
from .freeze import freeze
from .prepare import prepare

EPOCHS, ASM_EPOCHS = 60, 45
"""The recipe for the digits: seconds on one core, well past where the loss settles."""

BATCH = 64
WEIGHT_DECAY = 1e-3
SAMPLE = 512
"""Training images on which the activation scales are fitted."""

Progress = Callable[[int, float], None]
"""Called after each epoch with the number of epochs done (from 1) and the mean loss."""


def train(
    model: nn.Module,
    data: ImageData,
    *,
    epochs: int = EPOCHS,
    seed: int,
    learning_rate: float = 0.01,
    progress: Progress | None = None,
) -> list[float]:
    """Train ``model`` in place on shifted images; returns the mean loss of each epoch.

    AdamW, one-cycle learning rate (up for three tenths, then cosine down), last weights kept. The same
    seed, model and number of threads give the same weights; the global generator is left alone.
    ``model`` is in evaluation mode afterwards. Raises `ParameterError` for no epoch or less than one batch.
    """
    check_range("epochs", epochs, 1, 1 << 16)
    generator = torch.Generator().manual_seed(seed)
    batches = len(data.train_images) // BATCH
    if not batches:
        raise ParameterError(f"training images must be at least {BATCH}, not {len(data.train_images)}")
    optimizer = torch.optim.AdamW(_groups(model), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=epochs * batches)
    losses: list[float] = []
    model.train()
    for epoch in range(epochs):
        total = 0.0
        order = torch.randperm(len(data.train_images), generator=generator)
        for index in order[: batches * BATCH].view(batches, BATCH):
            images = shift_images(data.train_images[index], generator)
            loss = F.cross_entropy(model(images), data.train_labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        losses.append(total / batches)
        if progress:
            progress(epoch + 1, losses[-1])
    model.eval()
    return losses


def train_asm(
    model: nn.Module,
    data: ImageData,
    *,
    epochs: int = ASM_EPOCHS,
    seed: int,
    alphabets: Any = (1, 3),
    weight_bits: int = 5,
    act_bits: int = 8,
    act_alphabets: Any = None,
    learning_rate: float = 0.003,
    progress: Progress | None = None,
) -> nn.Module:
    """Alphabet-aware training from the trained float ``model``: a prepared, frozen copy for `convert`.

    Two thirds of ``epochs`` learn weights and scales; then the scales are frozen where the requantize
    multipliers are ASM levels, and the rest lets weights and biases settle there.
    Widths and alphabets are those of `prepare`.
    """
    settle = check_range("epochs", epochs, 1, 1 << 16) // 3
    # The data set's own integers lose nothing, if the input has as many steps and each of them is a level.
    whole = act_alphabets is None and 1 / data.input_scale < 1 << act_bits
    model = prepare(
        model,
        data.train_images[:SAMPLE],
        alphabets=alphabets,
        weight_bits=weight_bits,
        act_bits=act_bits,
        act_alphabets=act_alphabets,
        edge={},  # one array of one format computes every layer
        input_scale=data.input_scale if whole else None,
    )
    train(model, data, epochs=epochs - settle, seed=seed, learning_rate=learning_rate, progress=progress)
    freeze(model)

    def settling(epoch: int, loss: float) -> None:
        if progress:
            progress(epochs - settle + epoch, loss)

    if settle:
        train(model, data, epochs=settle, seed=seed + 1, learning_rate=learning_rate / 3, progress=settling)
    return model


def shift_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of ``images`` [n, c, h, w] moved by -1, 0 or 1 pixel in both directions, zeros moving in."""
    height, width = images.shape[-2:]
    windows = F.pad(images, (1, 1, 1, 1)).unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(0, 3, (2, len(images)), generator=generator)
    return windows[torch.arange(len(images)), :, down, right]


@torch.no_grad()
def accuracy(model: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> float:
    """The share (0..1) of ``images`` whose largest of ``model(images)`` is at the label."""
    return (model(images).argmax(1) == labels).double().mean().item()


def _groups(model: nn.Module) -> list[dict[str, Any]]:
    """What is trained, in two groups: scales, norms and biases (one dimension) must not decay to zero."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
