"""The netlist test bench: a Verilog file that checks a unit in any simulator, cell by cell or as RTL.

It holds its stimulus and the expected responses, so it needs nothing but the design. Inputs change
just after a rising clock edge and outputs are read just before the next one: a netlist may use the
whole period of the clock that the constraints name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..config import (
    BitlineConfig,
    DotConfig,
    MacConfig,
    MultiplierConfig,
    NearMemoryConfig,
    VnArrayConfig,
    VnScalarConfig,
)
from .bench_text import DOT, MAC, MULTIPLIER, NEAR_MEMORY, TEMPLATE, VON_NEUMANN
from .bitline import bitline_streams
from .constraints import period_ns
from .stimulus import (
    dot_streams,
    mac_vectors,
    multiplier_vectors,
    near_memory_rounds,
    vn_array_rounds,
    vn_scalar_rounds,
)

_LITERAL_BITS = 1024  # simulators limit the width of one number


def bench(config: MultiplierConfig, ports: list[dict[str, Any]], name: str, clock_mhz: float) -> str:
    """The test bench ``<name>_tb`` of the unit ``name`` with the ``ports`` of its manifest."""
    widths = {port["name"]: port["width"] for port in ports}
    if isinstance(config, DotConfig):
        memories, variables, body = _dot(config, ports)
    elif isinstance(config, VnScalarConfig | VnArrayConfig):
        memories, variables, body = _von_neumann(config, widths)
    elif isinstance(config, NearMemoryConfig):
        memories, variables, body = _near_memory(config, ports)
    elif isinstance(config, BitlineConfig):
        memories, variables, body = _bitline(config, widths)
    elif isinstance(config, MacConfig):
        columns = [widths[port] for port in ("en", "clear", "w", "x", "acc")]
        memories, variables, body = _vectors(mac_vectors(config), columns, MAC)
    else:
        columns = [widths[port] for port in ("w", "x", "p")]
        memories, variables, body = _vectors(multiplier_vectors(config), columns, MULTIPLIER)
    kinds = {"input": "reg", "output": "wire"}
    declared = [f"{kinds[port['direction']]} {_range(port['width'])}{port['name']};" for port in ports]
    declared += ["reg clk;  // paces the bench alone"] * ("clk" not in widths) + variables
    declared += [f"reg {_range(width)}{memory} [0:{len(rows) - 1}];" for memory, (width, rows) in memories.items()]
    half, skew = _delays_ns(clock_mhz)
    return TEMPLATE.format(
        name=name, half=half, skew=skew, body=body,
        connections=", ".join(f".{port}({port})" for port in widths),
        declarations="\n".join(f"  {line}" for line in declared),
        memories="".join(
            f"    {memory}[{i}] = {row};\n" for memory, (_, rows) in memories.items() for i, row in enumerate(rows)
        ),
    )  # fmt: skip


_Memories = dict[str, tuple[int, list[str]]]


def _vectors(vectors: Iterable[tuple[int, ...]], widths: list[int], body: str) -> tuple[_Memories, list[str], str]:
    """A memory of stimulus and response, what the loop over it needs, and the loop."""
    rows = [
        "{" + ", ".join(_literal(value, width) for value, width in zip(row, widths, strict=True)) + "}"
        for row in vectors
    ]
    variables = [f"reg {_range(widths[-1])}expected, following;"]
    return {"vectors": (sum(widths), rows)}, variables, body.format(count=len(rows))


def _dot(config: DotConfig, ports: list[dict[str, Any]]) -> tuple[_Memories, list[str], str]:
    """The memories of the three streams, what the loop over them needs, and the loop."""
    streams, port = dot_streams(config), {port["name"]: port for port in ports}
    beats = [
        {f"x[{lane}]": code for lane, code in enumerate(x)} | {"release": release, "last": last}
        for x, release, last in streams.beats
    ]
    weights = [
        {f"[{c}][{lane}]": code for c, column in enumerate(row) for lane, code in enumerate(column)}
        for row in streams.weights
    ]
    sums = [{f"[{c}]": total for c, total in enumerate(row)} for row in streams.sums]
    memories = {
        memory: (port[payload]["width"], [_payload(port[payload], row) for row in rows])
        for memory, payload, rows in (
            ("beats", "i__payload", beats),
            ("weights", "i_weight__payload", weights),
            ("sums", "o__payload", sums),
        )
    }
    variables = ["integer beat, load, idle;", "reg [1:0] taken;"]
    return memories, variables, DOT.format(beats=len(beats), weights=len(weights), sums=len(sums))


def _near_memory(config: NearMemoryConfig, ports: list[dict[str, Any]]) -> tuple[_Memories, list[str], str]:
    """The memories of the four streams, what the loop over them needs, and the loop."""
    rounds, port = near_memory_rounds(config), {port["name"]: port for port in ports}
    words = [{"row": i, "data": word} for made, _ in rounds for i, word in enumerate(made.rows)]
    rows = [
        ("rows", "i_weight__payload", words),
        (
            "commands",
            "i_command__payload",
            [config.command_parts(block) for made, _ in rounds for block in made.blocks],
        ),
        ("beats", "i__payload", [_indexed(beat) for made, _ in rounds for beat in made.x]),
        ("outputs", "o__payload", [_indexed(beat) for _, outputs in rounds for beat in outputs]),
    ]
    memories = {
        name: (port[payload]["width"], [_payload(port[payload], row) for row in values])
        for name, payload, values in rows
    }
    variables = ["integer round, beat, row, command, idle;", "reg [2:0] taken;"]
    counts = {name: len(values) // len(rounds) for name, _, values in rows}
    return memories, variables, NEAR_MEMORY.format(rounds=len(rounds), **counts)


def _von_neumann(config: VnScalarConfig | VnArrayConfig, widths: dict[str, int]) -> tuple[_Memories, list[str], str]:
    """The memories of the three streams, what the loop over them needs, and the loop."""
    rounds = vn_scalar_rounds(config) if isinstance(config, VnScalarConfig) else vn_array_rounds(config)
    accesses = []
    for made, _ in rounds:
        accesses += [config.access_word(1, address, word) for address, word in enumerate(made.words, made.start)]
        accesses += [config.access_word(0, address) for address in made.results]
    rows = [
        ("accesses", "i_memory__payload", accesses),
        ("commands", "i_command__payload", [config.command_word(job) for made, _ in rounds for job in made.jobs]),
        ("outputs", "o__payload", [word for _, outputs in rounds for word in outputs]),
    ]
    memories = {
        name: (widths[port], [_literal(word, widths[port]) for word in words]) for name, port, words in rows
    }  # fmt: skip
    counts = {name: len(words) // len(rounds) for name, _, words in rows} | {"writes": len(rounds[0][0].words)}
    variables = ["integer round, access, command, idle;", "reg [1:0] taken;"]
    patience = 10000 + 10 * counts["writes"]  # a job reads each word a few times
    return memories, variables, VON_NEUMANN.format(rounds=len(rounds), patience=patience, **counts)


def _indexed(values: list[int]) -> dict[str, int]:
    """Array elements by the manifest's field names."""
    return {f"[{i}]": value for i, value in enumerate(values)}


