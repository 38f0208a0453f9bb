"""Reference models; plain modules that know nothing of quantization."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

import torch
from torch import nn

from asm_hw.errors import ParameterError

from .digits_model import digits_cnn as digits_cnn
from .mobilenet import MobileNetV1, MobileNetV2
from .model_files import check_onnx, is_onnx
from .resnet import CifarResNet, ResNet8, ResNet18

MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    "digits_cnn": lambda classes, size: digits_cnn(torch.initial_seed()),
    "resnet8": lambda classes, size: ResNet8(classes),
    "resnet20": lambda classes, size: CifarResNet(3, classes),
    "resnet32": lambda classes, size: CifarResNet(5, classes),
    "resnet56": lambda classes, size: CifarResNet(9, classes),
    "resnet18": lambda classes, size: ResNet18(classes, size),
    "mobilenet_v1": lambda classes, size: MobileNetV1(classes, size, width=0.25),
    "mobilenet_v2": lambda classes, size: MobileNetV2(classes, size),
    "mobilenet_v2_050": lambda classes, size: MobileNetV2(classes, size, width=0.5),
}
"""By name: a function of the number of classes and of the images' height."""


def make_model(name: str, classes: int, image_size: int, seed: int) -> nn.Module:
    """The model ``name`` of `MODELS`, or what the function of ``module:function`` gives for ``classes``.

    ``seed`` draws the weights; the global generator is left alone. Raises `ParameterError` for a name
    that is neither and for a function that gives no module.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        check_name(name)
        if name in MODELS:
            return MODELS[name](classes, image_size)
        function = imported("model", name)
        try:
            model = function(classes)
        except TypeError as error:
            raise ParameterError(f"model {name!r} must be a function of the number of classes: {error}") from None
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model {name!r} must give a torch.nn.Module, not {type(model).__name__}")
    return model


def check_name(name: str) -> None:
    """Raise `ParameterError` for a name that is neither of `MODELS`, nor a function's, nor an ONNX file's."""
    if is_onnx(name):
        return check_onnx(name)
    if name not in MODELS and ":" not in name:
        raise ParameterError(
            f"model must be module:function or one of {', '.join(MODELS)}, or a file .onnx, not {name!r}"
        )
    return None


def imported(what: str, name: str) -> Callable:
    """The function that ``module:function`` names; modules of the current folder count."""
    module, _, function = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise ParameterError(f"{what} {name!r} must name a function that can be imported: {error}") from None
    if not callable(found):
        raise ParameterError(f"{what} {name!r} must name a function, not a {type(found).__name__}")
    return found
