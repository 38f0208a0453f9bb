"""How each model is trained, in float and alphabet-aware: numbers that work, each open to change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.training.models.resnet import CIFAR_STEM_SIZE

PRECISIONS = ("float32", "bfloat16")
ALPHABET_OPTIONS = ("settle", "scale_learning_rate", "distill")
"""What only an alphabet-aware training reads."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Stochastic gradient descent with momentum; the rate rises over ``warmup`` and falls as a cosine to 0.

    ``batch``: images a step, over all processes. ``settle``: of ``epochs``, the last ones, which train with
    scales frozen where requantize multipliers are ASM levels. ``scale_learning_rate``: of Adam on the
    logarithms of scales. ``warmup``: share of all steps. ``distill``: weight of the float model's
    answers in the loss. ``precision``: of convolutions in training; evaluation is always float32.
    """

    epochs: int
    batch: int = 128
    learning_rate: float = 0.1
    weight_decay: float = 1e-4
    warmup: float = 0.1
    label_smoothing: float = 0.0
    settle: int = 0
    scale_learning_rate: float = 0.002
    distill: float = 0.0
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_range("epochs", self.epochs, 1, 1 << 16)
        check_range("batch", self.batch, 1, 1 << 20)
        if isinstance(self.settle, int) and self.settle >= self.epochs:
            raise ParameterError(f"settle must be below epochs, which are {self.epochs}, not {self.settle}")
        check_range("settle", self.settle, 0, self.epochs - 1)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("learning_rate", "scale_learning_rate"):
            _check(name, getattr(self, name), 0 < getattr(self, name) < math.inf, "a number above 0")
        _check("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "a number of at least 0")
        for name in ("warmup", "label_smoothing", "distill"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "a number from 0 to 1")


def _check(name: str, value: float, good: bool, allowed: str) -> None:
    if not good:
        raise ParameterError(f"{name} must be {allowed}, not {value!r}")


_FLOAT = Recipe(epochs=120, weight_decay=5e-4)
_QUANTIZED = Recipe(epochs=10, learning_rate=0.02, weight_decay=1e-4, settle=3, distill=0.5, precision="bfloat16")
# Many small kernels: a GPU takes twice the images in the same time.
_MOBILENET_V2 = (
    replace(_FLOAT, epochs=50, batch=256, learning_rate=0.2, weight_decay=2e-4, precision="bfloat16"),
    replace(_QUANTIZED, epochs=8, batch=256, learning_rate=0.03, settle=2),
)

# Small networks underfit: less decay, and a shorter training costs little. ImageNet: 90 epochs at 0.1
# for each 256 images (Goyal et al., arXiv 1706.02677); there MobileNetV2's decay is that of its paper.
RECIPES: dict[str, tuple[Recipe, Recipe]] = {
    "digits_cnn": (
        Recipe(epochs=60, batch=64, learning_rate=0.05),
        Recipe(epochs=45, batch=64, learning_rate=0.01, settle=15),
    ),
    "resnet8": (
        Recipe(epochs=100, weight_decay=2e-4, precision="bfloat16"),
        replace(_QUANTIZED, epochs=8, settle=2),
    ),
    "resnet20": (
        replace(_FLOAT, weight_decay=3e-4, precision="bfloat16"),
        replace(_QUANTIZED, epochs=20, settle=6),
    ),
    "mobilenet_v1": (replace(_FLOAT, weight_decay=1e-4, precision="bfloat16"), _QUANTIZED),
    "mobilenet_v2": _MOBILENET_V2,
    "mobilenet_v2_050": _MOBILENET_V2,
}
IMAGENET: dict[str, tuple[Recipe, Recipe]] = {
    "resnet18": (
        Recipe(epochs=90, batch=256, warmup=0.06, label_smoothing=0.1, precision="bfloat16"),
        replace(_QUANTIZED, epochs=20, batch=256, settle=5, precision="bfloat16"),
    ),
    "mobilenet_v2": (
        Recipe(epochs=150, batch=256, warmup=0.03, weight_decay=4e-5, label_smoothing=0.1, precision="bfloat16"),
        replace(_QUANTIZED, epochs=30, batch=256, weight_decay=4e-5, settle=8, precision="bfloat16"),
    ),
}


def recipe_for(model: str, image_size: int, quantized: bool, **changes: Any) -> Recipe:
    """The recipe of ``model`` on images of ``image_size``, with ``changes`` that are not None."""
    known = IMAGENET if image_size > CIFAR_STEM_SIZE and model in IMAGENET else RECIPES
    recipe = known.get(model, (_FLOAT, _QUANTIZED))[quantized]
    changes = {name: value for name, value in changes.items() if value is not None}
    if "epochs" in changes and "settle" not in changes:
        changes["settle"] = recipe.settle * check_range("epochs", changes["epochs"], 1, 1 << 16) // recipe.epochs
    return replace(recipe, **changes)
