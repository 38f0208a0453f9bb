"""A unit on an FPGA beside its exact twin, without and with hard multipliers, and the bare accumulator.

Every contender goes through the same flow: each structure of adders and form of weights is mapped by
the recipes of `fpga_flow.RECIPES` that suit it, the one with the fewest LUT-equivalents kept (the fewer
flip-flops if equal), then placed and routed with the same seeds.

LUT-equivalents are four-input LUTs of the mapped unit: one a LUT, two a carry cell of two bits
(ECP5's CCU2C), one a carry cell of one bit (Gowin's ALU), none where the carry sits beside a LUT
that is counted anyway (iCE40). Memories take block RAM, counted apart. Multiplexers that join LUTs
are listed in ``cells`` and not counted. What the device gave to unit and harness together, where
chains that start or end inside the fabric take a little more, is ``used_with_harness``.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from asm_hw.emission.manifest import describe
from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.formats.accumulator_format import STRUCTURES
from asm_hw.formats.weight_format import WEIGHT_FORMS
from asm_hw.ppa.baselines.area_comparison import baselines_of
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.memory_config import MemoryConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.registry import make_component, make_config, units

from .fpga_devices import Family, Mapped, check_family, tools
from .place_and_route import map_unit, place

MAX_SEEDS = 99
UNITS_ON_FPGA = tuple(unit for unit in UNITS if unit != BitlineConfig.unit)
_TOP = "unit"
_WITH_DSP = "exact, with DSP"


def compare(config: MultiplierConfig, family: str, seeds: int = 3) -> dict[str, Any]:
    """Place and route a unit and its baselines on ``family``; plain JSON.

    ``seeds`` runs of nextpnr give each ``fmax_mhz``, their median. The structure and the form of
    weights that ``config`` names do not matter: all are tried for every contender. The row
    ``exact, with DSP`` is there only where the device has hard multipliers.
    Raises `ParameterError` for an unknown family, a missing tool, a bad number of seeds, or a unit
    that the device cannot take.
    """
    device = check_family(family)
    check_range("seeds", seeds, 1, MAX_SEEDS)
    check_choice("unit on an FPGA, whose memories open one row at a time,", config.unit, UNITS_ON_FPGA)
    if isinstance(config, MemoryConfig):  # behind a macro boundary would be no block RAM
        config = make_config(config.unit, **config.parameters | {"memory": "inferred"})
    rows = {}
    for name, contender in baselines_of(config).items():
        rows[name] = measure(contender, device, seeds)
        if name == "exact" and device.dsps:
            rows[_WITH_DSP] = measure(contender, device, seeds, dsp=True)
    for row in rows.values() if "exact" in rows else ():
        for figure, ratio in (("lut_equivalents", "lut_ratio"), ("fmax_mhz", "fmax_ratio")):
            row[f"{ratio}_to_exact"] = round(row[figure] / rows["exact"][figure], 4)
    head = {"family": family, "device": device.device, "parameters": config.parameters}
    return head | {"seeds": list(range(1, seeds + 1)), "rows": rows, "tools": tools(device)}


def measure(config: MultiplierConfig, family: Family, seeds: int, dsp: bool = False) -> dict[str, Any]:
    """One contender: figures of the smallest candidate after routing, and what the others mapped to.

    ``dsp``: multiplications may take hard multipliers.
    Raises `ParameterError` if the device cannot take it.
    """
    candidates = list(_candidates(config, dsp))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda choice: _map(choice, family, dsp), candidates))
    tried = [(*choice, cells) for choice, cells in zip(candidates, results, strict=True)]
    best, recipe, mapped = min(tried, key=lambda row: (row[2].lut_equivalents, row[2].ff))
    component = make_component(best)
    ports = describe(best, component, _TOP)["ports"]
    placed = place(to_verilog(component, _TOP), _TOP, ports, family, recipe, dsp, seeds)
    return {
        "name": best.slug,
        **_choice(best, recipe),
        **asdict(mapped),
        "fmax_mhz": round(median(placed["fmax_mhz"]), 2),
        "fmax_mhz_by_seed": [round(fmax, 2) for fmax in placed["fmax_mhz"]],
        "used_with_harness": placed["used_with_harness"],
        "harness_cells": placed["harness"],
        "tried": [_choice(c, r) | {"lut_equivalents": m.lut_equivalents, "ff": m.ff} for c, r, m in tried],
    }


def _candidates(config: MultiplierConfig, dsp: bool) -> Iterator[tuple[MultiplierConfig, str]]:
    """Every structure and form of weights that ``config`` can have, each with the recipes that suit it.

    Yosys' own flow belongs to what one would write without this project. Rows need a multiplication:
    there is none in a heap, and a hard multiplier takes all. Units with a memory are large: of their heaps
    the greedy one alone.
    """
    left_out = ("heap", "carry_save") if isinstance(config, MemoryConfig) else ()
    for structure in (name for name in STRUCTURES if name not in left_out):
        for form in WEIGHT_FORMS[config.arithmetic]:
            try:
                candidate = replace(config, structure=structure, weight_form=form)
            except ParameterError:
                continue  # not every form and overflow goes with every structure
            multiplies = config.arithmetic == "exact" and not candidate.adders.has_heap
            if multiplies or not dsp:
                yield candidate, "chained"
                yield from [(candidate, "rows")] * (multiplies and not dsp)
                yield from [(candidate, "yosys")] * (structure == "plain")


def _map(choice: tuple[MultiplierConfig, str], family: Family, dsp: bool) -> Mapped:
    config, recipe = choice
    return map_unit(to_verilog(make_component(config), _TOP), _TOP, family, recipe, dsp)


def _choice(config: MultiplierConfig, recipe: str) -> dict[str, Any]:
    return config.form | {"recipe": recipe}
