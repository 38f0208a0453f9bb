"""Data sets for training, split the same way every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asm_hw.errors import ParameterError

from . import cifar10
from .digits_data import ImageData as ImageData
from .digits_data import digits as digits
from .folder import PLAIN, image_folder
from .images import Dataset as Dataset
from .images import ImageTensor, Splits, hold_out
from .preprocessing import Preprocessing as Preprocessing

DATASETS = ("cifar10", "digits", "folder:PATH", "module:function")


def load_data(
    name: str,
    held_out: int | None = None,
    image_size: int = 224,
    workers: int = 0,
    preprocessing: Preprocessing = PLAIN,
) -> Splits:
    """The data set ``name``: one of `DATASETS`, where PATH holds folders ``train`` and ``val`` of class folders.

    ``held_out``: training images to keep for choices (`images.split` says how many by default);
    ``image_size``, ``workers`` (processes that decode) and ``preprocessing`` are for folders. ``module:function`` gives
    `Splits` of its own. Raises `ParameterError` for an unknown name or missing data.
    """
    if name.startswith("folder:"):
        return image_folder(Path(name.removeprefix("folder:")), held_out, image_size, workers, preprocessing)
    if preprocessing != PLAIN:
        raise ParameterError(f"resize, mean and std must be left to dataset {name!r}: they are of images in folders")
    if name == "cifar10":
        train, test = cifar10.load()
        return tensor_splits(train, test, held_out)
    if name == "digits":
        return tensor_splits(*_digits(), held_out)
    if ":" not in name:
        raise ParameterError(f"dataset must be one of {', '.join(DATASETS)}, not {name!r}")
    from asm_hw.training.models import imported

    try:
        splits: Any = imported("dataset", name)()
    except TypeError as error:
        raise ParameterError(f"dataset {name!r} must be a function that takes nothing: {error}") from None
    if not isinstance(splits, Splits):
        raise ParameterError(f"dataset {name!r} must give Splits, not {type(splits).__name__}")
    if held_out is not None:
        raise ParameterError(f"hold_out must be left to dataset {name!r}, which splits itself, not {held_out}")
    return splits


def tensor_splits(train: ImageTensor, test: ImageTensor, held_out: int | None = None) -> Splits:
    """Splits of images in memory, ``held_out`` of the training images kept for choices."""
    rest, held = hold_out(train, held_out)
    labels = torch.cat([train.labels, test.labels])
    return Splits(rest, held, test, int(labels.max()) + 1, train.images.shape[-1])


def _digits() -> tuple[ImageTensor, ImageTensor]:
    """The digits as integers 0..16, which the model sees as 0..1."""
    data = digits()
    one = 1 / data.input_scale / 255

    def integers(images: Tensor, labels: Tensor) -> ImageTensor:
        scaled = (images / data.input_scale).to(torch.uint8)
        return ImageTensor(scaled, labels, (0.0,), (one,), pad=1, flip=False)

    return integers(data.train_images, data.train_labels), integers(data.test_images, data.test_labels)
