"""Energy of a program by events: what each event of a layer takes, as measured for its engine (docs/engine.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from asm_hw.units.engine.engine_config import EngineConfig

from .engine_program import ACCESSES, EngineProgram, ProgramLayer

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "engine.json"
"""Measured energies, in a checkout; an installed package has none."""
LOGIC_PARAMETERS = (
    *("arithmetic", "alphabets", "act_alphabets", "weight_bits", "act_bits", "weight_code", "weight_form"),
    *("structure", "stages", "accumulators", "acc_bits"),
)
"""What the logic of an engine of one shape depends on."""
SHAPE_PARAMETERS = ("lanes", "taps", "columns", "hold", "segments", "bank_rows")
EventEnergies = Mapping[str, Mapping[str, float]]
"""fJ of one event, by part and event."""


def events_of(layer: ProgramLayer) -> dict[str, int]:
    """How often each event happens in a layer."""
    counted = layer.predicted
    names = ("cycles", "steps", *ACCESSES)
    work = {name: getattr(layer, name) for name in ("products", "moved_words", "ended_sums")}
    return work | {name: getattr(counted, name) for name in names}


def layer_energy_pj(layer: ProgramLayer, energies: EventEnergies) -> dict[str, float]:
    """Energy of a layer by part, in pJ."""
    events = events_of(layer)
    return {part: sum(fj * events[event] for event, fj in of.items()) / 1000 for part, of in energies.items()}


def event_energies(config: EngineConfig) -> EventEnergies | None:
    """Energies measured for an engine like ``config``, weight and program memory aside; None where there are none."""
    if config.tables:  # what they take was not measured
        return None
    for row in _rows(RESULTS):
        wanted = {name: config.parameters[name] for name in (*LOGIC_PARAMETERS, *SHAPE_PARAMETERS)}
        if {name: row["parameters"].get(name) for name in wanted} == json.loads(json.dumps(wanted)):
            return row["event_fj"]
    return None


def layer_energies_pj(program: EngineProgram) -> list[float] | None:
    """Energy of each layer of a program; None where none was measured for its engine."""
    energies = event_energies(program.config)
    if energies is None:
        return None
    return [round(sum(layer_energy_pj(layer, energies).values()), 1) for layer in program.layers]


@cache
def _rows(path: Path) -> list[dict]:
    return json.loads(path.read_text())["engines"] if path.is_file() else []
