"""An integer network as a table of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asm_hw.formats.activation_format import ActivationFormat

from .integer_layers import IntegerLayer
from .integer_node import INPUT, IntegerNode

if TYPE_CHECKING:  # which prints itself by this module
    from .integer_network import IntegerNetwork

HEAD = ("layer", "kind", "from", "output", "MACs", "weights", "weight bits", "W", "A", "stored as")
LEFT = 4
"""Columns of text; the others hold numbers and formats, on the right."""


def summary_of(network: IntegerNetwork) -> str:
    """Rows of `HEAD`, aligned, for the input, every node and the total.

    MACs are of one input; weight bits are those of packed codes. W is the weights' format, A the activations' that a
    layer takes, ``stored as`` that of its result: ``u8`` unsigned, ``s8`` signed, ``u4{1,3}`` on the levels of {1,3}.
    """
    rows: list[tuple[str, ...]] = [HEAD]
    rows.append((INPUT, "", "", _shape(network.input_shape), "", "", "", "", "", _stored(network.formats[INPUT])))
    for layer, sources, size in zip(network.layers, network.sources, network.sizes, strict=True):
        numbers = [f"{number:,}" if number else "" for number in (size.macs, size.weights, size.packed_bits)]
        head = (layer.name, layer.kind, ", ".join(sources), _shape(size.output_shape))
        rows.append((*head, *numbers, *_operands(layer), _stored(network.formats[layer.name])))
    totals = [sum(getattr(size, name) for size in network.sizes) for name in ("macs", "weights", "packed_bits")]
    rows.append(("total", "", "", "", *(f"{total:,}" for total in totals), "", "", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (
        f"{cell:<{w}}" if i < LEFT else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _operands(layer: IntegerNode) -> tuple[str, str]:
    """The formats of weights and activations of a layer that multiplies."""
    if not isinstance(layer, IntegerLayer):
        return "", ""
    weight = layer.operands.weight
    return f"{weight.bits}{{{weight.alphabets}}}", _stored(layer.operands.activation)


def _stored(stored: ActivationFormat) -> str:
    encoded = "" if stored.alphabets is None else f"{{{stored.alphabets}}}"
    return f"{'s' if stored.signed else 'u'}{stored.bits}{encoded}"
