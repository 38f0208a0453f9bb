"""Number formats of every layer: what `prepare` was told, checked and resolved by module path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class LayerFormats:
    """``layers``: the operands of each layer by path, None for one left in float; ``default`` of the rest.

    ``residual_bits``: of a tensor that a sum, a mean or a pool reads.
    """

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


def resolve_formats(
    paths: list[str],
    common: Mapping[str, Any],
    edge: Mapping[str, Any] | None,
    overrides: Overrides | None,
    residual_bits: int,
) -> LayerFormats:
    """The formats of the layers ``paths``, in order of execution: common, then edge, then overrides."""
    overrides = overrides or {}
    for path in overrides:
        if path not in paths:
            raise ParameterError(
                f"layers must be Conv1d, Conv2d or Linear modules that the model calls, such as {paths[0]!r},"
                f" not {path!r}"
            )
    default = ProductFormat.of(**common)
    edge = default_edge(common) if edge is None else edge
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
    return LayerFormats(layers, default, residual_bits)


def default_edge(common: Mapping[str, Any]) -> dict[str, Any]:
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
