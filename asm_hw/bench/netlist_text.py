"""The netlist test bench of a unit: its stimulus, its expected responses, and the Verilog that plays them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asm_hw.numbers.bit_fields import Field, join_fields

_LITERAL_BITS = 1024  # simulators limit the width of one number

Ports = list[dict[str, Any]]
"""The ports of a manifest."""


@dataclass(frozen=True)
class NetlistBench:
    """What a unit adds to the frame of a netlist test bench (`asm_hw.handoff.netlist_bench`).

    Attributes
    ----------
    memories : by name, the bits of a word and the words as Verilog literals
    body : Verilog: what is done with them, from reset to the last response; it counts ``checks``, calls ``fail`` for
        a response that differs, and paces itself by the tasks ``settle`` and ``edge_of_clock``
    variables : declarations that the body needs
    """

    memories: Mapping[str, tuple[int, list[str]]]
    body: str
    variables: list[str] = field(default_factory=list)


def widths_of(ports: Ports) -> dict[str, int]:
    """Bits of each port by name."""
    return {port["name"]: port["width"] for port in ports}


def vectors_bench(vectors: Iterable[tuple[int, ...]], widths: list[int], body: str) -> NetlistBench:
    """A bench of one memory ``vectors``: a row is stimulus and, last, the response; ``body`` loops over ``count``."""
    rows = [
        "{" + ", ".join(literal(value, width) for value, width in zip(row, widths, strict=True)) + "}"
        for row in vectors
    ]
    variables = [f"reg {bit_range(widths[-1])}expected, following;"]
    return NetlistBench({"vectors": (sum(widths), rows)}, body.format(count=len(rows)), variables)


def payload_memories(
    ports: Ports, rows: Iterable[tuple[str, str, list[dict[str, int]]]]
) -> dict[str, tuple[int, list[str]]]:
    """Memories of structured payloads from (memory, port, values by the manifest's field names)."""
    port = {port["name"]: port for port in ports}
    return {memory: (port[name]["width"], [_payload(port[name], row) for row in words]) for memory, name, words in rows}


def word_memories(widths: Mapping[str, int], rows: Iterable[tuple[str, str, list[int]]]) -> dict[str, Any]:
    """Memories of raw payloads from (memory, port, words)."""
    return {name: (widths[port], [literal(word, widths[port]) for word in words]) for name, port, words in rows}


def indexed(values: Iterable[int], prefix: str = "") -> dict[str, int]:
    """Array elements by the manifest's field names."""
    return {f"{prefix}[{i}]": value for i, value in enumerate(values)}


def payload_word(port: Mapping[str, Any], values: Mapping[str, int]) -> int:
    """The value of a structured port of a manifest from those of its fields, as `join_fields` takes them."""
    return join_fields(_fields(port), values)


def _fields(port: Mapping[str, Any]) -> list[Field]:
    return [Field(field["name"], field["lsb"], field["width"]) for field in port["fields"]]


def _payload(port: Mapping[str, Any], values: Mapping[str, int]) -> str:
    """The literal of a structured payload; its fields take the low bits of ``values``, which may be negative."""
    low = {field.name: values[field.name] & (1 << field.width) - 1 for field in _fields(port)}
    return literal(payload_word(port, low), port["width"])


def literal(value: int, width: int) -> str:
    """``width`` bits of ``value`` (two's complement) in Verilog."""
    if width <= _LITERAL_BITS:
        return f"{width}'h{value & (1 << width) - 1:x}"
    # Pieces joined, the highest first; the shift keeps the sign of a negative value.
    low = literal(value, _LITERAL_BITS)
    return f"{{{literal(value >> _LITERAL_BITS, width - _LITERAL_BITS)}, {low}}}"


def bit_range(width: int) -> str:
    """The range of a declaration, "" for a single bit."""
    return f"[{width - 1}:0] " if width > 1 else ""
