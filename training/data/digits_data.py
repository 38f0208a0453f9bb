"""Data sets as tensors, split the same way every time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asm_hw.errors import ParameterError

SPLIT_SEED = 0
TEST_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images [n, channels, h, w] float32 in 0..1 and labels [n] int64, for training and for testing.

    ``input_scale``: images are integers times this, so that a network of integers loses nothing.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    input_scale: float


def digits(split_seed: int = SPLIT_SEED) -> ImageData:
    """scikit-learn's handwritten digits: 1,797 images of 8x8 pixels 0..16; 1,347 train, 450 test.

    The split is stratified by class and, by default, the same for every training seed. It mixes writers: accuracy
    here is not accuracy on unseen writers. Raises `ParameterError` without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise ParameterError("the data set digits needs scikit-learn, which is missing: install asm-hw[demo]") from None
    data = load_digits()
    parts = train_test_split(
        data.images, data.target, test_size=TEST_SHARE, random_state=split_seed, stratify=data.target
    )
    images = [torch.tensor(part / 16, dtype=torch.float32).unsqueeze(1) for part in parts[:2]]
    labels = [torch.tensor(part, dtype=torch.int64) for part in parts[2:]]
    return ImageData(images[0], labels[0], images[1], labels[1], input_scale=1 / 16)
