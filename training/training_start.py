"""What a training begins with: a model that fits its data, and the first images."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from asm_hw.errors import ParameterError
from asm_hw.training.data.images import Dataset, Splits

from .checkpoint import load_state, read_state
from .models import make_model
from .models.model_files import is_onnx, onnx_model
from .tensor_shapes import evaluating


def check_batch(batch: int, splits: Splits) -> None:
    """Raise `ParameterError` for a batch of more images than there are."""
    if batch > len(splits.train):
        raise ParameterError(f"batch must be at most the {len(splits.train)} training images, not {batch}")


def begin_model(name: str, splits: Splits, init: Path | None, seed: int = 0) -> nn.Module:
    """The float model that a run begins with; `ParameterError` for a name or for weights that give none.

    A model in an ONNX file has the weights in it, unless ``init`` is another file.
    """
    if is_onnx(name):
        model = onnx_model(name, tuple(first_images(splits.train, 1)[0].shape[1:]))
    else:
        model = make_model(name, splits.classes, splits.image_size, seed)
    if init is not None and not (is_onnx(name) and is_onnx(init)):
        load_state(model, read_state(init), f"init {init.name!r}")
    _check_fit(model, name, splits)
    return model


@torch.no_grad()
def _check_fit(model: nn.Module, name: str, splits: Splits) -> None:
    """Raise `ParameterError` where ``model`` does not give the classes of ``splits`` for its images."""
    images = first_images(splits.train, 2)[0]
    if splits.image_size not in images.shape[-2:]:
        raise ParameterError(
            f"image_size of the data set must be that of its images, {images.shape[-1]}, not {splits.image_size}"
        )
    try:
        with evaluating(model):
            logits = model(images)
    except Exception as error:  # whatever a model raises that was made for other images
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ParameterError(f"model {name!r} must take images {list(images.shape[1:])}: {reason}") from None
    found = f"shape {list(logits.shape[1:])}" if isinstance(logits, Tensor) else type(logits).__name__
    if not isinstance(logits, Tensor) or logits.shape != (len(images), splits.classes):
        raise ParameterError(f"model {name!r} must give {splits.classes} logits an image, not {found}")


def first_images(data: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """The first ``count`` images of ``data``, all if there are fewer, not augmented, and their labels."""
    index = torch.arange(min(count, len(data)))
    return next(data.batches(index, len(index)))


def spread_images(data: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """As `first_images`, evenly chosen from all: folders hold one class after another."""
    count = min(count, len(data))
    return next(data.batches(torch.arange(count) * len(data) // count, count))
