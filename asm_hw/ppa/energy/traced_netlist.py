"""Energy of a mapped module in some cycles of a run of the whole unit, whose waves give its inputs and its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asm_hw.ppa.activity.gate_netlist import port_nets
from asm_hw.ppa.activity.gate_simulation import simulator
from asm_hw.ppa.activity.port_stimulus import WARM_UP_BEATS, Stimulus
from asm_hw.ppa.activity.vcd_file import Bits, Vcd

from .energy_accounting import Mapped, Parts, account
from .stream_run import Run

AFTER_EDGE_PS = 10
"""Registers receive their state so long after the first edge: in the cycle that it begins."""
_PART = "logic"


class CycleWaves:
    """Waves of a simulation whose unit of time is a cycle: the value of every signal in each of ``cycles``."""

    def __init__(self, vcd: Vcd, cycles: range):
        self._vcd, self.cycles = vcd, cycles
        self._codes = {name: (code, width) for code, names in vcd.names.items() for name, width in names}
        self._unit = vcd.unit
        self._times = np.arange(cycles.start, cycles.stop) * self._unit + 1
        self._kept: dict[str, Bits] = {}

    def has(self, name: str) -> bool:
        """Whether the waves show the signal."""
        return name in self._codes

    def names(self, prefix: str) -> list[str]:
        """What the waves show below ``prefix``, which is left out."""
        return [name.removeprefix(prefix) for name in self._codes if name.startswith(prefix)]

    def bits(self, name: str) -> Bits:
        """A signal's bits, [width, cycles]."""
        code, _ = self._codes[name]
        if code not in self._kept:
            self._kept[code] = self._vcd.samples(code, self._times)
        return self._kept[code]

    def words(self, name: str) -> list[int]:
        """A signal's value in each cycle."""
        columns = np.packbits(self.bits(name), axis=0, bitorder="little").T
        return [int.from_bytes(column.tobytes(), "little") for column in columns]


@dataclass(frozen=True)
class WindowEnergy:
    """Energy of a module in so many cycles, fJ: what the clock takes, and what else; bits of outputs that differ from
    those of the run, per cent."""

    cycles: int
    clock_fj: float
    moving_fj: float
    leakage_fj: float
    wrong_percent: float

    @property
    def total_fj(self) -> float:
        """All of it."""
        return self.clock_fj + self.moving_fj + self.leakage_fj


class _StatefulRun(Run):
    """A run whose registers begin with the state that the waves show in the first cycle."""

    def __init__(self, mapped: Mapped, stimulus: Stimulus, period_ns: float, cycles: int, state: Mapping[str, int]):
        super().__init__(mapped, stimulus, period_ns, cycles)
        self._state = state

    def _bench(self, depth: int = 1) -> str:
        text = super()._bench(depth)
        set_ = ""
        for index, instance in enumerate(self.mapped.netlist.instances.values()):
            register = self.mapped.cells[instance.cell].ff
            if register is not None and instance.name in self._state:
                set_ += f"    dut.i{index}.{register.states[0]} = {self._state[instance.name]};\n"
        delay = self.period / 1000 + AFTER_EDGE_PS
        return text.replace("endmodule\n", f"  initial begin\n    #{delay:.3f};\n{set_}  end\nendmodule\n")


def traced_energy(mapped: Mapped, waves: CycleWaves, scope: str, clock_mhz: float) -> WindowEnergy:
    """The energy of a netlist in all but the first few of the cycles of ``waves``; ``scope``: where its module stands.

    Registers without a name in the waves begin with some value.
    """
    ports = mapped.netlist.ports
    inputs = {
        name: waves.words(f"{scope}.{name}")
        for name, (direction, _) in ports.items()
        if direction == "input" and name not in ("clk", "rst")
    }
    count = len(waves.cycles)
    inputs["rst"] = [0] * count
    cycles = count - WARM_UP_BEATS - 2
    run = _StatefulRun(mapped, Stimulus(inputs, 0), 1000 / clock_mhz, cycles, _state(mapped, waves, scope))
    moves, whole = run.netlist_waves(simulator())
    wrong = total = 0
    for name, (direction, bits) in ports.items():
        if direction == "output":
            given, wanted = run.words(whole, name), waves.words(f"{scope}.{name}")
            pairs = list(zip(given, wanted, strict=True))[WARM_UP_BEATS:]
            wrong += sum((a ^ b).bit_count() for a, b in pairs)
            total += len(pairs) * len(bits)
    nets = {net: _PART for net, direction in port_nets(mapped.netlist).items() if direction == "input"}
    parts = Parts(dict.fromkeys(mapped.netlist.instances, _PART), nets)
    found = account(mapped, moves, parts, run.state_times)
    leakage = sum(fj for (_, kind), fj in found.items() if kind == "leakage")
    clock = sum(fj for (part, kind), fj in found.items() if part == "clock" and kind != "leakage")
    moving = sum(fj for (part, kind), fj in found.items() if part != "clock" and kind != "leakage")
    return WindowEnergy(cycles, clock, moving, leakage, 100 * wrong / total)


def _state(mapped: Mapped, waves: CycleWaves, scope: str) -> dict[str, int]:
    """The state of each register in the first cycle, where the waves know what it gives."""
    states: dict[str, int] = {}
    for instance in mapped.netlist.instances.values():
        cell = mapped.cells[instance.cell]
        if cell.ff is None:
            continue
        for pin in cell.outputs:
            value = _first(mapped.netlist.nets.get(instance.pins.get(pin.name, -1), ""), waves, scope)
            if value is not None:
                states[instance.name] = value ^ (pin.function == cell.ff.states[1])
    return states


def _first(net: str, waves: CycleWaves, scope: str) -> int | None:
    """The bit of a net in the first cycle, by its name ``signal[bit]``."""
    name, _, bit = net.partition("[")
    if not name or not waves.has(f"{scope}.{name}"):
        return None
    return int(waves.bits(f"{scope}.{name}")[int(bit.rstrip("]") or 0) if bit else 0, 0])
