"""MobileNets of any width, for large images and for small ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .resnet import CIFAR_STEM_SIZE, _he_normal

V1_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""(output channels, stride) of the separable convolutions: arXiv 1704.04861, table 1."""

V2_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""(expansion, output channels, repeats, stride): arXiv 1801.04381, table 2."""


def _channels(channels: int, width: float) -> int:
    """``channels`` times ``width``, a multiple of 8 and never below 90 % of it (as in the published networks)."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, unless ``linear``, an activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: nn.Module | None = None
    ) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), *([] if act is None else [act]))


class MobileNetV1(nn.Module):
    """MobileNet: [n, 3, h, w] to logits [n, classes]; ``width`` 0.25 is the size of MLPerf Tiny.

    Images of up to `CIFAR_STEM_SIZE` pixels: the stem and the first strided block keep the size.
    """

    def __init__(self, classes: int = 1000, image_size: int = 224, width: float = 0.25) -> None:
        super().__init__()
        small = image_size <= CIFAR_STEM_SIZE
        channels = _channels(32, width)
        layers: list[nn.Module] = [ConvNorm(3, channels, 3, 1 if small else 2, act=nn.ReLU())]
        for i, (outputs, stride) in enumerate(V1_BLOCKS):
            stride = 1 if small and i == 1 else stride
            outputs = _channels(outputs, width)
            layers.append(ConvNorm(channels, channels, 3, stride, groups=channels, act=nn.ReLU()))
            layers.append(ConvNorm(channels, outputs, 1, act=nn.ReLU()))
            channels = outputs
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)
        _he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


class InvertedResidual(nn.Module):
    """Expand by 1x1, depthwise 3x3, project by 1x1 without activation; added to the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        expand = [] if expansion == 1 else [ConvNorm(inputs, hidden, 1, act=nn.ReLU6())]
        depthwise = ConvNorm(hidden, hidden, 3, stride, groups=hidden, act=nn.ReLU6())
        # The projection's convolution and norm are direct children: torchvision's names.
        self.conv = nn.Sequential(*expand, depthwise, *ConvNorm(hidden, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2: [n, 3, h, w] to logits [n, classes]; parameters named as in torchvision.

    Images of up to `CIFAR_STEM_SIZE` pixels: the stem and the first strided stage keep the size.
    """

    def __init__(self, classes: int = 1000, image_size: int = 224, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        small = image_size <= CIFAR_STEM_SIZE
        channels, last = _channels(32, width), _channels(1280, max(1.0, width))
        layers: list[nn.Module] = [ConvNorm(3, channels, 3, 1 if small else 2, act=nn.ReLU6())]
        for i, (expansion, outputs, repeats, stride) in enumerate(V2_BLOCKS):
            stride = 1 if small and i == 1 else stride
            outputs = _channels(outputs, width)
            for repeat in range(repeats):
                layers.append(InvertedResidual(channels, outputs, 1 if repeat else stride, expansion))
                channels = outputs
        layers.append(ConvNorm(channels, last, 1, act=nn.ReLU6()))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        _he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))
