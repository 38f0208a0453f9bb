"""Small reference models; plain modules that know nothing of quantization."""

from __future__ import annotations

import torch
from torch import nn


def digits_cnn(seed: int = 0) -> nn.Sequential:
    """A classifier of 8x8 images, [n, 1, 8, 8] to logits [n, 10]: 42,752 MACs an image.

    Strides shrink the maps, so that no pooling unit is needed. ``seed`` draws the weights and leaves
    the global generator alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            *conv_block(1, 8, stride=1),
            *conv_block(8, 16, stride=2),
            *conv_block(16, 32, stride=2),
            nn.Flatten(),
            nn.Linear(32 * 2 * 2, 10),
        )


def conv_block(channels: int, outputs: int, stride: int) -> list[nn.Module]:
    """3x3 convolution, batch norm, ReLU; the norm's shift makes a bias of the convolution pointless."""
    convolution = nn.Conv2d(channels, outputs, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
