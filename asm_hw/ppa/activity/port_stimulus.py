"""A stream at the ports of a unit, cycle by cycle, and whether what comes out is right.

Ports are driven open loop: sums are always taken, so a unit never stalls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from asm_hw.units.mac.mac_config import MacConfig

from .operand_streams import Integers, Operands, codes

RESET_CYCLES = 2
DRAIN_CYCLES = 3
WARM_UP_BEATS = 4
"""Beats before the measurement: pipelines are full by then."""

Words = list[int]
Ports = list[dict[str, Any]]
"""The ports of a manifest."""


@dataclass(frozen=True)
class Drive:
    """Value of each input port in each cycle, and the cycle in which the first beat is offered."""

    inputs: dict[str, Words]
    first_beat: int

    @property
    def cycles(self) -> int:
        return len(self.inputs["rst"])


def drive(config: MacConfig, ports: Ports, operands: Operands) -> Drive:
    """What to apply to a unit so that it takes one beat of ``operands`` a cycle."""
    w, x = codes(config.weight.table, operands.w), codes(config.activation.table, operands.x)
    if config.unit == "mac":
        return _drive_mac(ports, operands, w, x)
    return _drive_dot(ports, operands, w, x, registers=getattr(config, "weight_registers", True))


def _drive_mac(ports: Ports, operands: Operands, w: Any, x: Any) -> Drive:
    beats = len(operands.x)
    clear = [1, *map(int, operands.last[:-1])]
    inputs = {"en": [1] * beats, "clear": clear, "x": [*x[:, 0]], "w": [*w[:, 0, 0]]}
    return _framed(inputs, {"en": 0, "clear": 0, "x": x[-1, 0], "w": w[-1, 0, 0]}, 0)


def _drive_dot(ports: Ports, operands: Operands, w: Any, x: Any, registers: bool) -> Drive:
    """New weights are offered in the cycle whose beat releases the old ones, and held at the port after it.

    Without weight ``registers`` each beat's weights are at the port in its own cycle.
    """
    beats = len(operands.x)
    weights = [_packed(ports, "i_weight__payload", _named(w[beat])) for beat in range(beats)]
    release = [*map(int, operands.load[1:]), 1]
    following = [*weights[1:], weights[-1]]
    activations = [
        _packed(ports, "i__payload", {"release": release[b], "last": int(operands.last[b])} | _named(x[b], "x"))
        for b in range(beats)
    ]
    inputs = {
        "i__payload": [activations[0], *activations],
        "i__valid": [0] + [1] * beats,
        "i_weight__payload": [weights[0], *(following[b] if release[b] else weights[b] for b in range(beats))],
        "i_weight__valid": [1, *release[:-1], 0],
        "o__ready": [1] * (beats + 1),
    }
    if not registers:
        inputs |= {"i_weight__payload": [weights[0], *weights], "i_weight__valid": [1] * (beats + 1)}
    idle = {name: values[-1] for name, values in inputs.items()} | {"i__valid": 0}
    return _framed(inputs, idle, 1)


def _framed(inputs: dict[str, Words], idle: dict[str, int], lead: int) -> Drive:
    """Reset before, idle cycles after."""
    framed = {
        name: [values[0]] * RESET_CYCLES + values + [idle[name]] * DRAIN_CYCLES for name, values in inputs.items()
    }
    length = len(next(iter(framed.values())))
    framed["rst"] = [1] * RESET_CYCLES + [0] * (length - RESET_CYCLES)
    return Drive(framed, RESET_CYCLES + lead)


def _named(values: Any, prefix: str = "") -> dict[str, int]:
    """Array elements by the manifest's field names, such as ``x[3]`` or ``[0][3]``."""
    return {prefix + "".join(f"[{i}]" for i in index): int(value) for index, value in np.ndenumerate(values)}


def _packed(ports: Ports, name: str, values: Mapping[str, int]) -> int:
    """A structured port's value from those of its fields."""
    fields = next(port for port in ports if port["name"] == name)["fields"]
    return sum(values[field["name"]] << field["lsb"] for field in fields)


def matches_golden(
    config: MacConfig, ports: Ports, operands: Operands, first_beat: int, outputs: Mapping[str, Words]
) -> bool:
    """Whether the settled ``outputs`` of all cycles hold just the sums that the golden model gives."""
    expected = _golden(config, operands)
    if config.unit == "mac":
        return outputs["acc"][first_beat + 1 : first_beat + 1 + len(operands.x)] == [
            total & _mask(config) for total in expected[:, 0]
        ]
    fields = next(port for port in ports if port["name"] == "o__payload")
    columns = fields.get("fields") or [{"lsb": 0}]
    valid = [word for word, flag in zip(outputs["o__payload"], outputs["o__valid"], strict=True) if flag]
    sums = [[word >> column["lsb"] & _mask(config) for column in columns] for word in valid]
    return sums == [[int(total) & _mask(config) for total in row] for row in expected[operands.last]]


def _mask(config: MacConfig) -> int:
    return (1 << config.accumulator.bits) - 1


def _golden(config: MacConfig, operands: Operands) -> Integers:
    """The accumulators after each beat, [beats, columns]."""
    import torch

    from asm_hw.golden import fit, multiply

    products = multiply(torch.from_numpy(operands.w), torch.from_numpy(operands.x)[:, None]).sum(-1)
    acc, rows = torch.zeros_like(products[0]), []
    for beat, done in zip(products, np.roll(operands.last, 1), strict=True):
        acc = fit((torch.zeros_like(acc) if done else acc) + beat, config.accumulator.bits, config.overflow)
        rows.append(acc)
    return torch.stack(rows).numpy()
