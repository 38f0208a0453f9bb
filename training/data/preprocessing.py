"""How the image in a file becomes what a model takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asm_hw.errors import ParameterError, check_range

from .images import MEAN, STD

CROP = 224 / 256
"""Test images by default: the short side becomes ``size / CROP``, then the middle counts."""

MAX_PIXELS = 1 << 14


@dataclass(frozen=True)
class Preprocessing:
    """The middle of an image once its short side is ``resize`` pixels, as ``(value - mean) / std``.

    Values are 0..1; ``mean`` and ``std`` of red, green and blue, by default those of ImageNet. ``resize`` None:
    the size of the middle over `CROP`. Raises `ParameterError` on other values.
    """

    resize: int | None = None
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD

    def __post_init__(self) -> None:
        if self.resize is not None:
            check_range("resize", self.resize, 1, MAX_PIXELS)
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != 3 or not all(0 <= v <= 1 if name == "mean" else 0 < v < math.inf for v in values):
                kind = "numbers from 0 (black) to 1" if name == "mean" else "finite numbers above 0"
                raise ParameterError(f"{name} must be three {kind}, for red, green and blue, not {values!r}")

    @staticmethod
    def of(resize: int | None = None, mean: str | None = None, std: str | None = None) -> Preprocessing:
        """What a command line gives: ``mean`` and ``std`` as one number or three with commas; None the default."""
        return Preprocessing(resize, _three("mean", mean, MEAN), _three("std", std, STD))

    def crop(self, size: int) -> float:
        """The share of the short side that counts in images of ``size`` pixels; `ParameterError` where it is over 1."""
        if self.resize is None:
            return CROP
        check_range("image_size", size, 1, MAX_PIXELS)
        if size > self.resize:
            raise ParameterError(f"resize must be at least the image size, {size}, not {self.resize}")
        return size / self.resize


def _three(name: str, text: str | None, default: tuple[float, ...]) -> tuple[float, ...]:
    if text is None:
        return default
    try:
        values = tuple(map(float, text.split(",")))
    except ValueError:
        raise ParameterError(f"{name} must be one number or three with commas between, not {text!r}") from None
    return values * 3 if len(values) == 1 else values
