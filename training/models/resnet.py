"""Residual networks: ResNet-8 of MLPerf Tiny, ResNet-20/32/56 for CIFAR, ResNet-18."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CIFAR_STEM_SIZE = 64
"""Images up to this size get a stem without strides: 3x3 and no pooling."""


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=bias)


class PadShortcut(nn.Module):
    """Option A of He et al. 2015: every second pixel, and as many zero channels on both sides; no weights."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra // 2, self.extra // 2))


class CifarBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without weights; a stride of 2 doubles the channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv(outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if inputs == outputs else PadShortcut(outputs - inputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """ResNet of 6n+2 layers for small images: [n, 3, h, w] to logits [n, classes].

    He et al. 2015 (arXiv 1512.03385), section 4.2, shortcut option A. Parameters have the names of
    akamaster's pytorch_resnet_cifar10, so that its trained weights load.
    """

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = _conv(3, 16, 3)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._layer(16, 16, blocks, stride=1)
        self.layer2 = self._layer(16, 32, blocks, stride=2)
        self.layer3 = self._layer(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, classes)
        _he_normal(self)

    @staticmethod
    def _layer(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
        first = CifarBlock(inputs, outputs, stride)
        return nn.Sequential(first, *(CifarBlock(outputs, outputs, 1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; ``downsample`` is what the shortcut computes, if anything."""

    def __init__(self, inputs: int, outputs: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv(outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet8(nn.Module):
    """The image classifier of MLPerf Tiny (arXiv 2106.07597): [n, 3, 32, 32] to logits, 12.5 M MACs an image.

    The 1x1 convolutions of the shortcuts have a bias and no norm, as there.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = _conv(3, 16, 3)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = BasicBlock(16, 16, 1, None)
        self.layer2 = BasicBlock(16, 32, 2, _conv(16, 32, 1, 2, bias=True))
        self.layer3 = BasicBlock(32, 64, 2, _conv(32, 64, 1, 2, bias=True))
        self.fc = nn.Linear(64, classes)
        _he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class ResNet18(nn.Module):
    """ResNet-18 (arXiv 1512.03385), parameters named as in torchvision, so that its trained weights load.

    ``image_size`` up to `CIFAR_STEM_SIZE` pixels: a 3x3 stem without pooling in the place of 7x7 and pooling.
    """

    def __init__(self, classes: int = 1000, image_size: int = 224) -> None:
        super().__init__()
        small = image_size <= CIFAR_STEM_SIZE
        self.conv1 = _conv(3, 64, 3) if small else _conv(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._layer(64, 64, 1)
        self.layer2 = self._layer(64, 128, 2)
        self.layer3 = self._layer(128, 256, 2)
        self.layer4 = self._layer(256, 512, 2)
        self.fc = nn.Linear(512, classes)
        _he_normal(self)

    @staticmethod
    def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        same = inputs == outputs
        down = None if same else nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        return nn.Sequential(BasicBlock(inputs, outputs, stride, down), BasicBlock(outputs, outputs, 1, None))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def _he_normal(model: nn.Module) -> None:
    """Convolutions drawn for ReLU networks (He et al., arXiv 1502.01852)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
