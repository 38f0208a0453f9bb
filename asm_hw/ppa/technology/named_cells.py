"""Finds the cells that mapping places by name: adders, clock gate, ties, buffer, inverter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from asm_hw.errors import ParameterError

from .cell_functions import Expression
from .liberty_file import Group

# Liberty's names of a latch and an AND for registers that take rising edges; precontrol: ``test`` goes through the
# latch as ``enable`` does.
_CLOCK_GATES = ("latch_posedge", "latch_posedge_precontrol")


@dataclass(frozen=True)
class Adder:
    """A half adder (two ``inputs``) or full adder (three, in any order: they are worth the same)."""

    cell: str
    inputs: tuple[str, ...]
    sum: str
    carry: str
    sum_inverted: bool
    carry_inverted: bool


@dataclass(frozen=True)
class ClockGate:
    """A latch and an AND: ``gated`` follows ``clock`` while ``enable``, sampled at clock low, was 1.

    ``test``, where the cell has it, opens the gate too and is to be tied to 0.
    """

    cell: str
    clock: str
    enable: str
    gated: str
    test: str | None


@dataclass(frozen=True)
class Gate:
    """A cell with one output: a buffer, an inverter, or a tie cell, which has no ``input``."""

    cell: str
    output: str
    input: str | None = None


@dataclass(frozen=True)
class SpecialCells:
    """The smallest cell of each kind, by area and then by name; None where the library has none."""

    full_adder: Adder | None = None
    half_adder: Adder | None = None
    clock_gate: ClockGate | None = None
    tie_high: Gate | None = None
    tie_low: Gate | None = None
    buffer: Gate | None = None
    inverter: Gate | None = None


# Cells of one output by number of inputs and truth table, and the number of inputs of an adder.
_SINGLE = {(1, (0, 1)): "buffer", (1, (1, 0)): "inverter", (0, (1,)): "tie_high", (0, (0,)): "tie_low"}
_ADDERS = {"half_adder": 2, "full_adder": 3}


def find_special(cells: Iterable[Group]) -> SpecialCells:
    """The special cells among the ``cell`` groups of a library, told by their functions and not by their names."""
    found: dict[str, Adder | ClockGate | Gate] = {}
    # Smallest first: `setdefault` keeps the first of a kind.
    for cell in sorted(cells, key=_rank):
        if cell.get("clock_gating_integrated_cell") in _CLOCK_GATES:
            gate = _clock_gate(cell)
            if gate:
                found.setdefault("clock_gate", gate)
        elif not any(group.kind in ("ff", "latch") for group in cell.groups):
            for kind, special in _by_function(cell):
                found.setdefault(kind, special)
    return SpecialCells(**found)  # type: ignore[arg-type]


def special_from(table: dict[str, Any]) -> SpecialCells:
    """The special cells from their plain form, `dataclasses.asdict`."""
    kinds = {"full_adder": Adder, "half_adder": Adder, "clock_gate": ClockGate}
    rows = {name: row and kinds.get(name, Gate)(**row) for name, row in table.items()}
    for name in ("full_adder", "half_adder"):
        if rows[name]:
            # JSON has lists where the class has tuples.
            rows[name] = replace(rows[name], inputs=tuple(rows[name].inputs))
    return SpecialCells(**rows)


def _rank(cell: Group) -> tuple[float, float, list[str]]:
    """Small ones first, of equal ones the strong: hold buffers are as small as a buffer, but weak."""
    strength = max((pin.number("max_capacitance") for pin in cell.find("pin")), default=0.0)
    return cell.number("area"), -strength, cell.args


def _clock_gate(cell: Group) -> ClockGate | None:
    roles = {}
    for pin in _pins(cell):
        for role in ("clock", "enable", "out", "test"):
            if pin.get(f"clock_gate_{role}_pin") == "true":
                roles[role] = pin.args[0]
    if {"clock", "enable", "out"} - roles.keys():
        return None
    return ClockGate(cell.args[0], roles["clock"], roles["enable"], roles["out"], roles.get("test"))


def _by_function(cell: Group) -> Iterator[tuple[str, Adder | Gate]]:
    inputs = tuple(pin.args[0] for pin in _pins(cell) if pin.get("direction") == "input")
    outputs = [pin for pin in _pins(cell) if pin.get("direction") == "output"]
    # No cell that is wanted has more, and each input doubles a truth table.
    if len(inputs) > max(_ADDERS.values()):
        return
    name = cell.args[0]
    tables = {pin.args[0]: _truth_table(pin.get("function"), inputs) for pin in outputs}
    for output, table in tables.items():
        # One cell may have both ties (SKY130's conb); a buffer with a second output is no plain buffer.
        if (len(inputs), table) in _SINGLE and (len(tables) == 1 or not inputs):
            yield _SINGLE[len(inputs), table], Gate(name, output, *inputs)  # type: ignore[index]
    rows = list(product((0, 1), repeat=len(inputs)))
    sums = tuple(sum(row) & 1 for row in rows)
    carries = tuple(sum(row) >> 1 for row in rows)
    for kind, terms in _ADDERS.items():
        # Either output may be the sum, and either may be inverted: ASAP7's adders invert both.
        for total, carry in (tuple(tables), tuple(tables)[::-1]) if len(tables) == 2 and len(inputs) == terms else ():
            if tables[total] in (sums, _inverse(sums)) and tables[carry] in (carries, _inverse(carries)):
                yield kind, Adder(name, inputs, total, carry, tables[total] != sums, tables[carry] != carries)


def _pins(cell: Group) -> list[Group]:
    return [pin for pin in cell.find("pin") if pin.args]


def _truth_table(function: str, inputs: tuple[str, ...]) -> tuple[int, ...] | None:
    """The value for each row of ``inputs``, counting up; None if there is no such function of them."""
    try:
        expression = Expression(function)
        return tuple(expression(dict(zip(inputs, row, strict=True))) for row in product((0, 1), repeat=len(inputs)))
    except (ParameterError, KeyError):
        return None


def _inverse(table: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 - value for value in table)
