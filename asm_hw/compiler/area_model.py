"""Area of an engine: its logic by parts, as fitted to mapped modules, its memories by the SRAM model (docs/engine.md).

The fits are in a checkout's ``docs/results/engine_area.json``, which `benchmarks/engine_area.py` makes; an installed
package has none. Areas in um2 of IHP SG13G2, without wires.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from asm_hw.gateware.datapath import BRANCH
from asm_hw.numbers.integers import ceil_div
from asm_hw.ppa.technology.sram_banks import Memory
from asm_hw.units.engine.engine_config import BANKS, EngineConfig
from asm_hw.units.engine.engine_records import PROGRAM_BITS

from .event_energy import LOGIC_PARAMETERS

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "engine_area.json"
WEIGHT_BANK = 512
"""Rows of a bank of weight and program memory: an access wakes one."""
BY_COLUMN = ("columns", "output pipes")
"""Parts of which each column has one."""


def terms_of(config: EngineConfig) -> dict[str, dict[str, float]]:
    """What the area of each part of the logic is linear in; of columns and output pipes that of one."""
    lanes, columns, segments, word = config.lanes, config.columns, config.segments, config.word_bits
    return {
        "columns": {"one": 1, "lanes": lanes, "accumulator bits": config.hold * config.accumulator.bits},
        "output pipes": {"one": 1},
        # A row of three columns chooses more for each lane than a window of three rows.
        "window": {"lane bits": lanes * config.act_bits, "of a row": lanes * config.act_bits * (config.taps == 3)},
        "bank selection": {"one": 1, "word bits": word, "segments": segments, "segment word bits": segments * word},
        "weight rows, outputs": {"lanes": lanes, "columns": columns, "branch lanes": ceil_div(columns, BRANCH) * lanes},
        "control": {"one": 1, "address bits": config.address_bits, "lanes": lanes, "columns": columns},
    }


def memory_areas_um2(config: EngineConfig) -> dict[str, float]:
    """Area of each memory; of one with few rows that of as many as it has."""
    bank = Memory(config.bank_rows, config.word_bits)
    rows = {"weight memory": config.weight_rows, "program memory": config.program_rows}
    bits = {"weight memory": config.row_bits, "program memory": PROGRAM_BITS}
    areas = {name: Memory(many, bits[name], min(many, WEIGHT_BANK)).area_um2 for name, many in rows.items()}
    return {"activation memory": config.segments * BANKS * bank.area_um2} | areas


def engine_areas_um2(config: EngineConfig) -> dict[str, float] | None:
    """Area of each part of an engine; None where logic like its own was not measured."""
    fit = _fit_of(config)
    if fit is None:
        return None
    many = dict.fromkeys(BY_COLUMN, config.columns)
    logic = {
        part: many.get(part, 1) * sum(fit[part][term] * value for term, value in terms.items())
        for part, terms in terms_of(config).items()
    }
    return logic | memory_areas_um2(config)


def why_unknown() -> str:
    """The reason where `engine_areas_um2` knows no area."""
    if RESULTS.is_file():
        return "the logic of engines with these formats was not measured"
    return f"what was measured is in a checkout, docs/results/{RESULTS.name}"


def _fit_of(config: EngineConfig) -> Mapping[str, Mapping[str, float]] | None:
    """um2 of each term by part."""
    if config.tables:  # the memories in the output pipes were not measured
        return None
    own = json.loads(json.dumps({name: config.parameters[name] for name in LOGIC_PARAMETERS}))
    return next((fit["um2"] for fit in _fits(RESULTS) if fit["logic"] == own), None)


@cache
def _fits(path: Path) -> list[dict]:
    return json.loads(path.read_text())["fits"] if path.is_file() else []
