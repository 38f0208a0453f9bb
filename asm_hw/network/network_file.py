"""Integer networks in one safetensors file: tensors, and their parameters as JSON in the header. No pickle."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import ACT_BITS
from asm_hw.whole_files import whole_file

from .integer_layers import IntegerConv2d, IntegerLinear
from .integer_moves import IntegerConcat, IntegerMove
from .integer_network import IntegerNetwork
from .integer_node import INPUT, IntegerNode
from .integer_pools import IntegerMaxPool, IntegerSumPool
from .integer_requantize import MAX_BITS, Requantize
from .integer_sums import IntegerSum
from .integer_table import IntegerTable
from .packed_weights import pack_weights, unpack_weights

SCHEMA = 3
READ = (2, 3)
"""Schemas that are read: in 2 weights are integers of 16 bits."""
METADATA = "asm_hw"
"""The one key of the file's metadata; its value is the JSON."""
LATER = {"ceil_mode": False, "dim": 1}
"""Fields of nodes that older files do not have; files hold them only where they are not at these defaults."""

KINDS: dict[str, type[IntegerNode]] = {
    node.kind: node
    for node in (
        *(IntegerConv2d, IntegerLinear, IntegerSum, IntegerSumPool, IntegerMaxPool, IntegerMove, IntegerConcat),
        IntegerTable,
    )
}
TENSORS = {
    "scale": torch.int16,
    "bias": torch.int64,
    "shift": torch.uint8,
    "skip_scale": torch.int16,
    "skip_shift": torch.uint8,
}
"""Tensors of a requantize step: levels and multipliers have at most 16 bits."""


def save(network: IntegerNetwork, path: str | Path) -> None:
    """Write ``network`` to ``path``, beside it first and then renamed. The same network gives the same bytes.

    Raises `ParameterError` if the folder is missing.
    """
    path = Path(path)
    if not isinstance(network, IntegerNetwork):
        raise ParameterError(f"network must be what convert gives, not {type(network).__name__}")
    tensors: dict[str, Tensor] = {}
    for i, layer in enumerate(network.layers):
        for name, values in _tensors(layer).items():
            tensors[f"{i}.{name}"] = values.contiguous()
    header = {
        "schema": SCHEMA,
        "input_shape": list(network.input_shape),
        "input_format": _describe_format(network.formats[INPUT]),
        "input_scale": network.input_scale,
        "output_scale": network.output_scale,
        "layers": [_describe(layer) for layer in network.layers],
    }
    with whole_file("network file", path) as written:
        written.write_bytes(to_bytes(tensors, {METADATA: json.dumps(header, sort_keys=True)}))


def load(path: str | Path) -> IntegerNetwork:
    """The network that `save` wrote to ``path``. Raises `ParameterError` for anything else, wrong values included."""
    if Path(path).is_dir():
        raise ParameterError(f"network file {str(path)!r} must be a file, not a folder")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            header = json.loads((file.metadata() or {})[METADATA])
    except (OSError, SafetensorError) as error:
        raise ParameterError(f"network file {str(path)!r} must be a readable safetensors file: {error}") from None
    except (KeyError, json.JSONDecodeError):
        raise ParameterError(f"network file {str(path)!r} must hold metadata {METADATA!r} in JSON") from None
    if not isinstance(header, dict) or header.get("schema") not in READ:
        found = header.get("schema") if isinstance(header, dict) else header
        if found is None:
            raise ParameterError(
                f"network file {str(path)!r} must hold integers, not float weights: `asm-hw quantize --init` makes them"
            )
        raise ParameterError(f"network file {str(path)!r} must have schema {SCHEMA}, not {found!r}")
    try:
        return IntegerNetwork(
            layers=tuple(_restore(i, entry, tensors) for i, entry in enumerate(header["layers"])),
            input_shape=tuple(header["input_shape"]),
            input_scale=header["input_scale"],
            output_scale=header["output_scale"],
            input_format=_restore_format(header["input_format"]),
        )
    except ParameterError as error:
        raise ParameterError(f"network file {str(path)!r} is refused: {error}") from None
    except KeyError as error:
        raise ParameterError(f"network file {str(path)!r} must hold {error.args[0]!r}, which is missing") from None
    except (TypeError, AttributeError, ValueError) as error:  # JSON of another structure
        raise ParameterError(
            f"network file {str(path)!r} must have the structure of schema {SCHEMA}: {error}"
        ) from None


