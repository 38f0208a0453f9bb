"""Models that are named by an ONNX file, which holds their weights as well."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from asm_hw.errors import ParameterError

SUFFIX = ".onnx"


def is_onnx(name: str | Path) -> bool:
    """Whether ``name`` is that of an ONNX file, there or not."""
    return str(name).endswith(SUFFIX)


def check_onnx(name: str) -> None:
    """Raise `ParameterError` unless there is a file ``name``."""
    if not Path(name).is_file():
        raise ParameterError(f"model must be an ONNX file that is there, and {name!r} is not")


def onnx_model(name: str, input_shape: tuple[int, ...]) -> nn.Module:
    """The model in the ONNX file ``name``, as `from_onnx` gives it for inputs [n, *input_shape]."""
    check_onnx(name)
    try:
        from asm_hw.training.onnx_in.onnx_import import from_onnx
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("asm_hw"):
            raise
        raise ParameterError(
            f"module {error.name!r} must be installed to read ONNX: pip install 'asm-hw[onnx]'"
        ) from None
    return from_onnx(name, input_shape)
