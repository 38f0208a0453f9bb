"""Value change dumps: every transition of a bit, or the values of all signals at given times. Times in fs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# `$scope module dut`, `$upscope`, or `$var wire 1 ! n7`: width, code and name.
_SCOPE = re.compile(r"\$scope \w+ (\S+)|(\$upscope)|\$var \w+ (\d+) (\S+) (\S+)")
_UNKNOWN = str.maketrans("xz", "00")
_ZERO, _ONE, _X = b"01x"
# fs in a unit of time; netlists are simulated at a precision of 1 fs (`gate_netlist.TIMESCALE`).
_FS = {"1fs": 1, "10fs": 10, "100fs": 100, "1ps": 1000}

Times = NDArray[np.int64]
Bits = NDArray[np.uint8]
NEVER: Times = np.empty(0, np.int64)


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
        # Each transition flips the value.
        return ((self.initial[net] + before) & 1).astype(np.uint8)

    def rises(self, net: int) -> NDArray[np.bool_]:
        """For each transition of a bit whether it rises."""
        return (np.arange(self.count(net)) + self.initial[net]) & 1 == 0


class Vcd:
    """A dump. ``names``: the full name and width of what each code stands for, ``tb.dut.n7`` and 1; ``unit`` in fs."""

    def __init__(self, path: Path) -> None:
        head, _, self._body = path.read_bytes().partition(b"$enddefinitions")
        header = head.decode()
        unit = re.search(r"\$timescale\s+(\d+)\s*(\w+)", header)
        self.unit = _FS[unit[1] + unit[2]] if unit else 1
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
    def _lines(self) -> tuple[Bits, Times, Times, Bits, Times]:
        """The body as bytes, where its lines start and end, the first character of each, and its time."""
        text = np.frombuffer(self._body + b"\n", np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        kinds = text[starts]
        stamps = np.flatnonzero(kinds == ord("#"))
        # A line belongs to the time stamp above it, "#" and a number; lines above the first one to 0.
        clock = np.concatenate([[0], _number(text, starts[stamps] + 1, ends[stamps], 10, _ZERO) * self.unit])
        return text, starts, ends, kinds, clock[np.cumsum(kinds == ord("#"))]

    @cached_property
    def _scalars(self) -> dict[int, tuple[Times, Bits]]:
        """Times and values (characters) of the changes of each single bit, by `_code`."""
        text, starts, ends, kinds, now = self._lines
        lines = np.flatnonzero(np.isin(kinds, list(b"01xz")))
        # Behind the value comes the code: in base 256 its characters are the number that `_code` gives.
        codes = _number(text, starts[lines] + 1, ends[lines], 256)
        # Stable, so the changes of a code stay in order of time.
        order = np.argsort(codes, kind="stable")
        codes, values, times = codes[order], kinds[lines][order], now[lines][order]
        # A value that is dumped again is no transition.
        changed = (np.diff(codes, prepend=-1) != 0) | (np.diff(values.astype(np.int16), prepend=0) != 0)
        codes, values, times = codes[changed], values[changed], times[changed]
        found, firsts = np.unique(codes, return_index=True)
        borders = zip(found.tolist(), firsts, np.append(firsts, len(codes))[1:], strict=False)
        return {code: (times[first:end], values[first:end]) for code, first, end in borders}

    @cached_property
    def _vectors(self) -> dict[int, tuple[list[int], list[str]]]:
        """Times and values of each vector, by `_code`; leading zeros are left out of a value."""
        _, starts, ends, kinds, now = self._lines
        found: dict[int, tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
        for line in np.flatnonzero(kinds == ord("b")):
            value, _, code = self._body[starts[line] + 1 : ends[line]].decode().partition(" ")
            times, values = found[_code(code)]
            times.append(int(now[line]))
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
            times, values = self._scalars.get(_code(code), (NEVER, NEVER))
            first, last = np.searchsorted(times, (start, end))
            # The value at the start is that of the last change before it; without one nothing is known.
            known = values[first - 1 : last] if first else np.array([_X])
            if not ((known == _ZERO) | (known == _ONE)).all():
                raise RuntimeError(f"net {found[0]} must be known while it is measured, but is or turns x")
            for net in found:
                waves.initial[net], waves.toggles[net] = int(known[0] == _ONE), times[first:last]
        missing = wanted.values() - waves.initial.keys()
        if missing:
            raise RuntimeError(f"the simulation must dump net {min(missing)}")
        return waves

    def samples(self, code: str, times: Times) -> Bits:
        """The bits of a signal, by its code, just before ``times`` (ascending), [width, times]; unknown ones are 0."""
        if _code(code) in self._scalars:
            changed, characters = self._scalars[_code(code)]
            return np.concatenate([[0], characters == _ONE]).astype(np.uint8)[None, np.searchsorted(changed, times)]
        width = self.names[code][0][1]
        changes, values = self._vectors[_code(code)]
        # 0 before the first change.
        words = "".join(value.rjust(width, "0") for value in ["0", *values]).translate(_UNKNOWN)
        # A vector is written with its highest bit first.
        table = (np.frombuffer(words.encode(), np.uint8) - _ZERO).reshape(-1, width)[:, ::-1].T
        return table[:, np.searchsorted(changes, times)]


def _code(code: str) -> int:
    """A code as a number."""
    return int.from_bytes(code.encode(), "big")


def _number(text: Bits, starts: Times, ends: Times, base: int, zero: int = 0) -> Times:
    """The numbers whose digits are ``text[start:end]``, ``zero`` being the digit 0."""
    total = np.zeros(len(starts), np.int64)
    for place in range(int((ends - starts).max(initial=0))):
        inside = starts + place < ends
        total[inside] = total[inside] * base + text[starts[inside] + place] - zero
    return total
