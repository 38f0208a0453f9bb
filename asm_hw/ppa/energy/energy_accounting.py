"""Energy of a mapped netlist from its transitions: switching, internal and leakage, by part. Energies in fJ.

Which part a cell belongs to: `energy_parts.py`.

Switching: C V^2 / 2 a transition of a net, C the input pins that it drives and its wires, where the library knows
what those load (`asm_hw.ppa.layout`); the nets of input ports and the clock count too, output ports load nothing.
Internal: Liberty's internal_power of each pin that moves, at the slew that static timing found and at the load of the
net. Leakage: of the states that each cell is in, just before each edge of the clock.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from asm_hw.ppa.activity.gate_netlist import Wiring
from asm_hw.ppa.activity.vcd_file import NEVER, Bits, Times, Waves
from asm_hw.ppa.netlist.clock_tree import clock_tree
from asm_hw.ppa.netlist.mapped_netlist import Instance, Netlist
from asm_hw.ppa.netlist.static_timing import EDGES, TimingReport
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_types import Cell, Pin, Power, Table

KINDS = ("switching", "internal", "leakage")
# 1 nW for 1 ns is 1e-18 J.
FJ_PER_NW_NS = 1e-3
FS_PER_NS = 1_000_000
# Supply pins that are ground: VSS, GND and the like.
_GROUND = re.compile(r"V?(SS|GND)", re.IGNORECASE)
# A library has few conditions, which all instances of a cell ask for.
_expression = cache(Expression)


@dataclass(frozen=True)
class Parts:
    """Which part of the unit an instance, and a net that an input port drives, belongs to.

    ``named_percent``: share of the instances that drive a signal of the RTL themselves.
    """

    instances: Mapping[str, str]
    inputs: Mapping[int, str]
    named_percent: float = 0.0


@dataclass(frozen=True)
class Mapped:
    """A netlist with what is needed to account for it."""

    netlist: Netlist
    cells: Mapping[str, Cell]
    wiring: Wiring
    timing: TimingReport
    voltage_v: float

    @cached_property
    def loads_ff(self) -> dict[int, float]:
        """Capacitance on each net."""
        return self.netlist.load_ff(self.cells)

    @cached_property
    def leakages(self) -> dict[str, LeakageStates]:
        """`leakage_states` of the cells, by name."""
        return {name: leakage_states(self.cells[name]) for name in self.netlist.cell_names}

    def slew_ns(self, net: int) -> tuple[float, float]:
        """Transition times of a net's rise and fall; 0 where static timing has none: constants and ports."""
        rise, fall = self.timing.slews_ns.get(net, (0.0, 0.0))
        return rise or 0.0, fall or 0.0


LeakageStates = tuple[tuple[str, ...], NDArray[np.float64]]


def leakage_states(cell: Cell) -> LeakageStates:
    """The pins that a cell's leakage depends on, and nW in each of their states: bit i of a state is pin i.

    States that the library leaves out leak its one figure; those of internal nodes never hold.
    """
    seen = {pin.name for pin in (*cell.inputs, *cell.outputs)}
    conditions = [(_expression(when), leakage) for when, leakage in cell.leakages if when]
    conditions = [(when, leakage) for when, leakage in conditions if seen.issuperset(when.names)]
    pins = tuple(dict.fromkeys(name for when, _ in conditions for name in when.names))
    states = np.arange(1 << len(pins))
    total, left = np.zeros(len(states)), np.ones(len(states))
    for when, leakage in conditions:
        holds = when.function(*(states >> pins.index(name) & 1 for name in when.names))
        total, left = total + holds * leakage, left - holds
    # Below 0 where conditions overlap.
    return pins, total + np.maximum(left, 0.0) * cell.leakage_nw


def account(mapped: Mapped, waves: Waves, parts: Parts, state_times: Times) -> dict[tuple[str, str], float]:
    """Energy of the whole of ``waves`` by (part, kind); ``state_times``: when leakage looks at the states."""
    total: dict[tuple[str, str], float] = defaultdict(float)
    clocks = clock_tree(mapped.netlist, mapped.cells).nets
    for part, net in _driven(mapped, parts, clocks):
        # fF V^2 is fJ.
        total[part, "switching"] += waves.count(net) * mapped.loads_ff.get(net, 0.0) * mapped.voltage_v**2 / 2
    duration_ns = (waves.end - waves.start) / FS_PER_NS
    # A net is a pin of several cells: its states are read once.
    sample = cache(lambda net: waves.value(net, state_times).astype(np.int64))
    for instance in mapped.netlist.instances.values():
        meter = _Meter(mapped, waves, instance)
        part = parts.instances[instance.name]
        for pin in meter.cell.pins.values():
            if pin.powers:
                # What the clock's edges take inside a register is the clock's, not its part's.
                clocked = pin.direction == "input" and meter.pins[pin.name] in clocks
                total["clock" if clocked else part, "internal"] += meter.internal(pin)
        pins, leakages = mapped.leakages[instance.cell]
        states = sum((sample(meter.pins[pin]) << i for i, pin in enumerate(pins)), np.zeros(len(state_times), np.int64))
        total[part, "leakage"] += float(np.mean(leakages[states])) * duration_ns * FJ_PER_NW_NS
    return total


