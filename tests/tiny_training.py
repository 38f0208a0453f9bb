"""Models and data so small that a training takes seconds; named on the command line as ``tiny_training:...``."""

from __future__ import annotations

import torch
from torch import nn

from asm_hw.training.data import tensor_splits
from asm_hw.training.data.images import ImageTensor, Splits

CLASSES = 4


def splits() -> Splits:
    """512 training and 128 test images of 8x8 pixels: the bright quarter is the class."""
    generator = torch.Generator().manual_seed(1)

    def draw(count: int) -> ImageTensor:
        labels = torch.randint(0, CLASSES, (count,), generator=generator)
        images = torch.randint(0, 120, (count, 1, 8, 8), generator=generator)
        for i, label in enumerate(labels.tolist()):
            top, left = 4 * (label // 2), 4 * (label % 2)
            images[i, 0, top : top + 4, left : left + 4] += 80
        return ImageTensor(images.to(torch.uint8), labels, (0.0,), (1.0,), pad=1, flip=False)

    return tensor_splits(draw(512), draw(128))


def with_norm(classes: int) -> nn.Module:
    """Convolution, norm, product: batch statistics, so that processes do not add up to a larger batch."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, classes),
    )


def with_dropout(classes: int) -> nn.Module:
    """Draws from the global generator in every step."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, classes))


def plain(classes: int) -> nn.Module:
    """No norm and no dropout: the mean over a batch is the mean over its parts."""
    return nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, classes))


class Inverted(nn.Module):
    """Depthwise convolution between norms, a residual, a pool: what MobileNets are made of."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8))
        self.block = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 1, bias=False),
            nn.BatchNorm2d(8),
        )
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.nn.functional.max_pool2d(x + self.block(x), 2)
        return self.head(torch.flatten(torch.nn.functional.adaptive_avg_pool2d(x, 1), 1))


def two_logits(classes: int) -> nn.Module:
    """As many logits as no data set here has classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))


def with_group_norm(classes: int) -> nn.Module:
    """What trains in float and has no integer form."""
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(144, classes))


def not_a_model(classes: int) -> int:
    return classes
