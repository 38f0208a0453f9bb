"""Static timing of a mapped netlist: the nonlinear delay model of Liberty over the graph of its cells.

It computes what OpenSTA does under the same assumptions, and a test holds it to that. Rise and fall are kept
apart; the worst slew of all arcs into a net goes on; all conditional arcs count; the load is the upper end of
the pin capacitances for the driven edge; outside of their axes tables are extrapolated. Wires, where the netlist has
any, load their drivers and have no resistance. The clock is ideal: clock gates and buffers pass it on undelayed, with
slew 0; ports launch and capture at its edge without delays of their own. One clock, rising edges, no latches in the
data path, no hold checks; asynchronous set and reset are not timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from asm_hw.errors import ParameterError
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_types import Arc, Cell, Table

from .clock_tree import clock_tree
from .mapped_netlist import ZERO, Instance, Netlist

EDGES = ("rise", "fall")


@dataclass(frozen=True)
class PathPoint:
    """A pin on a path, or a port, whose ``instance`` and ``cell`` are "". ``arrival_ns`` counts from the clock edge."""

    instance: str
    cell: str
    pin: str
    edge: str
    arrival_ns: float


@dataclass(frozen=True)
class TimingReport:
    """What `analyse` found.

    Attributes
    ----------
    clock : name of the clock port, "" where nothing is clocked
    min_period_ns : the shortest clock period: the longest path between registers and ports, setup included
    setup_ns : the part of it that is the setup time at the end of that path
    slack_ns : the period asked for less the shortest, None where none was asked for
    path : the longest path, from its register's clock pin or its port on
    delays_ns : delay by (instance, input pin, output pin, edge of the output), at its slew and load and in
        the slowest of its states; 0 in the clock's tree
    slews_ns : transition time of each net, rising and falling, None for an edge that never comes
    """

    clock: str
    min_period_ns: float
    setup_ns: float
    slack_ns: float | None
    path: tuple[PathPoint, ...]
    delays_ns: dict[tuple[str, str, str, str], float]
    slews_ns: dict[int, tuple[float | None, float | None]]

    @property
    def fmax_mhz(self) -> float | None:
        """The highest clock frequency, None where no path limits it."""
        return 1000 / self.min_period_ns if self.min_period_ns > 0 else None


def analyse(
    netlist: Netlist,
    cells: Mapping[str, Cell],
    clock_ns: float | None = None,
    input_slew_ns: float = 0.0,
    output_load_ff: float = 0.0,
) -> TimingReport:
    """Static timing of ``netlist``; ``clock_ns`` is the period for the slack.

    ``input_slew_ns`` is the transition time at input ports, ``output_load_ff`` the load of output ports.
    Raises `ParameterError` where a period is not positive, a cell lacks timing, or the netlist is outside of
    what the module's first lines say.
    """
    if clock_ns is not None and not clock_ns > 0:
        raise ParameterError(f"clock_ns must be a positive number of nanoseconds, not {clock_ns!r}")
    graph = _Graph(netlist, cells, output_load_ff)
    graph.launch(input_slew_ns)
    for instance in graph.ordered():
        graph.propagate(instance)
    period, setup, (net, edge), end = max(graph.ends(), key=lambda found: found[0], default=(0.0, 0.0, (ZERO, 0), None))
    return TimingReport(
        clock=graph.clock.port,
        min_period_ns=period,
        setup_ns=setup,
        slack_ns=None if clock_ns is None else clock_ns - period,
        path=tuple(graph.path(net, edge, end)) if end else (),
        delays_ns=graph.delays,
        slews_ns={net: (slews[0], slews[1]) for net, slews in graph.slews.items()},
    )


@dataclass(frozen=True)
class _Move:
    """One edge of an output that follows one edge of an input."""

    related: str
    pin: str
    edges: tuple[int, int]
    delay: Table
    slew: Table | None


_Node = tuple[int, int]  # a net and an edge, 0 rising, 1 falling


class _Graph:
    """Arrivals and slews of a netlist, filled from its sources on."""

    def __init__(self, netlist: Netlist, cells: Mapping[str, Cell], output_load_ff: float) -> None:
        self.netlist, self.clock = netlist, clock_tree(netlist, cells)
        self.drivers = netlist.drivers(cells)
        self.loads = [netlist.load_ff(cells, f"{edge}_capacitance_max_ff", output_load_ff) for edge in EDGES]
        self.arrivals: dict[int, list[float | None]] = {}
        self.slews: dict[int, list[float | None]] = {}
        self.before: dict[_Node, tuple[Instance, _Move]] = {}
        self.delays: dict[tuple[str, str, str, str], float] = {}
        names = sorted(netlist.cell_names)
        self.moves = {name: _moves(cells[name]) for name in names}
        self.setups = {name: _setups(cells[name], self.clock.pins.get(name, "")) for name in names}

    def launch(self, input_slew_ns: float) -> None:
        """Arrivals at the input ports and in the ideal clock tree."""
        for net in self.netlist.inputs:
            self.arrivals[net], self.slews[net] = [0.0, 0.0], [input_slew_ns, input_slew_ns]
        # After the inputs, of which the clock's port is one: the slew of other inputs is not the clock's.
        for net in self.clock.nets:
            self.arrivals[net], self.slews[net] = [0.0, 0.0], [0.0, 0.0]

    def ordered(self) -> Iterator[Instance]:
        """The instances, each after those that drive it."""
        before: dict[str, list[str]] = {}
        for instance in self.netlist.instances.values():
            moves = self.moves[instance.cell]
            # ASAP7's sum also follows the carry of its own adder, which is no loop
            inputs = {move.related for move in moves} - {move.pin for move in moves}
            nets = {instance.pins.get(pin, ZERO) for pin in inputs} - self.clock.nets
            before[instance.name] = [self.drivers[net][0].name for net in sorted(nets & self.drivers.keys())]
        try:
            for name in TopologicalSorter(before).static_order():
                yield self.netlist.instances[name]
        except CycleError as error:
            raise ParameterError(f"netlist must have no combinational loop, but {error.args[1][0]} is in one") from None

    def propagate(self, instance: Instance) -> None:
        """Arrivals and slews at the outputs of an instance whose inputs are known."""
        for move in self.moves[instance.cell]:
            net, source = instance.pins.get(move.pin), instance.pins.get(move.related, ZERO)
            if net is None or source not in self.arrivals:
                continue  # an open output, a constant input
            before, after = move.edges
            key = (instance.name, move.related, move.pin, EDGES[after])
            if net in self.clock.nets:
                self.delays[key] = 0.0
                continue
            start, slew = self.arrivals[source][before], self.slews[source][before]
            if start is None or slew is None:
                continue
            load = self.loads[after][net]
            delay = move.delay.at(slew, load)
            # Conditional arcs share a key: the slowest state counts.
            self.delays[key] = max(delay, self.delays.get(key, delay))
            arrivals = self.arrivals.setdefault(net, [None, None])
            earlier = arrivals[after]
            if earlier is None or start + delay > earlier:
                arrivals[after] = start + delay
                self.before[net, after] = instance, move
            slews = self.slews.setdefault(net, [None, None])
            # Extrapolation below a table's first points could give less than no time.
            reached = max(move.slew.at(slew, load), 0.0) if move.slew else 0.0
            slews[after] = max(reached, slews[after] or 0.0)

    def ends(self) -> Iterator[tuple[float, float, _Node, tuple[Instance | None, str]]]:
        """Each path's end: the period it needs, the setup time in it, and where it ends."""
        for name, (direction, bits) in self.netlist.ports.items():
            for net in bits if direction == "output" else ():
                for edge, arrival in enumerate(self.arrivals.get(net, ())):
                    if arrival is not None:
                        yield arrival, 0.0, (net, edge), (None, self.netlist.nets.get(net, name))
        for instance in self.netlist.instances.values():
            for pin, arc in self.setups[instance.cell]:
                net = instance.pins.get(pin, ZERO)
                tables = (arc.rise_constraint, arc.fall_constraint)
                for edge, arrival in enumerate(self.arrivals.get(net, ())):
                    slew, table = self.slews[net][edge], tables[edge]
                    if arrival is not None and slew is not None and table:
                        # By clock slew, 0 in the ideal tree, and data slew.
                        setup = table.at(0.0, slew)
                        yield arrival + setup, setup, (net, edge), (instance, pin)

    def path(self, net: int, edge: int, end: tuple[Instance | None, str]) -> list[PathPoint]:
        """The points of the latest path to an edge of a net, and its end."""
        points = [self._point(end[0], end[1], net, edge)]
        while (net, edge) in self.before:
            instance, move = self.before[net, edge]
            points.append(self._point(instance, move.pin, net, edge))
            net, edge = instance.pins[move.related], move.edges[0]
            points.append(self._point(instance, move.related, net, edge))
        if net not in self.clock.nets:
            points.append(self._point(None, self.netlist.nets[net], net, edge))
        return points[::-1]

    def _point(self, instance: Instance | None, pin: str, net: int, edge: int) -> PathPoint:
        name, cell = (instance.name, instance.cell) if instance else ("", "")
        return PathPoint(name, cell, pin, EDGES[edge], self.arrivals[net][edge] or 0.0)


