"""An operand stream at the ports of a unit, cycle by cycle, and whether what comes out is right.

Ports are driven open loop: sums are always taken, so a unit never stalls. Two kinds of ports are known: registers
that an enable moves, as those of ``mac``, and streams, as those of ``dot``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from asm_hw.bench.netlist_text import Ports, payload_word
from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import unpack
from asm_hw.numbers.integers import to_signed
from asm_hw.units.operands_config import AccumulatingConfig
from asm_hw.units.registry import units
from asm_hw.units.unit_config import UnitConfig

from .level_rounding import Integers, codes_of
from .operand_streams import Operands

RESET_CYCLES = 2
DRAIN_CYCLES = 3
WARM_UP_BEATS = 4
"""Beats before the measurement: pipelines are full by then."""

Words = list[int]


@dataclass(frozen=True)
class Stimulus:
    """Value of each input port in each cycle, and the cycle in which the first beat is offered."""

    inputs: dict[str, Words]
    first_beat: int

    @property
    def cycles(self) -> int:
        """Cycles from the first one of reset on."""
        return len(self.inputs["rst"])


@dataclass(frozen=True)
class Outputs:
    """Value of each output port at the end of each cycle, and the cycle in which the first beat was offered."""

    words: Mapping[str, Words]
    first_beat: int


@dataclass(frozen=True)
class PortKind:
    """How units with just these ``ports`` are driven and read.

    ``drive`` makes the stimulus of configuration, ports, operands, weight and activation codes; ``sums`` tells of
    configuration, operands and outputs the sums that left, and ``wanted`` of all accumulators those that should.
    """

    ports: frozenset[str]
    drive: Callable[[AccumulatingConfig, Ports, Operands, Any, Any], Stimulus]
    sums: Callable[[AccumulatingConfig, Operands, Outputs], list[list[int]]]
    wanted: Callable[[Operands, Integers], Integers]


def framed(inputs: Mapping[str, Words], lead: int, after: Mapping[str, int] | None = None) -> Stimulus:
    """``inputs`` with cycles of reset before and idle cycles after; the first beat is in cycle ``lead`` of them.

    In reset ports have their first value, in idle cycles that of ``after`` or their last one.
    """
    idle = {name: values[-1] for name, values in inputs.items()} | dict(after or {})
    found = {name: [values[0]] * RESET_CYCLES + values + [idle[name]] * DRAIN_CYCLES for name, values in inputs.items()}
    length = len(next(iter(found.values())))
    found["rst"] = [1] * RESET_CYCLES + [0] * (length - RESET_CYCLES)
    return Stimulus(found, RESET_CYCLES + lead)


def _drive_registers(config: AccumulatingConfig, ports: Ports, operands: Operands, w: Any, x: Any) -> Stimulus:
    # A sum starts in the beat after the last one of the sum before.
    clear = [1, *map(int, operands.last[:-1])]
    inputs = {"en": [1] * len(operands.x), "clear": clear, "x": [*x[:, 0]], "w": [*w[:, 0, 0]]}
    return framed(inputs, 0, after={"en": 0, "clear": 0})


def _accumulator_values(config: AccumulatingConfig, operands: Operands, outputs: Outputs) -> list[list[int]]:
    # The accumulator takes a beat on the edge that ends its cycle, and shows it in the next one.
    first = outputs.first_beat + 1
    words = outputs.words["acc"][first : first + len(operands.x)]
    return [[to_signed(word, config.accumulator.bits)] for word in words]


def _drive_streams(config: AccumulatingConfig, ports: Ports, operands: Operands, w: Any, x: Any) -> Stimulus:
    """New weights are offered in the cycle whose beat releases the old ones, and held at the port after it.

    Without weight registers each beat's weights are at the port in its own cycle.
    """
    beats = len(operands.x)
    weights = [_payload(ports, "i_weight__payload", _elements(w[beat])) for beat in range(beats)]
    # The beat before new weights is the last of those in use.
    release = [*map(int, operands.load[1:]), 1]
    next_weights = [*weights[1:], weights[-1]]
    activations = [
        _payload(ports, "i__payload", {"release": release[b], "last": int(operands.last[b])} | _elements(x[b], "x"))
        for b in range(beats)
    ]
    inputs = {
        # One cycle ahead of the first beat loads the first weights.
        "i__payload": [activations[0], *activations],
        "i__valid": [0] + [1] * beats,
        "i_weight__payload": [weights[0], *(next_weights[b] if release[b] else weights[b] for b in range(beats))],
        "i_weight__valid": [1, *release[:-1], 0],
        "o__ready": [1] * (beats + 1),
    }
    if not config.parameters.get("weight_registers", True):
        inputs |= {"i_weight__payload": [weights[0], *weights], "i_weight__valid": [1] * (beats + 1)}
    return framed(inputs, 1, after={"i__valid": 0})


def _offered_sums(config: AccumulatingConfig, operands: Operands, outputs: Outputs) -> list[list[int]]:
    bits, columns = config.accumulator.bits, config.array_shape[0]
    pairs = zip(outputs.words["o__payload"], outputs.words["o__valid"], strict=True)
    return [[to_signed(raw, bits) for raw in unpack(word, bits, columns)] for word, valid in pairs if valid]


REGISTERS = PortKind(
    frozenset({"en", "clear", "x", "w", "acc"}), _drive_registers, _accumulator_values, lambda operands, sums: sums
)
STREAMS = PortKind(
    frozenset(f"{stream}__{part}" for stream in ("i", "i_weight", "o") for part in ("payload", "valid", "ready")),
    _drive_streams,
    _offered_sums,
    lambda operands, sums: sums[operands.last],
)


def port_kind(unit: type[UnitConfig]) -> PortKind | None:
    """How a unit is driven with an operand stream; None for one that accumulates nothing, or holds its own weights."""
    if not issubclass(unit, AccumulatingConfig) or unit.memory_instance is not None:
        return None
    return next((kind for kind in (REGISTERS, STREAMS) if kind.ports == unit.port_meanings.keys()), None)


def check_unit(config: UnitConfig) -> AccumulatingConfig:
    """Return ``config`` if its unit can be measured in an operand stream; raise `ParameterError` otherwise."""
    if not isinstance(config, AccumulatingConfig) or port_kind(type(config)) is None:
        known = " or ".join(name for name, unit in units().items() if port_kind(unit.config))
        raise ParameterError(f"unit must be {known} for this measurement of energy, not {config.unit!r}")
    return config


def _kind(config: AccumulatingConfig) -> PortKind:
    kind = port_kind(type(config))
    if kind is None:
        raise ValueError(f"unit {config.unit} takes no operand streams")
    return kind


def stimulus(config: AccumulatingConfig, ports: Ports, operands: Operands) -> Stimulus:
    """What to apply to a unit so that it takes one beat of ``operands`` a cycle."""
    w, x = codes_of(config.weight.table, operands.w), codes_of(config.activation.table, operands.x)
    return _kind(config).drive(config, ports, operands, w, x)


def matches_golden(config: AccumulatingConfig, operands: Operands, outputs: Outputs) -> bool:
    """Whether the settled ``outputs`` of all cycles hold just the sums that the golden model gives."""
    kind = _kind(config)
    return kind.sums(config, operands, outputs) == kind.wanted(operands, _golden(config, operands)).tolist()


def _elements(values: Any, prefix: str = "") -> dict[str, int]:
    """Array elements by the manifest's field names, such as ``x[3]`` or ``[0][3]``."""
    return {prefix + "".join(f"[{i}]" for i in index): int(value) for index, value in np.ndenumerate(values)}


def _payload(ports: Ports, name: str, values: Mapping[str, int]) -> int:
    """A structured port's value from those of its fields."""
    return payload_word(next(port for port in ports if port["name"] == name), values)


def _golden(config: AccumulatingConfig, operands: Operands) -> Integers:
    """The accumulators after each beat, [beats, columns]."""
    import torch

    from asm_hw.golden import fit, multiply

    products = multiply(torch.from_numpy(operands.w), torch.from_numpy(operands.x)[:, None]).sum(-1)
    acc, rows = torch.zeros_like(products[0]), []
    # Whether the beat before ended a sum; before the first one it does not matter, since sums are 0.
    for beat, done in zip(products, np.roll(operands.last, 1), strict=True):
        acc = fit((torch.zeros_like(acc) if done else acc) + beat, config.accumulator.bits, config.overflow)
        rows.append(acc)
    return torch.stack(rows).numpy()
