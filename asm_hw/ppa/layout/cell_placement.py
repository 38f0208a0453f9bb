"""Where the cells of a netlist lie: rows of standard cells in a square, placed by Coloquinte, ports around them.

Coloquinte (https://github.com/Coloquinte/PlaceRoute, MIT) is an analytical placer in one wheel. Ports follow the cells:
a first placement ignores them, and each then takes the place on the edge of the die that is nearest in angle.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_types import Cell

UTILISATION = 0.7
"""Area of the cells in that of the die: what is left is for wires, buffers and filling."""
EFFORT = 2
"""Of Coloquinte, 1 to 9; nets of the most effort are 2 % shorter."""
GRID_PER_UM = 1000
"""Coloquinte takes integers."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """Where the cells and ports on each net lie.

    Attributes
    ----------
    die_um : width and height
    points_um : (pins, 2) by net: the centres of its cells, and the places of its ports; constants have none
    """

    die_um: tuple[float, float]
    points_um: Mapping[int, Points]


def place(netlist: Netlist, cells: Mapping[str, Cell], row_height_um: float, free: frozenset[int]) -> Placement:
    """Place a netlist; nets of ``free``, those of the clock, pull at no cell."""
    widths = [cells[instance.cell].area_um2 / row_height_um for instance in netlist.instances.values()]
    rows = max(1, round(math.sqrt(sum(widths) / UTILISATION / row_height_um)))
    # Room for the widest cell in a row of its own, where there are few.
    width = max(sum(widths) / UTILISATION / rows, *widths, row_height_um)
    die = width, rows * row_height_um
    members = _members(netlist)
    pulled = {net: found for net, found in members.items() if net not in free}
    inner = {net: [cell for cell in found if cell < len(widths)] for net, found in pulled.items()}
    first = _placed(widths, rows, die, row_height_um, inner, np.zeros((0, 2)))
    ports = _around(die, _ports(netlist), members, first)
    found = _placed(widths, rows, die, row_height_um, pulled, ports)
    return Placement(die, {net: found[places] for net, places in members.items()})


def _members(netlist: Netlist) -> dict[int, list[int]]:
    """The cells on each net, by number, and after them its ports."""
    found: dict[int, dict[int, None]] = {}
    for number, instance in enumerate(netlist.instances.values()):
        for net in instance.pins.values():
            found.setdefault(net, {})[number] = None
    for number, net in enumerate(_ports(netlist), len(netlist.instances)):
        found.setdefault(net, {})[number] = None
    return {net: list(numbers) for net, numbers in found.items() if net > 1}  # no constants


def _ports(netlist: Netlist) -> list[int]:
    return [net for _, bits in netlist.ports.values() for net in bits]


def _placed(
    widths: list[float],
    rows: int,
    die: tuple[float, float],
    height: float,
    nets: Mapping[int, list[int]],
    ports: Points,
) -> Points:
    """Centres of the cells, and the fixed ``ports`` behind them, um."""
    import coloquinte  # of the extra synth

    count, step = len(widths), round(height * GRID_PER_UM)
    circuit: Any = coloquinte.Circuit(count + len(ports))
    circuit.cell_width = [*(max(1, round(width * GRID_PER_UM)) for width in widths), *[0] * len(ports)]
    circuit.cell_height = [*[step] * count, *[0] * len(ports)]
    circuit.cell_is_fixed = [*[False] * count, *[True] * len(ports)]
    circuit.cell_x, circuit.cell_y = (
        [*[0] * count, *(round(place[axis] * GRID_PER_UM) for place in ports)] for axis in (0, 1)
    )
    half = np.array([circuit.cell_width, circuit.cell_height]).T // 2
    for members in nets.values():
        if len(members) > 1:
            circuit.add_net(members, *half[members].T.tolist())
    circuit.setup_rows(coloquinte.Rectangle(0, math.ceil(die[0] * GRID_PER_UM), 0, rows * step), step, True, True)
    with _quiet():
        circuit.place_global(EFFORT)
        circuit.legalize(EFFORT)
        circuit.place_detailed(EFFORT)
    corners = np.array([circuit.cell_x, circuit.cell_y]).T
    return (corners + half) / GRID_PER_UM


def _around(die: tuple[float, float], ports: list[int], members: Mapping[int, list[int]], cells: Points) -> Points:
    """Places on the edge of the die for ``ports``: at equal distances, ordered as their cells around its middle."""
    middle = np.array(die) / 2
    inner = ([cell for cell in members.get(net, ()) if cell < len(cells)] for net in ports)
    pulls = np.array([cells[found].mean(0) - middle if found else (0.0, 0.0) for found in inner]).reshape(-1, 2)
    order = np.argsort(np.arctan2(pulls[:, 1], pulls[:, 0]), kind="stable")
    width, height = die
    corners = np.cumsum([0.0, height / 2, width, height, width, height / 2])  # from the middle of the right edge
    along = (np.arange(len(ports)) + 0.5) / max(1, len(ports)) * corners[-1]
    places = np.empty((len(ports), 2))
    places[order, 0] = np.interp(along, corners, [width, width, 0.0, 0.0, width, width])
    places[order, 1] = np.interp(along, corners, [height / 2, height, height, 0.0, 0.0, height / 2])
    return places


@contextmanager
def _quiet() -> Iterator[None]:
    """Coloquinte writes its progress to the process's standard output: keep it from there."""
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
