"""Power of exported files by the rules of OpenSTA 3: how it reads SAIF, and what it makes of activity and cells.

By its public sources (https://github.com/parallaxsw/OpenSTA: power/SaifLex.ll, SaifParse.yy, SaifReader.cc, Power.cc).
Slews and loads come from our static timing, which tests hold to OpenSTA's.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from asm_hw.ppa.energy.stream_run import analysed
from asm_hw.ppa.netlist.mapped_netlist import Instance, Netlist
from asm_hw.ppa.netlist.yosys import run_yosys
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.cell_types import Cell, Pin, Power
from asm_hw.ppa.technology.liberty_file import read

# Words and names; what is left over is in no token of OpenSTA's.
_TOKEN = re.compile(r'"[^"\\]*"|[A-Za-z_][\w$\[\].]*|\d+|[()/.]|(\S)')
# These are no names.
_WORDS = set("SAIFILE SAIFVERSION DIRECTION DESIGN DATE VENDOR PROGRAM_NAME VERSION DIVIDER TIMESCALE DURATION".split())
_WORDS |= set("INSTANCE NET PORT T0 T1 TX TZ TB TC IG".split())
_SECONDS = {"us": 1e-6, "ns": 1e-9, "ps": 1e-12, "fs": 1e-15}

Activity = tuple[float, float]
"""Transitions a second, and share of the time at 1."""


def read_saif(text: str, scope: str) -> dict[tuple[str, str], Activity]:
    """The activity of the pins of instances right below ``scope``, by instance and pin.

    Raises ValueError where OpenSTA 3 reads something else than is meant, and where times do not fill the duration.
    """
    [[word, *header, top]] = _lists(text)
    fields = {key: values for key, *values in header}
    (multiplier, unit), [duration] = fields["TIMESCALE"], fields["DURATION"]
    if word != "SAIFILE" or multiplier not in ("1", "10", "100") or top[:2] != ["INSTANCE", scope]:
        raise ValueError(f"no SAIF of {scope}")
    seconds = int(duration) * int(multiplier) * _SECONDS[unit]
    found: dict[tuple[str, str], Activity] = {}
    for key, name, *contents in top[2:]:
        if key != "INSTANCE" or name in _WORDS or len(contents) != 1 or contents[0][0] != "NET":
            raise ValueError(f"{key} {name} is no instance of pins")
        for pin, *durations in contents[0][1:]:
            times = {state: int(time) for state, time in durations}
            if (
                pin in _WORDS
                or (name, pin) in found
                or sum(times[state] for state in ("T0", "T1", "TX")) != int(duration)
            ):
                raise ValueError(f"{name}/{pin} is no name, given twice or for another time")
            found[name, pin] = times["TC"] / seconds, times["T1"] / int(duration)
    return found


def _lists(text: str) -> list[Any]:
    """Parentheses as nested lists."""
    open_: list[list[Any]] = [[]]
    for token in _TOKEN.finditer(text):
        if token[1]:
            raise ValueError(f"{token[1]!r} is in no token")
        if token[0] == "(":
            open_.append([])
        elif token[0] == ")":
            done = open_.pop()
            if not open_:
                raise ValueError("a parenthesis closes nothing")
            open_[-1].append(done)
        else:
            open_[-1].append(token[0])
    if len(open_) > 1:
        raise ValueError("a parenthesis is open")
    return open_[0]


class PowerReading:
    """The power of a netlist, W, as ``report_power`` has it: pins take their activity from the SAIF file alone.

    Raises ValueError where a pin has none, or the file has a pin that the netlist has not.
    """

    def __init__(self, folder: Path, name: str, liberty: Path) -> None:
        commands = [f"read_verilog {folder / name}.mapped.v", "write_json read.json"]
        run_yosys(commands, folder)
        self.library = Library("exported", (liberty,))
        self.mapped = analysed(Netlist.from_yosys_json(folder / "read.json", name), self.library)
        self.activities = read_saif((folder / f"{name}.saif").read_text(), name)
        self.instances = self.mapped.netlist.instances.values()
        pins = {(instance.name, pin.name) for instance, _, pin in self.pins()}
        if pins != self.activities.keys():
            raise ValueError(f"pins without activity, or not of the netlist: {sorted(pins ^ self.activities.keys())}")

    @cached_property
    def voltage_v(self) -> float:
        """Of the default operating conditions; nom_voltage does not count."""
        group = read(self.library.paths[0])
        chosen = group.get("default_operating_conditions", "")
        return next(
            (one.number("voltage") for one in group.find("operating_conditions") if list(one.args) == [chosen]), 0.0
        )

    def pins(self) -> Iterator[tuple[Instance, Cell, Pin]]:
        """Every pin of every instance."""
        for instance in self.instances:
            cell = self.mapped.cells[instance.cell]
            for pin in cell.pins.values():
                if pin.direction in ("input", "output"):
                    yield instance, cell, pin

    def load_ff(self, net: int | None) -> float:
        """The larger of the loads of a rise and of a fall, each pin at the upper end of its range."""
        loads = self._loads
        return max(loads[edge].get(net, 0.0) for edge in ("rise", "fall"))

    @cached_property
    def _loads(self) -> dict[str, dict[int, float]]:
        netlist, cells = self.mapped.netlist, self.mapped.cells
        return {edge: netlist.load_ff(cells, f"{edge}_capacitance_max_ff") for edge in ("rise", "fall")}

    def switching(self) -> float:
        """C V^2 / 2 of each transition of an output pin; input ports drive nothing that counts."""
        farads = sum(
            self.load_ff(instance.pins.get(pin.name)) * 1e-15 * self.activities[instance.name, pin.name][0]
            for instance, _, pin in self.pins()
            if pin.direction == "output"
        )
        return farads * self.voltage_v**2 / 2

    def input_ports(self) -> float:
        """The same of nets that input ports drive, which ``report_power`` leaves out."""
        first = {
            instance.pins[pin.name]: (instance.name, pin.name)
            for instance, _, pin in self.pins()
            if pin.name in instance.pins
        }
        nets = [net for net in self.mapped.netlist.inputs if net in first]
        farads = sum(self.load_ff(net) * 1e-15 * self.activities[first[net]][0] for net in nets)
        return farads * self.voltage_v**2 / 2

    def leakage(self) -> float:
        """The states that the library has by their duty, what is left of it by the cell's one figure."""
        total = 0.0
        for instance in self.instances:
            cell = self.mapped.cells[instance.cell]
            duties = [(self._duty(instance, when), leakage) for when, leakage in cell.leakages if when]
            left = 1 - sum(duty for duty, leakage in duties if leakage > 0)
            total += sum(duty * leakage for duty, leakage in duties) + left * cell.leakage_nw
        return total * 1e-9

    def internal(self) -> float:
        """The mean of a pin's energies of rise and fall, by the duty of each group's state."""
        return sum(
            self._output(instance, cell, pin) if pin.direction == "output" else self._input(instance, cell, pin)
            for instance, cell, pin in self.pins()
        )

    def _input(self, instance: Instance, cell: Cell, pin: Pin) -> float:
        """Every group of an input adds by the duty of its state; where that is of an output that the pin can move, by
        how often the output follows the pin."""
        density = self.activities[instance.name, pin.name][0]
        total = 0.0
        for power in pin.powers:
            function = next((_function(cell, name) for name in _names(power.when) if name in _outputs(cell)), "")
            if pin.name in _names(function):
                duty = self._sensitized(instance, function, pin.name)
            else:
                duty = self._duty(instance, power.when)
            slews = self.mapped.slew_ns(instance.pins[pin.name])
            total += density * duty * _mean_joules(power, slews, 0.0)
        return total

    def _output(self, instance: Instance, cell: Cell, pin: Pin) -> float:
        """An output's moves are shared out among its groups, by how often their related pin moves and is followed."""
        function = _function(cell, pin.name)
        weights, energies = [], []
        for power, related in ((group, name) for group in pin.powers for name in group.related.split()):
            followed = related in _names(function)
            duty = (
                self._sensitized(instance, function, related)
                if followed
                else self._duty(instance, power.when) if power.when else 0.5
            )  # fmt: skip
            weights.append(self.activities[instance.name, related][0] * duty)
            rise, fall = self.mapped.slew_ns(instance.pins[related])
            arc = next((arc for arc in pin.arcs if related in arc.related.split()), None)
            slews = (fall, rise) if arc and arc.sense == "negative_unate" else (rise, fall)
            energies.append(_mean_joules(power, slews, self.load_ff(instance.pins.get(pin.name))))
        shared = sum(weight * energy for weight, energy in zip(weights, energies, strict=True))
        density = self.activities[instance.name, pin.name][0]
        return density * shared / sum(weights) if any(weights) else 0.0

    def _duty(self, instance: Instance, when: str) -> float:
        """Share of the time in which a condition holds, its pins being independent; 1 without a condition."""
        return self._share(instance, when, ()) if when else 1.0

    def _sensitized(self, instance: Instance, function: str, pin: str) -> float:
        """Share of the time in which a function follows one of its pins."""
        return self._share(instance, function, (pin,))

    def _share(self, instance: Instance, text: str, flipped: tuple[str, ...]) -> float:
        expression, total = Expression(text), 0.0
        for bits in itertools.product((0, 1), repeat=len(expression.names)):
            state = dict(zip(expression.names, bits, strict=True))
            holds = expression(state) ^ (
                expression(state | {name: 1 - state[name] for name in flipped}) if flipped else 0
            )
            share = float(holds)
            for name, bit in state.items():
                duty = self.activities[instance.name, name][1]
                share *= duty if bit else 1 - duty
            total += share
        return total


def _names(text: str) -> tuple[str, ...]:
    return Expression(text).names if text else ()


def _outputs(cell: Cell) -> set[str]:
    return {pin.name for pin in cell.outputs}


def _function(cell: Cell, pin: str) -> str:
    """The function of an output; a clock gate's is none of Liberty's ``function``."""
    return "" if cell.clock_gate else cell.pins[pin].function


def _mean_joules(power: Power, slews: tuple[float, float], load_ff: float) -> float:
    tables = zip((power.rise, power.fall), slews, strict=True)
    return sum(table.at(slew, load_ff) for table, slew in tables if table) / 2 * 1e-15