def _tensors(layer: IntegerNode) -> dict[str, Tensor]:
    """The tensors of ``layer`` as they are stored."""
    found = {}
    if isinstance(layer, (IntegerConv2d, IntegerLinear)):
        found["weight"] = pack_weights(layer.operands.weight, layer.weight)
    if isinstance(layer, IntegerTable):
        found["values"] = layer.values.to(torch.int32)
    requantize = getattr(layer, "requantize", None)
    for name, dtype in TENSORS.items():
        values = getattr(requantize, name, None)
        if values is not None:
            found[name] = values.to(dtype)
    return found


def _describe(layer: IntegerNode) -> dict[str, Any]:
    """Everything of ``layer`` but its tensors, as JSON values."""
    entry: dict[str, Any] = {"kind": layer.kind}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, ProductFormat):
            entry["operands"] = value.parameters
        elif isinstance(value, Requantize):
            entry["requantize"] = {
                "alphabets": list(value.alphabets),
                "format": _describe_format(value.format),
                "limits": value.limits,
            }
        elif isinstance(value, ActivationFormat):
            entry[field.name] = _describe_format(value)
        elif field.name == "weight":
            entry["shape"] = list(value.shape)
        elif isinstance(value, Tensor):
            continue
        elif field.name not in LATER or value != LATER[field.name]:
            entry[field.name] = value
    return entry


def _describe_format(given: ActivationFormat) -> list[Any]:
    return [given.bits, given.signed, None if given.alphabets is None else list(given.alphabets)]


def _restore_format(given: Any) -> ActivationFormat:
    """The format of three JSON values."""
    bits, signed, alphabets = given
    if not isinstance(signed, bool):
        raise ParameterError(f"format signed must be true or false, not {signed!r}")
    check_range("format bits", bits, 1 + signed, MAX_BITS if alphabets is None else ACT_BITS[1])
    return ActivationFormat(bits, signed, None if alphabets is None else AlphabetSet.of(tuple(alphabets)))


def _restore(index: int, entry: dict[str, Any], tensors: dict[str, Tensor]) -> IntegerNode:
    """The node of an entry; its constructors judge every value."""
    own = {name.partition(".")[2]: t for name, t in tensors.items() if name.partition(".")[0] == str(index)}
    for name, tensor in own.items():
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            raise ParameterError(f"tensor {index}.{name} must hold integers, not {tensor.dtype}")
    values = {name: tensor.to(torch.int64) for name, tensor in own.items()}
    entry = dict(entry)
    kind = entry.pop("kind")
    if kind not in KINDS:
        raise ParameterError(f"kind of layer {index} must be one of {', '.join(KINDS)}, not {kind!r}")
    if "operands" in entry:
        entry["operands"] = operands = ProductFormat.of(**entry["operands"])
        weight, shape = _tensor(values, index, "weight"), entry.pop("shape", None)
        entry["weight"] = weight if shape is None else unpack_weights(operands.weight, weight, shape)
    if "requantize" in entry:
        out = dict(entry["requantize"])
        stored = _restore_format(out.pop("format"))
        scale, bias, shift = (_tensor(values, index, name) for name in ("scale", "bias", "shift"))
        entry["requantize"] = Requantize(
            **out,
            scale=scale,
            bias=bias,
            shift=shift,
            bits=stored.bits,
            signed=stored.signed,
            encode=stored.alphabets,
            skip_scale=values.get("skip_scale"),
            skip_shift=values.get("skip_shift"),
        )
    if kind == IntegerTable.kind:
        entry |= {name: _restore_format(entry[name]) for name in ("taken", "stored")}
        entry["values"] = _tensor(values, index, "values")
    return KINDS[kind](**entry)


def _tensor(values: dict[str, Tensor], index: int, name: str) -> Tensor:
    if name not in values:
        raise KeyError(f"{index}.{name}")
    return values[name]
