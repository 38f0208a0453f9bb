"""Energy of an engine by events: modules measured gate by gate in a network's run, memories by the SRAM model.

Each module is mapped by itself, driven with what the run of the whole engine brings it, and accounted. What its cycles
took is explained by the events that the cycle model counts: least squares, no event below 0. Energies in fJ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asm_hw.compiler.area_model import WEIGHT_BANK
from asm_hw.compiler.engine_program import EngineProgram, ProgramLayer
from asm_hw.ppa.activity.vcd_file import Vcd
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.synthesis import Synthesis, synthesize
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.sram_banks import Memory
from asm_hw.sim.engine_player import EnginePlayer
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_counters import COUNTED, COUNTER_BITS

from .energy_accounting import Mapped
from .engine_windows import layer_at
from .stream_run import analysed
from .traced_netlist import CycleWaves, WindowEnergy, traced_energy

TOP = "TOP.engine"
RECIPE = "balanced staged"
EVENTS = {
    "columns": ("cycles", "products", "moved_words"),
    "output pipes": ("cycles", "ended_sums", "skip_words"),
    "window": ("cycles", "moved_words"),
    "bank selection": ("cycles", "source_words", "skip_words", "output_words"),
    "weight rows, outputs": ("cycles", "weight_rows", "output_words"),
    "control": ("cycles", "steps", "weight_rows"),
}
"""What explains the energy of each part of the logic."""


@dataclass(frozen=True)
class Module:
    """A module that is measured: ``instance`` below the engine, ``outside`` what it is mapped without."""

    part: str
    name: str
    instance: str
    outside: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """Where it stands in the waves."""
        return f"{TOP}.{self.instance}" if self.instance else TOP


def modules_of(verilog: str, column: int) -> list[Module]:
    """All logic of an engine; of its columns the one of number ``column`` stands for all."""
    found = re.search(r"^  (engine_window\w*) (\w+) \(", verilog, re.MULTILINE)
    if found is None:
        raise ValueError("the engine must have window registers")
    window, memories = found[1], ("engine_program_memory", "engine_weights_memory")
    inner = ("engine_column", "engine_output_pipe")
    return [
        Module("columns", "engine_column", f"array.column_{column}"),
        Module("output pipes", "engine_output_pipe", f"array.output_{column}"),
        Module("window", window, found[2]),
        Module("bank selection", "engine_activations", "activations", ("engine_bank",)),
        Module("weight rows, outputs", "engine_array", "array", inner),
        Module("control", "engine", "", ("engine_activations", "engine_array", window, *memories)),
    ]


def measure(
    player: EnginePlayer, verilog: str, program: EngineProgram, values: Any, windows: Sequence[range], library: Library,
    clock_mhz: float,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """For each of ``windows`` of a run on the input ``values`` and each module: events, and what they took."""
    mapped: dict[str, tuple[Synthesis, Mapped]] = {}
    for number, cycles in enumerate(windows):
        waves, layer = waves_of(player, program, values, cycles), layer_at(program, cycles.start)
        for module in modules_of(verilog, 5 * number % program.config.columns):
            if module.name not in mapped:
                mapped[module.name] = map_module(module, verilog, library)
            synthesized, netlist = mapped[module.name]
            energy = traced_energy(netlist, waves, module.scope, clock_mhz)
            counted = _counted(waves, energy, module)
            counted |= told_by_layer(counted, layer)
            yield {
                "part": module.part,
                "cells": synthesized.cells,
                "area_um2": synthesized.area_um2,
                "period_ns": synthesized.delay_ns,
                "first": cycles.start,
                "layer": layer.name,
                "events": counted,
                **{name: round(value, 3) for name, value in asdict(energy).items()},
            }


def waves_of(player: EnginePlayer, program: EngineProgram, values: Any, cycles: range) -> CycleWaves:
    """What every signal of a run on the input ``values`` does in ``cycles``."""
    traced = player.trace(program, values, [(cycles.start, cycles.stop)])
    return next(CycleWaves(Vcd(path), cycles) for path in traced)


def map_module(module: Module, verilog: str, library: Library) -> tuple[Synthesis, Mapped]:
    """A module of an engine as cells, and its netlist as energies are accounted on it."""
    synthesized = synthesize(verilog, module.name, library, RECIPE, module.outside)
    return synthesized, analysed(Netlist.from_yosys_json(synthesized.netlist_json, module.name), library)


def _counted(waves: CycleWaves, energy: WindowEnergy, module: Module) -> dict[str, float]:
    """Events in the measured cycles, of the whole engine; of products those of the one column."""
    counts = waves.bits(f"{TOP}.counts").reshape(len(COUNTED), COUNTER_BITS, -1).astype(np.int64)
    totals = (counts << np.arange(COUNTER_BITS)[None, :, None]).sum(1)
    begin = len(waves.cycles) - energy.cycles - 2
    found: dict[str, float] = {
        name: int(t[begin + energy.cycles] - t[begin]) for name, t in zip(COUNTED, totals, strict=True)
    }
    found.pop("idle")
    found["cycles"] = energy.cycles
    if module.part == "columns":
        found["products"] = _products(waves, module, begin, energy.cycles)
    return found


def told_by_layer(counted: Mapping[str, float], layer: ProgramLayer) -> dict[str, float]:
    """Events that no counter shows, of the layer that a window lies in: they go with ones that are counted."""
    moved = counted["steps"] * layer.moved_words / layer.predicted.steps
    ended = counted["output_words"] * layer.ended_sums / layer.predicted.output_words
    return {"moved_words": round(moved, 3), "ended_sums": round(ended, 3)}


def _products(waves: CycleWaves, module: Module, begin: int, cycles: int) -> int:
    """Products whose weight is not 0 that a column forms."""
    names = sorted(name for name in waves.names(module.scope + ".") if re.fullmatch(r"weight(_\d+)?", name))
    adds = waves.bits(f"{module.scope}.add")[0]
    nonzero = sum(waves.bits(f"{module.scope}.{name}")[:-1].any(axis=0).astype(int) for name in names)
    return int((nonzero * adds)[begin : begin + cycles].sum())


def explain(rows: Sequence[Mapping[str, Any]], columns: int) -> dict[str, dict[str, float]]:
    """fJ of each event of the whole engine, by part."""
    found: dict[str, dict[str, float]] = {}
    for part, events in EVENTS.items():
        own = [row for row in rows if row["part"] == part]
        many = columns if part in ("columns", "output pipes") else 1
        # A product is of one column already.
        weight = {event: 1.0 if event == "products" else float(many) for event in events}
        fitted = _fit(own, events)
        found[part] = {event: round(weight[event] * fj, 4) for event, fj in fitted.items()}
    return found


def _fit(rows: Sequence[Mapping[str, Any]], events: Sequence[str]) -> dict[str, float]:
    from scipy.optimize import nnls

    counts = np.array([[row["events"][event] for event in events] for row in rows], float)
    took = np.array([row["clock_fj"] + row["moving_fj"] + row["leakage_fj"] for row in rows])
    scale = np.maximum(counts.max(axis=0), 1.0)
    solved, _ = nnls(counts / scale, took)
    return dict(zip(events, (solved / scale).tolist(), strict=True))


def explained_percent(rows: Sequence[Mapping[str, Any]], energies: Mapping[str, float]) -> float:
    """What the events of windows say that all of them take, beyond what they took, per cent."""
    said = sum(fj * row["events"][event] for row in rows for event, fj in energies.items())
    took = sum(row["clock_fj"] + row["moving_fj"] + row["leakage_fj"] for row in rows)
    return round(100 * (said / took - 1), 2)


def memory_events(config: EngineConfig, clock_mhz: float) -> dict[str, dict[str, float]]:
    """fJ of each access of the memories, and of their leakage a cycle."""
    bank = Memory(config.bank_rows, config.word_bits)
    weights = Memory(config.weight_rows, config.row_bits, WEIGHT_BANK)
    leakage = weights.leakage_fj_per_ns + config.segments * 6 * bank.leakage_fj_per_ns
    return {
        "activation reads": {"source_words": bank.energy_fj("read"), "skip_words": bank.energy_fj("read")},
        "activation writes": {"output_words": bank.energy_fj("write")},
        "weight reads": {"weight_rows": weights.energy_fj("read")},
        "weight writes": {"streamed_rows": weights.energy_fj("write")},
        "memories' leakage": {"cycles": leakage * 1000 / clock_mhz},
    }
