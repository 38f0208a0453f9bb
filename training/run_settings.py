"""The settings of a run: what its result depends on, as files hold them and compare them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.product_format import ProductFormat

from .layer_formats import SETTINGS
from .models.model_files import is_onnx
from .recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class StartSettings:
    """A model, its data and its formats: what every command of training begins with.

    ``image_size``, ``resize``, ``mean``, ``std``: of `Preprocessing`. ``alphabets`` None: the model stays in float.
    ``layers``: what differs by module path, as JSON has it (`read_layers`). ``init``: name of the file of float
    weights, None for a fresh model; ``init_sha256`` is its hash.
    """

    model: str
    dataset: str
    image_size: int | None = None
    resize: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    hold_out: int | None = None
    init: str | None = None
    init_sha256: str | None = None
    alphabets: tuple[int, ...] | None = None
    weight_bits: int = 5
    act_bits: int = 8
    act_alphabets: tuple[int, ...] | None = None
    layers: dict[str, dict[str, Any] | None] | None = None

    def __post_init__(self) -> None:
        if self.alphabets is not None:
            ProductFormat.of(**{name: getattr(self, name) for name in SETTINGS})
        elif self.layers is not None:
            raise ParameterError("layers must be left out of a float training: alphabets are not given")

    def prepare_arguments(self) -> dict[str, Any]:
        """The formats as `prepare` takes them."""
        return {name: getattr(self, name) for name in SETTINGS} | {"overrides": self.layers}

    def as_json(self) -> dict[str, Any]:
        """All settings as JSON gives them back; of an ONNX file the name alone: ``init_sha256`` is its hash."""
        plain = asdict(self)
        plain["model"] = Path(self.model).name if is_onnx(self.model) else self.model
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(StartSettings):
    """What the trained weights depend on, and nothing else; a checkpoint goes on only under the same settings.

    ``init``: also what an alphabet-aware training is taught by where the recipe distills.
    """

    recipe: Recipe
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0, (1 << 32) - 1)
        super().__post_init__()


def read_layers(path: Path) -> dict[str, dict[str, Any] | None]:
    """Settings by module path from a JSON file, or from what ``asm-hw choose`` or an earlier run wrote."""
    try:
        layers = json.loads(path.read_text())
        if "provenance" in layers:  # a result
            layers = layers.get("layers") or layers["settings"]["layers"] or {}
        if all(isinstance(value, dict | None) for value in layers.values()):
            return dict(layers)
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        pass
    raise ParameterError(f"layers must be a JSON file of settings by module path, and {str(path)!r} is none")


def check_same(found: dict[str, Any] | None, wanted: dict[str, Any], path: Path) -> None:
    """Raise `ParameterError`, naming a setting, where the file ``path`` is of other settings than ``wanted``."""
    if not isinstance(found, dict) or ("recipe" in found) != ("recipe" in wanted):
        raise ParameterError(f"out must hold nothing, or what the same command left, and {str(path)!r} is of another")
    found, wanted = ({**one, **one.get("recipe", {})} for one in (found, wanted))
    for name in sorted((wanted.keys() | found.keys()) - {"recipe"}):
        if wanted.get(name) != found.get(name):
            raise ParameterError(
                f"{name} must be {found.get(name)!r}, with which {str(path)!r} was begun, not {wanted.get(name)!r}: "
                f"give another --out, or remove it"
            )