def _driven(mapped: Mapped, parts: Parts, clocks: frozenset[int]) -> Iterator[tuple[str, int]]:
    """Every net that toggles, with the part of its driver."""
    for net, part in parts.inputs.items():
        yield "clock" if net in clocks else part, net
    for instance in mapped.netlist.instances.values():
        pins = mapped.wiring.pins[instance.name]
        for pin in mapped.cells[instance.cell].outputs:
            net = pins[pin.name]
            yield "clock" if net in clocks else parts.instances[instance.name], net


class _Meter:
    """Measures one instance."""

    def __init__(self, mapped: Mapped, waves: Waves, instance: Instance) -> None:
        self.mapped, self.waves, self.name = mapped, waves, instance.name
        self.cell = mapped.cells[instance.cell]
        self.pins = mapped.wiring.pins[instance.name]

    def internal(self, pin: Pin) -> float:
        """Energy of all moves of ``pin`` from all supplies; a ground's currents are those of a supply again."""
        supplies = dict.fromkeys(power.supply for power in pin.powers if not _GROUND.match(power.supply))
        return sum(self._drawn(pin, [p for p in pin.powers if p.supply == supply]) for supply in supplies)

    def _drawn(self, pin: Pin, powers: list[Power]) -> float:
        """Energy of all moves of ``pin`` by the groups of one supply."""
        times = self.waves.toggles.get(self.pins[pin.name], NEVER)  # a constant's
        if not len(times):
            return 0.0
        rises = self.waves.rises(self.pins[pin.name])
        if pin.direction == "input":
            slews = self.mapped.slew_ns(self.pins[pin.name])
            # By the state just before the move: a D pin's by the level of the clock. An input drives no load.
            return self._sum(powers, times, rises, slews, 0.0, settled=False)
        related = {name: [p for p in powers if name in p.related.split()] for p in powers for name in p.related.split()}
        causes = self._causes(pin, list(related), times, rises)
        load = self.mapped.loads_ff.get(self.pins[pin.name], 0.0)
        total = self._sum([p for p in powers if not p.related], times, rises, (0.0, 0.0), load, settled=False)
        for (cause, chosen), (name, group) in zip(causes, related.items(), strict=True):
            # Which edge of the cause it was is not told apart: the mean of its slews.
            slew = sum(self.mapped.slew_ns(self.pins[name])) / 2
            total += self._sum(group, cause[chosen], rises[chosen], (slew, slew), load, settled=True)
        return total

    def _causes(
        self, pin: Pin, related: list[str], times: Times, rises: NDArray[np.bool_]
    ) -> list[tuple[Times, NDArray[np.bool_]]]:
        """For each related pin its last move before each of ``times``, and for which of them it is the cause.

        The cause is the pin whose last move is nearest to one delay of its path ago.
        """
        last, distance = [], []
        for name in related:
            moves = self.waves.toggles.get(self.pins[name], NEVER)
            # "right": without delays a cause moves at the same time.
            found = np.searchsorted(moves, times, "right")
            last.append(np.concatenate([[self.waves.start], moves])[found])
            rise, fall = (self.mapped.timing.delays_ns.get((self.name, name, pin.name, edge), 0.0) for edge in EDGES)
            late = np.abs(times - last[-1] - FS_PER_NS * np.where(rises, rise, fall))
            # A pin that has not moved yet is the last to be taken for a cause.
            distance.append(np.where(found > 0, late, np.inf))
        nearest = np.argmin(distance, axis=0) if related else times
        return [(cause, nearest == index) for index, cause in enumerate(last)]

    def _sum(
        self,
        powers: list[Power],
        at: Times,
        rises: NDArray[np.bool_],
        slews: tuple[float, float],
        load: float,
        settled: bool,
    ) -> float:
        """Energy of moves at times ``at``: each takes the group whose ``when`` holds, else the group without one."""
        left = np.ones(len(at), bool)
        total = 0.0
        # Groups with a condition first.
        for power in sorted(powers, key=lambda power: not power.when):
            if not left.any():
                break
            taken = left & (self._state(power.when, at, settled) == 1) if power.when else left
            count, ups = int(np.count_nonzero(taken)), int(np.count_nonzero(rises & taken))
            total += _energy(power.rise, slews[0], load, ups) + _energy(power.fall, slews[1], load, count - ups)
            left = left & ~taken
        return total

    def _state(self, when: str, at: Times, settled: bool) -> Bits:
        """Whether the cell's pins are as ``when`` says, at each time."""
        expression = _expression(when)
        if any(name not in self.pins for name in expression.names):  # the state of an internal node: never taken
            return np.zeros(len(at), np.uint8)
        values = [self.waves.value(self.pins[name], at, settled) for name in expression.names]
        return np.broadcast_to(expression.function(*values), len(at))


def _energy(table: Table | None, slew_ns: float, load_ff: float, moves: int) -> float:
    return moves * table.at(slew_ns, load_ff) if table and moves else 0.0
