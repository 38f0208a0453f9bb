"""Design points: the configurations that compute the same, each emitted and mapped by the recipes that suit it.

Which configurations: ``design_points`` of the unit (`asm_hw/units/operands_config.py`, ``memory_config.py``); which
recipes: `_recipes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypedDict, TypeVar, cast

from asm_hw.emission.manifest import describe
from asm_hw.emission.verilog_text import to_verilog
from asm_hw.formats.accumulator_format import AdderStyle
from asm_hw.ppa.netlist.mapped_parts import synthesize_parts
from asm_hw.ppa.netlist.synthesis import Synthesis, has_adder_cells
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.units.memory_config import MemoryConfig
from asm_hw.units.operands_config import AccumulatingConfig, DatapathConfig
from asm_hw.units.registry import make_component, memory_modules
from asm_hw.units.unit_config import UnitConfig
from asm_hw.worker_pools import in_threads

C = TypeVar("C", bound=UnitConfig)
D = TypeVar("D", bound=DatapathConfig)


class PointForm(TypedDict, total=False):
    """How a unit is built (`UnitConfig.form`); units that are built in one way alone have neither."""

    structure: str
    weight_form: str | None


class PointFigures(PointForm):
    """A design point in lists of what was tried."""

    recipe: str
    cells: int
    area_um2: float
    delay_ns: float


@dataclass(frozen=True)
class DesignPoint(Generic[C]):
    """One way to build a unit: the configuration, with its structure, ports, Verilog and the mapped result."""

    config: C
    ports: list[dict[str, Any]]
    verilog: str
    mapped: Synthesis

    @property
    def figures(self) -> PointFigures:
        """Structure, recipe and figures."""
        mapped = self.mapped
        return {
            **form_of(self.config),
            "recipe": mapped.recipe,
            "cells": mapped.cells,
            "area_um2": mapped.area_um2,
            "delay_ns": mapped.delay_ns,
        }

    def meets(self, clock_mhz: float | None) -> bool:
        """Whether the netlist runs at a clock; always without one."""
        return clock_mhz is None or self.mapped.delay_ns <= 1000 / clock_mhz


def form_of(config: UnitConfig) -> PointForm:
    """`UnitConfig.form`, typed."""
    return cast(PointForm, config.form)


def design_points(
    config: C, library: Library, clock_mhz: float | None = None, thorough: bool = True
) -> list[DesignPoint[C]]:
    """All design points of ``config``: structures, weight forms and recipes; unless ``thorough`` heaps for area only.

    The same ones for a unit and its baselines: compressor heaps in every weight form, and a tree of ``+``. Where
    none of them meets the clock, those for speed come in addition. Units with a memory are large: of their heaps
    the greedy one alone, of the recipes `_recipes`.
    """
    configs = config.design_points(thorough)
    chosen = [(point, recipe) for point in configs for recipe in _recipes(point, library)]
    if not thorough:
        chosen = [(point, recipe) for point, recipe in chosen if recipe == "area"]
    points = map_points(chosen, library)
    if thorough and not any(point.meets(clock_mhz) for point in points):
        points += map_points(points_for_speed(config), library)
    return points


def points_for_speed(config: C) -> list[tuple[C, str]]:
    """Configurations, a carry-save accumulator among them, with the recipe that maps them for delay."""
    configs = config.design_points()
    # Carry-save knows no sum at the edge, so it cannot saturate (decision 0005); arrays refuse it.
    if isinstance(config, AccumulatingConfig) and config.memory_shape is None and config.overflow == "wrap":
        heaps = [point for point in configs if point.form["structure"] == "heap"]
        configs += [type(heap)(**heap.parameters | {"structure": "carry_save"}) for heap in heaps]
    return [(point, "fast chained" if _adds_by_operator(point) else "fast") for point in configs]


def map_points(chosen: list[tuple[C, str]], library: Library) -> list[DesignPoint[C]]:
    """Each configuration emitted and mapped by its recipe; one with several recipes is emitted once."""
    configs = list(dict.fromkeys(config for config, _ in chosen))
    emitted = dict(zip(configs, in_threads(_emit, configs), strict=True))

    def map_one(choice: tuple[C, str]) -> DesignPoint[C]:
        config, recipe = choice
        ports, verilog = emitted[config]
        top, once = config.slug, [f"{config.slug}_{kind}" for kind in config.mapped_once]
        left_out = [f"{top}_{kind}" for kind in config.left_out]
        mapped = synthesize_parts(verilog, top, library, recipe, once, (*memory_modules(config, top), *left_out))
        return DesignPoint(config, ports, verilog, mapped)

    return in_threads(map_one, chosen)


def plain_point(config: D, library: Library) -> DesignPoint[D]:
    """The exact baseline as one would write it, ``a + w * x``, by Yosys's own flow."""
    exact = config.baseline("exact")
    written = type(exact)(**exact.parameters | {"structure": "plain"})
    return map_points([(written, "plain")], library)[0]


@lru_cache(256)
def _emit(config: UnitConfig) -> tuple[list[dict[str, Any]], str]:
    """Ports and Verilog of a unit."""
    component = make_component(config)
    verilog = to_verilog(component, config.slug)
    return describe(config, component, config.slug)["ports"], verilog


def _recipes(config: UnitConfig, library: Library) -> list[str]:
    # Yosys' Booth encoding changes multiplications alone.
    booth = config.multiplies
    # Large units: fewer recipes, the same for each baseline (decision 0006).
    if config.mapped_once:
        return ["balanced"]
    if isinstance(config, MemoryConfig):
        if config.adders.has_heap:
            return ["area", "balanced"]
        return ["area chained", "area booth chained"] if booth else ["area chained"]
    if _adds_by_operator(config):
        return ["area chained", "balanced chained", *(["area booth"] if booth else [])]
    # Heaps in stages are a little smaller, greedy ones a little faster: each by the recipes that this suits.
    balanced, small = ["balanced"], ["area"]
    if has_adder_cells(library):
        balanced, small = ["balanced", "adder cells"], ["area", "adder cells area"]
    return balanced if config.form.get("structure") == AdderStyle.GREEDY else balanced + small


def _adds_by_operator(config: UnitConfig) -> bool:
    """Whether products are added by ``+``, which Yosys may merge, and not by a heap."""
    return isinstance(config, DatapathConfig) and not config.adders.has_heap
