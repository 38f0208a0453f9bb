"""What a training begins with: settings, the model and what is known of an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from asm_hw.errors import ParameterError, check_range
from asm_hw.training.data.images import Dataset, Splits

from .checkpoint import load_state, read_state
from .layer_settings import Start
from .models import make_model
from .recipes import Recipe
from .tensor_shapes import evaluating


@dataclass(frozen=True, kw_only=True)
class Settings(Start):
    """What the trained weights depend on, and nothing else; a checkpoint goes on only under the same settings.

    ``init``: also what an alphabet-aware training is taught by where the recipe distills.
    """

    recipe: Recipe
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0, (1 << 32) - 1)
        super().__post_init__()


@dataclass
class Epoch:
    """What a run came to with one epoch; accuracies are shares of 1, loss is the mean over the epoch's steps.

    ``learning_rate``: of the step that follows. ``seconds``: of the training so far.
    """

    epoch: int
    loss: float
    held_out_accuracy: float | None
    learning_rate: float
    seconds: float


def check_batch(batch: int, splits: Splits) -> None:
    """Raise `ParameterError` for a batch of more images than there are."""
    if batch > len(splits.train):
        raise ParameterError(f"batch must be at most the {len(splits.train)} training images, not {batch}")


def begin_model(name: str, splits: Splits, init: Path | None, seed: int = 0) -> nn.Module:
    """The float model that a run begins with; `ParameterError` for a name or for weights that give none."""
    model = make_model(name, splits.classes, splits.image_size, seed)
    if init is not None:
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
