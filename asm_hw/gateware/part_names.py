"""Which part of a unit its signals belong to: what energy is told apart by.

A component says it in its class, next to its ports: ``signal_parts`` maps regular expressions for names below the
component (``acc``, or ``heap.left`` of the submodule ``heap``) to parts. Names are those of the Verilog. The first
expression that matches a whole name counts, and of a component and its submodules the outermost that has one; None ends
the search without a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Fragment
from amaranth.lib import wiring

PARTS = (
    "clock", "control", "weight_registers", "activations", "bank", "select_shift", "sign", "heap", "accumulator",
    "requantize", "other",
)  # fmt: skip
"""``weight_registers`` with the decoders before them; ``activations`` operands at the ports, and decoders;
``select_shift`` the digits' multiplexers, for exact the partial products; ``sign`` conditional inversion;
``heap`` full adders; ``accumulator`` its registers and the carry-propagate adder before them, with the structures of
``+`` all adders; ``requantize`` what follows them in arrays."""

SignalParts = Mapping[str, str | None]


def components_by_path(top: wiring.Component) -> dict[str, Any]:
    """Every component of a design by the path of its instance: "" the top, ``column_0.lane_1`` a lane."""
    found: dict[str, Any] = {}

    def visit(fragment: Any, path: str) -> None:
        for origin in fragment.origins or ():
            if hasattr(origin, "signal_parts"):
                found[path] = origin
        for index, (inner, name, _) in enumerate(fragment.subfragments):
            visit(inner, ".".join(filter(None, [path, name or f"U_{index}"])))

    visit(Fragment.get(top, None), "")
    return found
