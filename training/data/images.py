"""Images in memory and the batches that training takes from them.

Every random choice is a function of the seed and of the step it falls in: nothing has to be remembered
to go on after an interruption, and any number of processes draws what one would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels: what the public models of this project's architectures were trained with."""

HELD_OUT = 5000
"""Training images that choices are made on, by default; at most a tenth of them."""

Batch = tuple[Tensor, Tensor]
"""Inputs [n, channels, h, w] float32 as the model takes them, labels [n] int64."""


class Dataset(Protocol):
    """A set of labelled images that training, choosing or testing uses."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def batches(
        self, order: Tensor, batch: int, augment: int | None = None, part: slice = slice(None), start: int = 0
    ) -> Iterator[Batch]:
        """The images ``order`` (indices, int64 [n]), ``batch`` at a time from batch ``start`` on, the last one shorter.

        ``augment``: None, or the seed of the augmentation. ``part``: the rows of each batch that this
        process takes, if any; augmentation is drawn as if it took all.
        """
        ...

    def fingerprint(self) -> str:
        """sha256 of the images and labels, hexadecimal."""
        ...


@dataclass(frozen=True)
class Splits:
    """A data set: what is trained on, what choices are made on, and what counts in the end.

    ``image_size``: height or width, pixels. Raises `ParameterError` where nothing is to be trained or tested on.
    """

    train: Dataset
    held_out: Dataset
    test: Dataset
    classes: int
    image_size: int

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            if not len(getattr(self, name)):
                raise ParameterError(f"{name} of a data set must hold at least one image, not none")


def mix(*numbers: int) -> int:
    """A seed of 56 bits for each tuple of ``numbers``."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:7], "big")


def seeded(*numbers: int) -> torch.Generator:
    """A generator of its own for each tuple of ``numbers``."""
    return torch.Generator().manual_seed(mix(*numbers))


@dataclass(frozen=True, eq=False)
class ImageTensor:
    """Images uint8 [n, channels, h, w] and labels int64 [n], normalised with ``mean`` and ``std`` of 0..1.

    ``pad``: augmentation moves an image by up to this many pixels, zeros moving in; ``flip`` mirrors half.
    """

    images: Tensor
    labels: Tensor
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    pad: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4 or len(self.images) != len(self.labels):
            raise ParameterError(
                f"images must be uint8 [n, c, h, w] with a label each, not {self.images.dtype} "
                f"{list(self.images.shape)} with {len(self.labels)} labels"
            )

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, index: Tensor) -> ImageTensor:
        """The images ``index`` alone."""
        return ImageTensor(self.images[index], self.labels[index], self.mean, self.std, self.pad, self.flip)

    def batches(
        self, order: Tensor, batch: int, augment: int | None = None, part: slice = slice(None), start: int = 0
    ) -> Iterator[Batch]:
        for number, index in enumerate(order[start * batch :].split(batch), start):
            mine = index[part]
            if not len(mine):
                continue
            images = self.images[mine]
            if augment is not None:
                images = self._augment(images, len(index), part, seeded(augment, number))
            yield self.normalise(images), self.labels[mine]

    def normalise(self, images: Tensor) -> Tensor:
        """What the model takes for uint8 ``images``: float32, channels last in memory."""
        shift, scale = (torch.tensor(v).view(1, -1, 1, 1) for v in (self.mean, self.std))
        x = images.to(torch.float32, memory_format=torch.channels_last)
        return (x - 255 * shift) / (255 * scale)

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.images.numpy().tobytes())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()

    def _augment(self, images: Tensor, of: int, part: slice, generator: torch.Generator) -> Tensor:
        """Each image moved and perhaps mirrored, by what ``generator`` draws for a batch of ``of``."""
        height, width = images.shape[-2:]
        top, left = torch.randint(0, 2 * self.pad + 1, (2, of), generator=generator)[:, part]
        mirrored = (torch.rand(of, generator=generator) < 0.5)[part] & self.flip
        rows = top[:, None] + torch.arange(height)
        columns = left[:, None] + torch.arange(width)
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        padded = F.pad(images, (self.pad,) * 4)
        n, c = torch.arange(len(images)), torch.arange(images.shape[1])
        return padded[n[:, None, None, None], c[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]


def split(images: int, held_out: int | None) -> tuple[Tensor, Tensor]:
    """Indices of (the rest, ``held_out`` of so many ``images``), in order: the same ones in every run.

    By default `HELD_OUT`, but at most a tenth.
    """
    count = min(HELD_OUT, images // 10) if held_out is None else held_out
    if not 0 <= count < images:
        raise ParameterError(f"hold_out must be an integer from 0 to {images - 1}, not {count}")
    order = torch.randperm(images, generator=seeded(0))
    return order[count:].sort().values, order[:count].sort().values


def hold_out(data: ImageTensor, held_out: int | None = None) -> tuple[ImageTensor, ImageTensor]:
    """(the rest, ``held_out`` images) of ``data``, as `split` cuts it."""
    rest, held = split(len(data), held_out)
    return data.subset(rest), data.subset(held)
