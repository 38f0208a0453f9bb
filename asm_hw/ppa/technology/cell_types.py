"""What a cell is to timing and energy: pins, functions, arcs, powers, in ns, fF, fJ, nW, um2."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Figures over two axes: input slew (ns) and load (fF), or for constraints clock slew and data slew (ns).

    ``values[i][j]`` belongs to ``axes[0][i]`` and ``axes[1][j]``; an axis of one point does not count.
    Slews are measured between the library's thresholds.
    """

    axes: tuple[tuple[float, ...], tuple[float, ...]]
    values: tuple[tuple[float, ...], ...]

    def at(self, slew_ns: float, load_ff: float = 0.0) -> float:
        """The figure there: bilinear, and outside of the table along its outermost piece."""
        (i, s), (j, t) = _place(self.axes[0], slew_ns), _place(self.axes[1], load_ff)
        low = self.values[i]
        # Where an axis has one point, s or t is 0 and there is no next row or column.
        high = self.values[i + 1] if s else low
        first = low[j] + s * (high[j] - low[j])
        return first + t * (low[j + 1] + s * (high[j + 1] - low[j + 1]) - first) if t else first


def _place(axis: tuple[float, ...], value: float) -> tuple[int, float]:
    """The point of ``axis`` below ``value`` and the way to the next one, below 0 or above 1 outside."""
    if len(axis) == 1:
        return 0, 0.0
    index = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return index, (value - axis[index]) / (axis[index + 1] - axis[index])


@dataclass(frozen=True)
class Arc:
    """A ``timing`` group of a pin, from ``related`` to it; tables in ns.

    ``type`` and ``sense`` are Liberty's timing_type and timing_sense. Constraints (setup, hold) have
    ``rise_constraint`` and ``fall_constraint``, by the edge of the constrained pin.
    """

    related: str
    type: str
    sense: str
    when: str
    cell_rise: Table | None
    cell_fall: Table | None
    rise_transition: Table | None
    fall_transition: Table | None
    rise_constraint: Table | None
    fall_constraint: Table | None


@dataclass(frozen=True)
class Power:
    """An ``internal_power`` group of a pin: energy in fJ of one of its rises or falls.

    ``related`` is the input that makes an output move, "" for the energy of an input's own moves;
    ``supply`` the supply pin that it is drawn from, "" where the library does not say.
    """

    related: str
    when: str
    supply: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Pin:
    """A pin of a cell.

    ``function`` is "" for inputs; for the output of a clock gate it is Liberty's state_function. The
    ``..._max_ff`` capacitances are the upper ends of Liberty's ranges, reached in some states of the other
    pins, or the edge's capacitance where there is no range.
    """

    name: str
    direction: str
    capacitance_ff: float
    rise_capacitance_ff: float
    fall_capacitance_ff: float
    rise_capacitance_max_ff: float
    fall_capacitance_max_ff: float
    function: str
    clock: bool
    max_capacitance_ff: float | None
    arcs: tuple[Arc, ...]
    powers: tuple[Power, ...]


@dataclass(frozen=True)
class FlipFlop:
    """An ``ff`` group; the expressions are over pins and ``states`` (Q and its inverse); "" where absent."""

    states: tuple[str, ...]
    clocked_on: str
    next_state: str
    clear: str
    preset: str


@dataclass(frozen=True)
class Latch:
    """A ``latch`` group; the expressions are over pins and ``states``; "" where absent."""

    states: tuple[str, ...]
    enable: str
    data_in: str
    clear: str
    preset: str


@dataclass(frozen=True)
class ClockGate:
    """An integrated clock gate: ``kind`` as Liberty names it, such as latch_posedge; ``test`` is "" without one.

    ``state`` is the name of the internal latch in the function of ``output``: it follows
    ``enable`` (or ``test``) while ``clock`` is low.
    """

    kind: str
    clock: str
    enable: str
    test: str
    output: str
    state: str


@dataclass(frozen=True)
class Cell:
    """A cell. ``leakage_nw`` is its one figure, ``leakages`` pairs of state (``when``) and nW, power pins summed."""

    name: str
    area_um2: float
    leakage_nw: float
    leakages: tuple[tuple[str, float], ...]
    pins: dict[str, Pin] = field(repr=False)
    ff: FlipFlop | None = None
    latch: Latch | None = None
    clock_gate: ClockGate | None = None

    @property
    def inputs(self) -> list[Pin]:
        """The input pins, in the library's order."""
        return [pin for pin in self.pins.values() if pin.direction == "input"]

    @property
    def outputs(self) -> list[Pin]:
        """The output pins, in the library's order."""
        return [pin for pin in self.pins.values() if pin.direction == "output"]
