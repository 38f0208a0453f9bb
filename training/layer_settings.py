"""Number formats of every layer: what `prepare` was told, checked and resolved by module path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.level_code import ACT_BITS

SETTINGS = ("alphabets", "weight_bits", "act_bits", "act_alphabets")
"""What may be set for a layer; the activation is the layer's input."""

EDGE: Mapping[str, Any] = {"weight_bits": 8, "act_bits": 8, "act_alphabets": None}
"""The first and the last layer by default: few weights, and all errors pass through them."""

RESIDUAL_BITS = 8
"""Bits of tensors that a sum, a mean or a pool reads: a residual stream collects the error of every block."""

OUTPUT_BITS = 16
"""Bits of an output that is not the accumulators of a last layer."""

Overrides = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, kw_only=True)
class Start:
    """A model, its data and its formats: what every command of training begins with.

    ``alphabets`` None: the model stays in float. ``layers``: what differs by module path, as JSON has it
    (`read_layers`). ``init``: name of the file of float weights, None for a fresh model; ``init_sha256`` is
    its hash.
    """

    model: str
    dataset: str
    image_size: int | None = None
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

    def formats(self) -> dict[str, Any]:
        """What `prepare` takes."""
        return {name: getattr(self, name) for name in SETTINGS} | {"overrides": self.layers}

    def as_json(self) -> dict[str, Any]:
        """All settings as JSON gives them back."""
        plain = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


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


@dataclass(frozen=True)
class Settings:
    """``layers``: the operands of each layer by path, None for one left in float; ``default`` of the rest."""

    layers: Mapping[str, ProductFormat | None]
    default: ProductFormat
    residual_bits: int

    def of(self, path: str) -> ProductFormat:
        """The operands of the quantized layer at ``path``."""
        operands = self.layers[path]
        assert operands is not None
        return operands

    def quantized(self, path: str) -> bool:
        """Whether the layer at ``path`` becomes integer."""
        return self.layers.get(path) is not None


def resolve(
    paths: list[str],
    common: Mapping[str, Any],
    edge: Mapping[str, Any] | None,
    overrides: Overrides | None,
    residual_bits: int,
) -> Settings:
    """The settings of the layers ``paths``, in order of execution: common, then edge, then overrides."""
    overrides = overrides or {}
    for path in overrides:
        if path not in paths:
            raise ParameterError(
                f"layers must be Conv2d or Linear modules that the model calls, such as {paths[0]!r}, not {path!r}"
            )
    default = ProductFormat.of(**common)
    edge = wider(common) if edge is None else edge
    if not isinstance(edge, Mapping):
        raise ParameterError(f"edge must be settings by name, such as {dict(EDGE)}, not {edge!r}")
    layers: dict[str, ProductFormat | None] = {}
    for path in paths:
        own = overrides.get(path, {})
        if own is not None and not isinstance(own, Mapping):
            raise ParameterError(f"settings of module {path!r} must be a mapping, or None, not {own!r}")
        outer = edge if path in (paths[0], paths[-1]) else {}
        layers[path] = None if own is None else _operands(path, {**common, **outer, **own})
    check_range("residual_bits", residual_bits, *ACT_BITS)
    return Settings(layers, default, residual_bits)


def wider(common: Mapping[str, Any]) -> dict[str, Any]:
    """`EDGE`, but never narrower than the layers between."""
    bits = {name: max(EDGE[name], common[name]) for name in ("weight_bits", "act_bits")}
    return {**EDGE, **bits}


def _operands(path: str, settings: Mapping[str, Any]) -> ProductFormat:
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        raise ParameterError(f"settings of module {path!r} must be among {', '.join(SETTINGS)}, not {unknown[0]!r}")
    try:
        return ProductFormat.of(**settings)
    except ParameterError as error:
        raise ParameterError(f"module {path!r}: {error}") from None
