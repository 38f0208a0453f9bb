"""Which part of a unit a mapped cell belongs to.

Mapping keeps the names of registers and ports alone. So the RTL is simulated with the same stream: a
net of the netlist that settles in every cycle to the same bit as a signal of the RTL, or to its inverse,
computes that signal and belongs to its part. Where several signals agree, the first in the order of
`PARTS` counts: the one that computes it, not those that pass it on. Any other cell belongs to the part
of the nearest such net that it drives, through one cell or more. What reaches none is ``other``.

The limit: nets that stay constant in the stream tell nothing, and logic that mapping shares or moves
across a border counts where it ends up.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from asm_hw.ppa.activity.gate_netlist import TIMESCALE, port_nets
from asm_hw.ppa.activity.vcd_file import Bits, Times, Vcd, Waves
from asm_hw.ppa.netlist.mapped_netlist import Netlist

from .energy_accounting import Mapped, Parts

PARTS = (
    "clock", "control", "weight_registers", "activations", "bank", "select_shift", "sign", "heap", "accumulator",
    "requantize", "other",
)  # fmt: skip
"""``weight_registers`` with the decoders before them; ``activations`` operands at the ports, and decoders;
``select_shift`` the digits' multiplexers, for exact the partial products; ``sign`` conditional inversion;
``heap`` full adders; ``accumulator`` its registers and the carry-propagate adder before them, with the structures of
``+`` all adders; ``requantize`` what follows them in arrays."""

_RULES = (
    (r"(requantize_\d+\..*|channel_\d+\w*)", "requantize"),
    (
        r"(control\..*|read|address|i_command__\w*|x_(valid|ready)|o_(valid|ready)|(column_\d+\.)?(swap|write|finish|entry|add|open))",
        "control",
    ),
    (r"(row|branch_\d+\w*|(column_\d+\.)?weight_next_\d+\w*|column_\d+\.weights\w*)", "weight_registers"),
    (r"column_\d+\.(entry_\d+|branch_\d+|last|kept|_\d+_)", "accumulator"),
    (r"(column_\d+\.)?(rst|en|(i|o|i_weight)__(valid|ready)|held|load|add|first|clear|free)", "control"),
    (r"(w|i_weight__payload|(column_\d+\.)?(weight_?\d*(_decoder\..*)?|fields\w*|codes))", "weight_registers"),
    (r"(x|i__payload|x(_\d+)?_decoder\..*)", "activations"),
    (r"(column_\d+\.)?x_?\d+(_\d+)?|x(_\d+)?_bank\..*", "bank"),
    (r"(.*\.)?lane(_\d+)?\.(row|negative)\w*", "sign"),
    (r"(.*\.)?lane(_\d+)?\..*", "select_shift"),
    (r"(.*\.)?negatives\w*\..*", "sign"),
    (r"(.*\.)?heap\.(?!operand).*", "heap"),
    (r"(column_\d+\.)?(acc\w*|following|_\d+_)", "accumulator"),
)

_UNIT = "tb.dut.unit."


def rtl_wrapper(netlist: Netlist, verilog: str, top: str) -> str:
    """Module ``dut`` with the scalar ports of the netlist's, around the RTL as instance ``unit``."""
    nets = port_nets(netlist)
    inputs = ", ".join(f"input n{net}" for net, direction in nets.items() if direction == "input")
    pins = [
        f".{name}({{{', '.join(f'n{net}' for net in reversed(bits))}}})"
        for name, (direction, bits) in netlist.ports.items()
        if direction == "input"
    ]
    return f"{TIMESCALE}module dut({inputs});\n  {top} unit({', '.join(pins)});\nendmodule\n{verilog}"


def find_parts(mapped: Mapped, waves: Waves, known: dict[bytes, str], times: Times) -> Parts:
    """The part of every instance and input net.

    ``known``: `known_bits` of the RTL at ``times``, those at which all nets have settled.
    """
    nets = list(waves.toggles)
    keys = _keys(np.stack([waves.value(net, times) for net in nets]))
    part_of = {net: known[key] for net, key in zip(nets, keys, strict=True) if key in known}
    readers: dict[int, list[list[int]]] = {}
    outputs = {}
    for instance in mapped.netlist.instances.values():
        cell, pins = mapped.cells[instance.cell], mapped.wiring.pins[instance.name]
        outputs[instance.name] = driven = [pins[pin.name] for pin in cell.outputs]
        for pin in cell.inputs:
            if not cell.ff:
                readers.setdefault(pins[pin.name], []).append(driven)
    instances = {name: _nearest(driven, part_of, readers) for name, driven in outputs.items()}
    gates = [name for name in instances if mapped.cells[mapped.netlist.instances[name].cell].clock_gate]
    instances |= dict.fromkeys(gates, "clock")
    inputs = {
        net: _input_part(name) for name, (way, bits) in mapped.netlist.ports.items() if way == "input" for net in bits
    }
    named = sum(any(net in part_of for net in driven) for driven in outputs.values())
    return Parts(instances, inputs, 100 * named / len(outputs))


def _input_part(port: str) -> str:
    return "clock" if port == "clk" else _part(port, exact=False) or "other"


def known_bits(rtl: Vcd, times: Times, exact: bool) -> dict[bytes, str]:
    """The part of each signal of the RTL by what it settles to at ``times``."""
    found: dict[bytes, str] = {}
    for code, names in rtl.names.items():
        named = [_part(name.removeprefix(_UNIT), exact) for name, _ in names if name.startswith(_UNIT)]
        parts = [part for part in named if part]
        if not parts:
            continue
        part = min(parts, key=PARTS.index)
        for key in filter(None, _keys(rtl.samples(code, times))):
            if key not in found or PARTS.index(part) < PARTS.index(found[key]):
                found[key] = part
    return found


def _part(name: str, exact: bool) -> str | None:
    part = next((part for rule, part in _RULES if re.fullmatch(rule, name)), None)
    return "select_shift" if exact and part == "sign" else part


def _keys(bits: Bits) -> list[bytes]:
    """Of each row [.., times]: equal for equal bits and for inverted ones; empty for constant ones."""
    normal = bits ^ bits[:, :1]
    return [row.tobytes().rstrip(b"\0") for row in np.packbits(normal, axis=1)]


def _nearest(driven: list[int], part_of: dict[int, str], readers: dict[int, list[list[int]]]) -> str:
    """The commonest part among the nearest nets, downstream of ``driven``, that have one."""
    level, seen = set(driven), set(driven)
    while level:
        parts = Counter(part_of[net] for net in sorted(level) if net in part_of)
        if parts:
            return parts.most_common(1)[0][0]
        level = {net for known in level for nets in readers.get(known, ()) for net in nets} - seen
        seen |= level
    return "other"
