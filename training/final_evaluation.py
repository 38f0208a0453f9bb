"""The end of a run: whether a model becomes integers, and its accuracy on the test set as floats and as integers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import nn

from asm_hw.network.network_file import save as save_network
from asm_hw.training.data.images import Splits

from .checkpoint import sha256
from .convert import convert
from .evaluate import compare_with_integers, evaluate, percent
from .freeze import freeze
from .prepare import prepare
from .run_folder import INTEGERS
from .run_settings import StartSettings
from .training_start import begin_model, first_images


def check_formats(settings: StartSettings, splits: Splits) -> None:
    """Raise `ParameterError`, naming the module, for a model that would not become integers after training."""
    model = begin_model(settings.model, splits, None)
    prepared = prepare(model, first_images(splits.train, 2)[0], **settings.prepare_arguments())
    freeze(prepared)
    convert(prepared)


def evaluate_test_set(
    model: nn.Module, splits: Splits, settings: StartSettings, out: Path, reference: nn.Module | None = None
) -> dict[str, Any]:
    """Accuracies in percent on the test set: of the float model, or of the fake-quantized one and its integers.

    The integers, written to the folder ``out``, are evaluated by the golden model. ``agreement_percent``:
    images to which both give the same class. ``reference``: the float model, to be compared with image by image.
    """
    started = time.monotonic()
    model = model.cpu()
    result: dict[str, Any] = {"images": len(splits.test)}
    if settings.alphabets is None:
        return result | {"float_percent": percent(evaluate(model, splits.test))}
    network = convert(model)
    save_network(network, out / INTEGERS)
    result |= compare_with_integers(model, network, splits.test, reference)
    return result | {"integers_sha256": sha256(out / INTEGERS), "evaluation_s": round(time.monotonic() - started, 1)}
