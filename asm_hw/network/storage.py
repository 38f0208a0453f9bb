"""Integer networks in one safetensors file: tensors, and their parameters as JSON in the header. No pickle."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..config import MultiplierConfig
from ..errors import ParameterError
from .graph import IntegerNetwork
from .layers import IntegerConv2d, IntegerLayer, IntegerLinear
from .requantize import Requantize

SCHEMA = 1
METADATA = "asm_hw"
"""The one key of the file's metadata; its value is the JSON."""

KINDS: dict[str, type[IntegerLayer]] = {"conv2d": IntegerConv2d, "linear": IntegerLinear}
TENSORS = ("weight", "scale", "bias", "shift")
OPERANDS = ("alphabets", "weight_bits", "act_bits", "act_signed", "act_alphabets")


def save(network: IntegerNetwork, path: str | Path) -> None:
    """Write ``network`` to ``path``, beside it first and then renamed. The same network gives the same bytes.

    Raises `ParameterError` if the folder is missing.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ParameterError(f"network file {str(path)!r} must lie in a folder that exists")
    tensors: dict[str, Tensor] = {}
    for i, layer in enumerate(network.layers):
        out = layer.requantize
        # Levels and multipliers have at most 16 bits; the rest of a layer is one value a channel.
        tensors[f"{i}.weight"] = layer.weight.to(torch.int16).contiguous()
        tensors[f"{i}.scale"] = out.scale.to(torch.int16)
        tensors[f"{i}.bias"] = out.bias.contiguous()
        tensors[f"{i}.shift"] = out.shift.to(torch.uint8)
    header = {
        "schema": SCHEMA,
        "input_shape": list(network.input_shape),
        "input_scale": network.input_scale,
        "output_scale": network.output_scale,
        "layers": [_describe(layer) for layer in network.layers],
    }
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder) / path.name
        save_file(tensors, written, {METADATA: json.dumps(header, sort_keys=True)})
        os.replace(written, path)


def load(path: str | Path) -> IntegerNetwork:
    """The network that `save` wrote to ``path``. Raises `ParameterError` for anything else, wrong values included."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            header = json.loads((file.metadata() or {})[METADATA])
    except (OSError, SafetensorError) as error:
        raise ParameterError(f"network file {str(path)!r} must be a readable safetensors file: {error}") from None
    except (KeyError, json.JSONDecodeError):
        raise ParameterError(f"network file {str(path)!r} must hold metadata {METADATA!r} in JSON") from None
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        found = header.get("schema") if isinstance(header, dict) else header
        raise ParameterError(f"network file {str(path)!r} must have schema {SCHEMA}, not {found!r}")
    try:
        return IntegerNetwork(
            layers=tuple(_restore(i, entry, tensors) for i, entry in enumerate(header["layers"])),
            input_shape=tuple(header["input_shape"]),
            input_scale=header["input_scale"],
            output_scale=header["output_scale"],
        )
    except ParameterError as error:
        raise ParameterError(f"network file {str(path)!r} is refused: {error}") from None
    except KeyError as error:
        raise ParameterError(f"network file {str(path)!r} must hold {error.args[0]!r}, which is missing") from None
    except (TypeError, AttributeError) as error:  # JSON of another structure
        raise ParameterError(
            f"network file {str(path)!r} must have the structure of schema {SCHEMA}: {error}"
        ) from None


def _describe(layer: IntegerLayer) -> dict[str, Any]:
    """Everything of ``layer`` but its tensors, as JSON values."""
    out = layer.requantize
    entry: dict[str, Any] = {
        "kind": next(kind for kind, cls in KINDS.items() if isinstance(layer, cls)),
        "name": layer.name,
        "operands": {name: layer.config.parameters[name] for name in OPERANDS},
        "requantize": {
            "alphabets": list(out.alphabets),
            "bits": out.bits,
            "signed": out.signed,
            "encode": None if out.encode is None else list(out.encode),
        },
    }
    if isinstance(layer, IntegerConv2d):
        entry["window"] = {"stride": list(layer.stride), "padding": list(layer.padding), "groups": layer.groups}
    return entry


def _restore(index: int, entry: dict[str, Any], tensors: dict[str, Tensor]) -> IntegerLayer:
    """The layer of an entry; its constructors judge every value."""
    weight, scale, bias, shift = (tensors[f"{index}.{name}"] for name in TENSORS)
    for name, tensor in zip(TENSORS, (weight, scale, bias, shift), strict=True):
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            raise ParameterError(f"tensor {index}.{name} must hold integers, not {tensor.dtype}")
    if entry["kind"] not in KINDS:
        raise ParameterError(f"kind of layer {index} must be one of {', '.join(KINDS)}, not {entry['kind']!r}")
    scale, bias, shift = (tensor.to(torch.int64) for tensor in (scale, bias, shift))
    return KINDS[entry["kind"]](
        name=entry["name"],
        config=MultiplierConfig(**entry["operands"]),
        weight=weight.to(torch.int64),
        requantize=Requantize(scale=scale, bias=bias, shift=shift, **entry["requantize"]),
        **entry.get("window", {}),
    )
