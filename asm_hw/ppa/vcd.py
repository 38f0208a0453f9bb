"""Value change dumps: every transition of a bit, or the values of all signals at given times. Times in fs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SCOPE = re.compile(r"\$scope \w+ (\S+)|(\$upscope)|\$var \w+ (\d+) (\S+) (\S+)")
_UNKNOWN = str.maketrans("xz", "00")
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

    @cached_property
    def _changes(self) -> dict[str, tuple[list[int], list[str]]]:
        """Times and values of each code's changes in order; a vector's value has its leading zeros left out."""
        found: dict[str, tuple[list[int], list[str]]] = {code: ([], []) for code in self.names}
        now = 0
        for line in self._body.splitlines():
            kind = line[:1]
            if kind == "#":
                now = int(line[1:]) * self._unit
                continue
            if kind in ("0", "1", "x", "z"):
                code, value = line[1:], kind
            elif kind == "b":
                value, _, code = line[1:].partition(" ")
            else:
                continue
            times, values = found[code]
            if not values or values[-1] != value:
                times.append(now)
                values.append(value)
        return found

    def waves(self, nets: Iterable[int], start: int, end: int) -> Waves:
        """The transitions of the bits ``tb.dut.n<net>``. Raises RuntimeError where one is missing or unknown."""
        wanted = {f"tb.dut.n{net}": net for net in nets}
        waves = Waves(start, end, {}, {})
        for code, names in self.names.items():
            found = [wanted[name] for name, _ in names if name in wanted]
            if not found:
                continue
            times, values = self._changes[code]
            first, last = (int(np.searchsorted(times, time)) for time in (start, end))
            known = values[first - 1 : last] if first else ["x"]
            if not {"0", "1"}.issuperset(known):
                raise RuntimeError(f"net {found[0]} must be known while it is measured, but is or turns x")
            toggles = np.array(times[first:last], np.int64)
            for net in found:
                waves.initial[net], waves.toggles[net] = int(known[0]), toggles
        missing = wanted.values() - waves.initial.keys()
        if missing:
            raise RuntimeError(f"the simulation must dump net {min(missing)}")
        return waves

    def samples(self, times: Times) -> Iterator[tuple[str, Bits]]:
        """Every signal's bits just before ``times`` (ascending): its name and [width, times]; unknown bits are 0."""
        for code, (changed, values) in self._changes.items():
            width = self.names[code][0][1]
            words = "".join(value.rjust(width, "0") for value in ["0", *values]).translate(_UNKNOWN)
            table = (np.frombuffer(words.encode(), np.uint8) - ord("0")).reshape(-1, width)[:, ::-1].T
            held = np.searchsorted(changed, times)
            for name, _ in self.names[code]:
                yield name, table[:, held]
