"""Value change dumps: every transition of a bit, or the values of all signals at given times. Times in fs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SCOPE = re.compile(r"\$scope \w+ (\S+)|(\$upscope)|\$var \w+ (\d+) (\S+) (\S+)")
_FS = {"1fs": 1, "10fs": 10, "100fs": 100, "1ps": 1000}

Times = NDArray[np.int64]
Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Waves:
    """Transitions of bits from ``start`` to ``end``.

    Attributes
    ----------
    initial : value of each bit at ``start``: 0 or 1
    toggles : ascending times of its transitions
    """

    start: int
    end: int
    initial: dict[int, int]
    toggles: dict[int, Times]

    def count(self, net: int) -> int:
        """Transitions of a bit."""
        return len(self.toggles[net])

    def value(self, net: int, at: Times, settled: bool = False) -> Bits:
        """The bit at times ``at``: just before what happens then, or just after it if ``settled``."""
        if net < 2:
            return np.full(len(at), net, np.uint8)
        before = np.searchsorted(self.toggles[net], at, "right" if settled else "left")
        return ((self.initial[net] + before) & 1).astype(np.uint8)

    def rises(self, net: int) -> NDArray[np.bool_]:
        """For each transition of a bit whether it rises."""
        return (np.arange(self.count(net)) + self.initial[net]) & 1 == 0


class Vcd:
    """A dump. ``names``: the full name and width of what each code stands for, ``tb.dut.n7`` and 1."""

    def __init__(self, path: Path) -> None:
        header, _, self._body = path.read_text().partition("$enddefinitions")
        unit = re.search(r"\$timescale\s+(\d+)\s*(\w+)", header)
        self._unit = _FS[unit[1] + unit[2]] if unit else 1
        self.names: dict[str, list[tuple[str, int]]] = {}
        scope: list[str] = []
        for opened, closed, width, code, name in _SCOPE.findall(header):
            if opened:
                scope.append(opened)
            elif closed:
                scope.pop()
            else:
                self.names.setdefault(code, []).append((".".join([*scope, name]), int(width)))

    def changes(self) -> Iterator[tuple[int, str, str]]:
        """(time, code, value) of every change in order; a vector's value has its leading zeros left out."""
        now = 0
        for line in self._body.splitlines():
            kind = line[:1]
            if kind == "#":
                now = int(line[1:]) * self._unit
            elif kind in ("0", "1", "x", "z"):
                yield now, line[1:], kind
            elif kind == "b":
                value, _, code = line[1:].partition(" ")
                yield now, code, value

    def waves(self, nets: Iterable[int], start: int, end: int) -> Waves:
        """The transitions of the bits ``tb.dut.n<net>``. Raises RuntimeError where one is missing or unknown."""
        wanted = {f"tb.dut.n{net}": net for net in nets}
        of_code = {code: [wanted[name] for name, _ in names if name in wanted] for code, names in self.names.items()}
        events: dict[str, list[int]] = {code: [] for code, found in of_code.items() if found}
        last = dict.fromkeys(events, "x")
        initial: dict[str, str] = {}
        for time, code, value in self.changes():
            if time >= end:
                break
            if time >= start and not initial:
                initial = dict(last)
            if code in last and last[code] != value:
                if initial:
                    if value == "x":
                        raise RuntimeError(f"net {of_code[code][0]} must be known while it is measured, but turns x")
                    events[code].append(time)
                last[code] = value
        initial = initial or last
        waves = Waves(start, end, {}, {})
        for code, times in events.items():
            for net in of_code[code]:
                if initial[code] not in "01":
                    raise RuntimeError(f"net {net} must be known while it is measured, but is {initial[code]}")
                waves.initial[net], waves.toggles[net] = int(initial[code]), np.array(times, np.int64)
        missing = wanted.values() - waves.initial.keys()
        if missing:
            raise RuntimeError(f"the simulation must dump net {min(missing)}")
        return waves

    def samples(self, times: Times) -> Iterator[tuple[str, Bits]]:
        """Every signal's bits just before ``times`` (ascending): its name and [width, times]; unknown bits are 0."""
        columns: dict[str, list[tuple[int, str]]] = {code: [(0, "0")] for code in self.names}
        for time, code, value in self.changes():
            columns[code].append((int(np.searchsorted(times, time, "right")), value))
        for code, changes in columns.items():
            width = self.names[code][0][1]
            last = dict(changes)  # of the changes before a time the last one counts
            words = "".join(re.sub("[xz]", "0", value).rjust(width, "0") for value in last.values())
            table = (np.frombuffer(words.encode(), np.uint8) - ord("0")).reshape(-1, width)[:, ::-1].T
            held = np.searchsorted(list(last), np.arange(len(times)), "right") - 1
            for name, _ in self.names[code]:
                yield name, table[:, held]