def _bitline(config: BitlineConfig, widths: dict[str, int]) -> tuple[_Memories, list[str], str]:
    """The same for a bitline unit, whose streams have names of their own."""
    names = ("i_op", "i_row", "o_words")
    beats = zip(("beats", "weights", "sums"), names, bitline_streams(config), strict=True)
    memories = {
        memory: (widths[f"{name}__payload"], [_literal(beat, widths[f"{name}__payload"]) for beat in raw])
        for memory, name, raw in beats
    }
    body = DOT.format(**{memory: len(rows) for memory, (_, rows) in memories.items()})
    for old, new in (("i_weight__", "i_row__"), ("i__", "i_op__"), ("o__", "o_words__")):
        body = re.sub(rf"\b{old}", new, body)
    return memories, ["integer beat, load, idle;", "reg [1:0] taken;"], body


def _payload(port: dict[str, Any], values: dict[str, int]) -> str:
    """The literal of a structured payload; ``values`` by the names of its fields."""
    word = sum((values[f["name"]] & (1 << f["width"]) - 1) << f["lsb"] for f in port["fields"])
    return _literal(word, port["width"])


def _literal(value: int, width: int) -> str:
    """``width`` bits of ``value`` (two's complement) in Verilog."""
    if width <= _LITERAL_BITS:
        return f"{width}'h{value & (1 << width) - 1:x}"
    low = _literal(value, _LITERAL_BITS)
    return f"{{{_literal(value >> _LITERAL_BITS, width - _LITERAL_BITS)}, {low}}}"


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _delays_ns(clock_mhz: float) -> tuple[str, str]:
    """Half a period less the skew, and the skew between clock edges and the bench: 1 % of the period."""
    period_ps = round(float(period_ns(clock_mhz)) * 1000)
    skew_ps = max(1, period_ps // 100)
    return f"{(period_ps // 2 - skew_ps) / 1000:.3f}", f"{skew_ps / 1000:.3f}"