def _moves(cell: Cell) -> list[_Move]:
    """What the timed arcs of a cell say, edge by edge; an output that follows another one comes after it."""
    names = {pin.name for pin in cell.outputs}
    moves: list[_Move] = []
    for pin in sorted(cell.outputs, key=lambda pin: any(arc.related in names for arc in pin.arcs)):
        before = len(moves)
        for arc in pin.arcs:
            tables = ((arc.cell_rise, arc.rise_transition), (arc.cell_fall, arc.fall_transition))
            for edge, (delay, slew) in enumerate(tables):
                if delay:
                    moves += [_Move(arc.related, pin.name, (cause, edge), delay, slew) for cause in _causes(arc, edge)]
        # A tie cell's function has no names: nothing moves there.
        if len(moves) == before and pin.function and Expression(pin.function).names:
            raise ParameterError(f"liberty must have delay tables for pin {pin.name} of cell {cell.name}: it has none")
    return moves


def _causes(arc: Arc, after: int) -> tuple[int, ...]:
    """The edges of the input that make the output's edge ``after``."""
    if arc.type == "rising_edge":
        return (0,)
    if not arc.type.startswith("combinational"):
        return ()  # asynchronous, three-state, or no delay at all
    return {"positive_unate": (after,), "negative_unate": (1 - after,)}.get(arc.sense, (0, 1))


def _setups(cell: Cell, clock: str) -> list[tuple[str, Arc]]:
    """The setup arcs of a cell and the pins that they constrain."""
    found = [
        (pin.name, arc)
        for pin in cell.inputs
        for arc in pin.arcs
        if clock and arc.type == "setup_rising" and arc.related == clock
    ]
    if clock and not found:
        raise ParameterError(f"liberty must have setup tables for cell {cell.name}: it has none")
    return found
