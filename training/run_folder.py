"""The files of a run's folder: what lies there already, and the result that is put beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asm_hw.errors import ParameterError
from asm_hw.training.data.images import Splits

from .checkpoint import read_metadata, write_atomic
from .provenance import data_of
from .run_settings import check_same

CHECKPOINT, WEIGHTS, RESULT = "checkpoint.safetensors", "model.safetensors", "result.json"
INTEGERS = "integers.safetensors"
WRITABLE = ".writable"
"""A file that is made and removed to see whether a folder can be written."""


def make_run_folder(out: Path) -> None:
    """The folder ``out`` of a run; `ParameterError` if other things lie there, or it cannot be made or written."""
    own = {CHECKPOINT, WEIGHTS, INTEGERS, RESULT, "float", "tensorboard", WRITABLE}
    others = [path.name for path in out.iterdir() if path.name.removesuffix(".part") not in own] if out.is_dir() else []
    if others:
        raise ParameterError(f"out must be a new folder or that of a run, and {str(out)!r} holds {others[0]!r}")
    make_folder(out)


def make_folder(out: Path) -> None:
    """The folder ``out``; `ParameterError` if it cannot be made or written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / WRITABLE).touch()
        (out / WRITABLE).unlink()
    except OSError as error:
        raise ParameterError(f"out must be a folder that can be written, and {str(out)!r} is not: {error}") from None


def finished_result(out: Path, settings: dict[str, Any], splits: Splits) -> dict[str, Any] | None:
    """The result in the folder ``out``, None if it holds none; `ParameterError` if of other settings or images."""
    for name in (CHECKPOINT, WEIGHTS):
        if (out / name).exists():
            check_same(read_metadata(out / name).get("settings"), settings, out / name)
    made = (WEIGHTS,) if settings["alphabets"] is None else (WEIGHTS, INTEGERS)
    known = read_result(out / RESULT, settings, splits)
    return known if all((out / name).is_file() for name in made) else None  # what is missing is made again


def read_result(path: Path, settings: dict[str, Any], splits: Splits) -> dict[str, Any] | None:
    """The result in the file ``path``, None if there is none; `ParameterError` if of other settings or images."""
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text())
        found, data = result["settings"], result["provenance"]["data"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ParameterError(f"out must be new or hold a whole result, and {str(path)!r} is none") from None
    check_same(found, settings, path)
    if data != data_of(splits):
        raise ParameterError(f"dataset must be the images of {str(path)!r}, and these differ: give another --out")
    return result


def write_result(path: Path, result: dict[str, Any]) -> None:
    """``result`` as JSON, all or nothing."""
    write_atomic(path, json.dumps(result, indent=1).encode() + b"\n")
