"""A unit on an FPGA beside its exact baseline, without and with hard multipliers, and the bare one.

All of them go through the same flow: each structure of adders and form of weights is mapped by the recipes of
`asm_hw.ppa.fpga.place_and_route.RECIPES` that suit it, the design point with the fewest LUT-equivalents kept (the
fewer flip-flops if equal), then placed and routed with the same seeds.

LUT-equivalents are four-input LUTs of the mapped unit: one a LUT, two a carry cell of two bits
(ECP5's CCU2C), one a carry cell of one bit (Gowin's ALU), none where the carry sits beside a LUT
that is counted anyway (iCE40). Memories take block RAM, counted apart. Multiplexers that join LUTs
are listed in ``cells`` and not counted. What the device gave to unit and harness together, where
chains that start or end inside the fabric take a little more, is ``used_with_harness``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from typing import Any, NotRequired, TypedDict

from asm_hw.emission.manifest import describe
from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.formats.accumulator_format import STRUCTURES
from asm_hw.formats.weight_format import WEIGHT_FORMS
from asm_hw.ppa.baselines.design_points import PointForm, form_of
from asm_hw.ppa.baselines.unit_baselines import baselines_of
from asm_hw.units.operands_config import DatapathConfig
from asm_hw.units.registry import make_component, units
from asm_hw.units.unit_config import UnitConfig
from asm_hw.worker_pools import in_threads

from .fpga_devices import Family, Mapped, check_family, tools
from .place_and_route import map_unit, place

MAX_SEEDS = 99
_TOP = "unit"
_WITH_DSP = "exact, with DSP"

Choice = tuple[UnitConfig, str]
"""A configuration, with its structure and form of weights, and a recipe."""


class FpgaPoint(PointForm):
    """A design point in the list of those that were tried."""

    recipe: str
    lut_equivalents: int
    ff: int


class FpgaRow(FpgaPoint):
    """The design point that counts for a unit: as mapped, and after routing."""

    name: str
    dsp: int
    ram: int
    cells: dict[str, int]
    fmax_mhz: float
    fmax_mhz_by_seed: list[float]
    used_with_harness: dict[str, int]
    harness_cells: dict[str, int]
    tried: list[FpgaPoint]
    lut_ratio_to_exact: NotRequired[float]
    fmax_ratio_to_exact: NotRequired[float]


class FpgaComparison(TypedDict):
    """What ``asm-hw fpga --json`` prints."""

    family: str
    device: str
    parameters: dict[str, Any]
    seeds: list[int]
    rows: dict[str, FpgaRow]
    tools: dict[str, str]


def compare_on_fpga(config: UnitConfig, family: str, seeds: int = 3) -> FpgaComparison:
    """Place and route a unit and its baselines on ``family``; plain JSON.

    ``seeds`` runs of nextpnr give each ``fmax_mhz``, their median. The structure and the form of
    weights that ``config`` names do not matter, unless it has modules that are mapped once: all are tried for every
    row. The row
    ``exact, with DSP`` is there only where the device has hard multipliers.
    Raises `ParameterError` for an unknown family, a missing tool, a bad number of seeds, or a unit
    that the device cannot take.
    """
    device = check_family(family)
    check_range("seeds", seeds, 1, MAX_SEEDS)
    allowed = tuple(name for name, unit in units().items() if unit.on_fpga)
    check_choice("unit on an FPGA, whose memories open one row at a time,", config.unit, allowed)
    config = config.without_macro  # behind a macro boundary would be no block RAM
    rows: dict[str, FpgaRow] = {}
    for name, unit in baselines_of(config).items():
        rows[name] = measure(unit, device, seeds)
        if name == "exact" and device.dsps:
            rows[_WITH_DSP] = measure(unit, device, seeds, dsp=True)
    if exact := rows.get("exact"):
        for row in rows.values():
            row["lut_ratio_to_exact"] = round(row["lut_equivalents"] / exact["lut_equivalents"], 4)
            row["fmax_ratio_to_exact"] = round(row["fmax_mhz"] / exact["fmax_mhz"], 4)
    return {
        "family": family,
        "device": device.device,
        "parameters": config.parameters,
        "seeds": list(range(1, seeds + 1)),
        "rows": rows,
        "tools": tools(device),
    }


def measure(config: UnitConfig, family: Family, seeds: int, dsp: bool = False) -> FpgaRow:
    """One unit: figures of its smallest design point after routing, and what the others mapped to.

    ``dsp``: multiplications may take hard multipliers.
    Raises `ParameterError` if the device cannot take it.
    """
    choices = list(_choices(config, dsp))
    mapped = in_threads(lambda choice: _map(choice, family, dsp), choices)
    tried = [(*choice, cells) for choice, cells in zip(choices, mapped, strict=True)]
    best, recipe, cells = min(tried, key=lambda point: (point[2].lut_equivalents, point[2].ff))
    component = make_component(best)
    ports = describe(best, component, _TOP)["ports"]
    placed = place(to_verilog(component, _TOP), _TOP, ports, family, recipe, dsp, seeds, best.mapped_once)
    return {
        "name": best.slug,
        **_point(best, recipe, cells),
        "dsp": cells.dsp,
        "ram": cells.ram,
        "cells": cells.cells,
        "fmax_mhz": round(median(placed["fmax_mhz"]), 2),
        "fmax_mhz_by_seed": [round(fmax, 2) for fmax in placed["fmax_mhz"]],
        "used_with_harness": placed["used_with_harness"],
        "harness_cells": placed["harness"],
        "tried": [_point(*point) for point in tried],
    }


def _choices(config: UnitConfig, dsp: bool) -> Iterator[Choice]:
    """Every structure and form of weights that ``config`` can have, each with the recipes that suit it.

    Yosys' own flow belongs to what one would write without this project. Rows need a multiplication:
    there is none in a heap, and a hard multiplier takes all. Units with a memory are large: of their heaps
    the greedy one alone. A unit that is built in one way alone is mapped by every recipe but the rows. What is mapped
    once for many is the largest: as ``config`` says, by the recipe that saves most.
    """
    if config.mapped_once:
        yield config, "chained"
        return
    if not isinstance(config, DatapathConfig):
        yield from ((config, recipe) for recipe in ("chained", "yosys"))
        return
    left_out = ("heap", "wallace", "carry_save") if config.memory_shape else ()
    for structure in (name for name in STRUCTURES if name not in left_out):
        for form in WEIGHT_FORMS[config.arithmetic]:
            try:
                point = replace(config, structure=structure, weight_form=form)
            except ParameterError:
                continue  # not every form and overflow goes with every structure
            multiplies = config.arithmetic == "exact" and not point.adders.has_heap
            if multiplies or not dsp:
                yield point, "chained"
                if multiplies and not dsp:
                    yield point, "rows"
                if structure == "plain":
                    yield point, "yosys"


def _map(choice: Choice, family: Family, dsp: bool) -> Mapped:
    config, recipe = choice
    return map_unit(to_verilog(make_component(config), _TOP), _TOP, family, recipe, dsp, config.mapped_once)


def _point(config: UnitConfig, recipe: str, mapped: Mapped) -> FpgaPoint:
    return {**form_of(config), "recipe": recipe, "lut_equivalents": mapped.lut_equivalents, "ff": mapped.ff}
