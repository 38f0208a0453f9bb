"""Capacitance of a netlist's wires, from a placement: length of each net by its places, fF by the technology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from asm_hw.ppa.netlist.clock_tree import clock_tree
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_types import Cell
from asm_hw.ppa.technology.wire_models import WireModel

from .cell_placement import Points, place

# Length of a Steiner tree over half the perimeter of its box, by pins: C.-L. E. Cheng, "RISA: accurate and efficient
# placement routability modeling", ICCAD 1994.
_PINS = (3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 35, 40, 45, 50)
_FACTORS = (
    *(1.0, 1.0828, 1.1536, 1.2206, 1.2823, 1.3385, 1.3991, 1.4493),
    *(1.6899, 1.8924, 2.0743, 2.2334, 2.3895, 2.5356, 2.6625, 2.7933),
)


def with_wires(netlist: Netlist, cells: Mapping[str, Cell], model: WireModel) -> Netlist:
    """``netlist`` with the capacitance of its wires, as placed alone in a square (`place`)."""
    clocks = clock_tree(netlist, cells).nets
    placement = place(netlist, cells, model.row_height_um, clocks)
    wires = {
        net: wire_length_um(points) * (model.clock_ff_per_um if net in clocks else model.signal_ff_per_um)
        for net, points in placement.points_um.items()
    }
    return replace(netlist, wires_ff=wires)


def wire_length_um(points: Points) -> float:
    """Length of a net through ``points`` (pins, 2) in horizontal and vertical wires.

    Half the perimeter, by Cheng's factor; of more pins than he gives one for, a spanning tree: an eighth too long.
    """
    if len(points) > _PINS[-1]:
        return _spanning_tree_um(points)
    half_perimeter = float((points.max(0) - points.min(0)).sum())
    return half_perimeter * float(np.interp(len(points), _PINS, _FACTORS))


def _spanning_tree_um(points: Points) -> float:
    """Length of the shortest rectilinear spanning tree (Prim 1957)."""
    left = np.ones(len(points), bool)
    distance = np.full(len(points), np.inf)
    total, at = 0.0, 0
    for _ in range(len(points) - 1):
        left[at] = False
        distance = np.minimum(distance, np.abs(points - points[at]).sum(1))
        at = int(np.argmin(np.where(left, distance, np.inf)))
        total += float(distance[at])
    return total
