"""What a command line gives, and the data, weights and settings that it names."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asm_hw.errors import ParameterError, check_range
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.training.data.images import Splits

from .checkpoint import sha256
from .data import Preprocessing, load_data
from .models.model_files import is_onnx
from .recipes import ALPHABET_OPTIONS
from .run_folder import RESULT, WEIGHTS
from .run_settings import StartSettings, read_layers

MAX_WORKERS, MAX_PIXELS = 1 << 10, 1 << 14
FOLDER = "folder:"
"""Before the path of a data set in folders; where it lies is no setting."""


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Model, data and formats as a command line gives them."""

    model: str
    dataset: str
    alphabets: str | None
    weight_bits: int
    act_bits: int
    act_alphabets: str | None
    layers: Path | None
    init: str | None
    hold_out: int | None
    image_size: int
    resize: int | None
    mean: str | None
    std: str | None
    workers: int

    def load(self) -> Splits:
        """The data."""
        check_range("workers", self.workers, 0, MAX_WORKERS)
        check_range("image_size", self.image_size, 1, MAX_PIXELS)
        return load_data(self.dataset, self.hold_out, self.image_size, self.workers, self._preprocessing)

    @property
    def _preprocessing(self) -> Preprocessing:
        return Preprocessing.of(self.resize, self.mean, self.std)

    def settings(self, splits: Splits, init: Path | None) -> dict[str, Any]:
        """The parameters of `StartSettings`."""
        return {
            "model": self.model,
            "dataset": FOLDER if self.dataset.startswith(FOLDER) else self.dataset,
            "image_size": splits.image_size,
            "resize": self.resize,
            "mean": None if self.mean is None else self._preprocessing.mean,
            "std": None if self.std is None else self._preprocessing.std,
            "alphabets": tuple(AlphabetSet.parse(self.alphabets)) if self.alphabets is not None else None,
            "weight_bits": self.weight_bits,
            "act_bits": self.act_bits,
            "act_alphabets": tuple(AlphabetSet.parse(self.act_alphabets)) if self.act_alphabets else None,
            "layers": None if self.layers is None else read_layers(self.layers),
            "hold_out": len(splits.held_out),
            "init": None if init is None or is_onnx(init) else start_name(init),
            "init_sha256": None if init is None else sha256(init),
        }


@dataclass(frozen=True, kw_only=True)
class Options(StartOptions):
    """What the command line of a training gives; ``recipe``: the parameters that are not to be the recipe's."""

    seed: int
    device: str
    save_seconds: float
    recipe: dict[str, Any]

    def __post_init__(self) -> None:
        if not 0 <= self.save_seconds < math.inf:
            raise ParameterError(f"save_seconds must be a number of at least 0, not {self.save_seconds!r}")


def find_init(init: str | None, model: str = "") -> Path | None:
    """The file of ``init``: a path, a path below ``ASM_HW_DATA``, or a folder of an earlier run.

    Without ``init`` an ONNX file ``model``, which holds weights; else None.
    """
    if init is None:
        return Path(model) if is_onnx(model) else None
    below = Path(os.environ.get("ASM_HW_DATA") or ".") / init
    path = below if not Path(init).exists() and below.exists() else Path(init)
    path = path / WEIGHTS if path.is_dir() else path
    if not path.is_file():
        raise ParameterError(f"init must be a file of weights or the folder of a run, and {init!r} is neither")
    return path


def start_name(init: Path) -> str:
    """What results call a start: its name, with the folder where it is the last weights of a run."""
    return f"{init.parent.resolve().name}/{init.name}" if init.name == WEIGHTS else init.name


def command_of(settings: StartSettings, command: str = "train", **more: Any) -> str:
    """The command with which ``settings`` are used again; files and folders by their names alone.

    The layers are those that the result holds, so it names the result. ``more``: options of ``command``.
    """
    plain = settings.as_json()
    given = {**plain.pop("recipe", {}), **plain, "init_sha256": None, **more}
    given["layers"] = RESULT if plain["layers"] else None
    if settings.alphabets is None:
        given |= dict.fromkeys(("weight_bits", "act_bits", "act_alphabets", *ALPHABET_OPTIONS))
    if settings.dataset == FOLDER:
        given["dataset"] += "PATH"
    else:
        given["image_size"] = None  # the data's own
        given["hold_out"] = None if ":" in settings.dataset else plain["hold_out"]  # splits itself
    values = {name: ",".join(map(str, v)) if isinstance(v, list) else v for name, v in given.items() if v is not None}
    return " ".join([f"asm-hw {command}", *(f"--{name.replace('_', '-')} {value}" for name, value in values.items())])
