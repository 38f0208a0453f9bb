"""A unit beside its exact twin and the bare accumulator: every structure tried for each, the best kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from asm_hw.emission.manifest import describe
from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError
from asm_hw.formats.weight_format import WEIGHT_FORMS
from asm_hw.ppa.netlist.synthesis import Synthesis, has_adder_cells, synthesize
from asm_hw.ppa.netlist.yosys import YosysError
from asm_hw.ppa.technology.cell_library import Library, choose_library
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.memory_config import MemoryConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.registry import make_component, memory_module

T = TypeVar("T")
Way = tuple[MultiplierConfig, str]
"""A configuration, with its structure and weight form, and a recipe."""

FIGURES = ("recipe", "cells", "area_um2", "delay_ns")


@dataclass(frozen=True)
class Candidate:
    """One way to build a unit: the configuration, with its structure, ports, Verilog and the mapped result."""

    config: MultiplierConfig
    ports: list[dict[str, Any]]
    verilog: str
    mapped: Synthesis

    @property
    def figures(self) -> dict[str, Any]:
        """Structure, recipe and figures, for lists of what was tried."""
        return self.config.form | {name: getattr(self.mapped, name) for name in FIGURES}


def candidates(
    config: MultiplierConfig, library: Library, clock_mhz: float | None = None, thorough: bool = True
) -> list[Candidate]:
    """All ways to build ``config``: structures, weight forms and recipes; without ``thorough`` heaps for area only.

    The same ways for each contender: a compressor heap in every weight form, and a tree of ``+``. Where
    none of them meets the clock, those for speed come in addition. Units with a memory are large: of their heaps
    the greedy one alone, of the recipes `_recipes`.
    """
    ways = [(variant, recipe) for variant in _variants(config, thorough) for recipe in _recipes(variant, library)]
    if not thorough:
        ways = [(variant, recipe) for variant, recipe in ways if recipe == "area"]
    built = build(ways, library)
    if thorough and not any(meets(candidate, clock_mhz) for candidate in built):
        built += build(fast_ways(config), library)
    return built


def fast_ways(config: MultiplierConfig) -> list[Way]:
    """The ways that map for delay, a carry-save accumulator among them."""
    variants = _variants(config, thorough=True)
    heaps = [variant for variant in variants if variant.structure == "heap"]
    if isinstance(config, MacConfig) and config.unit in ("mac", "dot") and config.overflow == "wrap":
        variants += [replace(variant, structure="carry_save") for variant in heaps]
    return [(variant, "fast" if variant.adders.has_heap else "fast chained") for variant in variants]


def build(ways: list[Way], library: Library) -> list[Candidate]:
    """Each way emitted and mapped; a configuration with several recipes is emitted once."""
    variants = list(dict.fromkeys(variant for variant, _ in ways))
    with ThreadPoolExecutor(2) as pool:
        emitted = dict(zip(variants, pool.map(_emitted, variants), strict=True))
        return list(pool.map(lambda way: _candidate(way[0], *emitted[way[0]], way[1], library), ways))


@lru_cache(256)
def _emitted(config: MultiplierConfig) -> tuple[list[dict[str, Any]], str]:
    """Ports and Verilog of a unit."""
    component = make_component(config)
    verilog = to_verilog(component, config.slug)
    return describe(config, component, config.slug)["ports"], verilog


def _candidate(
    config: MultiplierConfig, ports: list[dict[str, Any]], verilog: str, recipe: str, library: Library
) -> Candidate:
    mapped = synthesize(verilog, config.slug, library, recipe, memory_module(config, config.slug))
    return Candidate(config, ports, verilog, mapped)


def plain(config: MultiplierConfig, library: Library) -> Candidate:
    """The exact twin as one would write it, ``a + w * x``, by Yosys's own flow."""
    written = replace(config.baseline("exact"), structure="plain")
    return build([(written, "plain")], library)[0]


def _variants(config: MultiplierConfig, thorough: bool) -> list[MultiplierConfig]:
    if isinstance(config, BitlineConfig):  # adds on bit lines
        return [config]
    barred = ("one_hot",) * config.product.is_power_of_two + ("booth",) * config.product.shifts_weight
    forms = [form for form in WEIGHT_FORMS[config.arithmetic] if form not in barred]
    if not thorough and config.arithmetic == "asm":
        forms = [str(config.weight_form)]
    kinds = ("heap", "greedy") if thorough else ("heap",)
    if thorough and isinstance(config, MemoryConfig):
        kinds = ("greedy",)
    heaps = [replace(config, structure=kind, weight_form=form) for kind in kinds for form in forms]
    return heaps + [replace(config, structure="tree", weight_form=None)] * thorough


def _recipes(config: MultiplierConfig, library: Library) -> list[str]:
    multiplies = config.arithmetic == "exact" and not config.product.shifts_weight
    if isinstance(config, MemoryConfig):
        return (
            ["area", "balanced"] if config.adders.has_heap else ["area chained", *["area booth chained"] * multiplies]
        )
    if config.adders.has_heap:
        return ["area", "balanced", *["adder cells", "adder cells area"] * has_adder_cells(library)]
    return ["area", "area chained", "balanced chained", *["area booth", "area booth chained"] * multiplies]


def baselines_of(config: MultiplierConfig) -> dict[str, MultiplierConfig]:
    """``config`` and its twins, by arithmetic. Raises `ParameterError` where it can have none.

    A two's complement weight that an activation on {1} shifts is ``shift``, beside a multiplying twin.
    The twin of a bitline array is the bit-serial one; nothing there is bare. Arrays may have no exact twin
    (`why_alone`).
    """
    names = ("exact",) if isinstance(config, BitlineConfig) else ("exact", "bare")
    twins = {name: config.baseline(name) for name in names if name != "exact" or not why_alone(config)}
    own = "shift" if config.product.shifts_weight else config.arithmetic
    return {own: config} | {name: twin for name, twin in twins.items() if name != own}


def why_alone(config: MultiplierConfig) -> str | None:
    """Why an array has no exact twin of its shape; None where there is one."""
    if isinstance(config, BitlineConfig | MemoryConfig):
        try:
            config.baseline("exact")
        except ParameterError as error:
            return str(error)
    return None


def compare(
    config: MultiplierConfig,
    liberty: str | None = None,
    technology: str | None = None,
    clock_mhz: float | None = None,
    thorough: bool = True,
) -> dict[str, Any]:
    """Area and delay of a unit, its exact twin, the bare accumulator and the exact twin by plain Yosys.

    A memory is left out: its connections count as ports, its access time is not in any delay. ``memory`` in the
    result says what it is; ``why_alone`` why there is no exact twin.
    Each contender is the smallest of its `candidates` that meets the clock; `ParameterError` if none does.
    ``liberty``: see `user_library`; the compact table of ``technology`` (the first) if None. The result is plain
    JSON: a row each with the figures of all candidates, and the ratios of area and delay to exact and bare.
    """
    with tempfile.TemporaryDirectory() as scratch:
        library = choose_library(Path(scratch), technology, liberty)
        rows = mapping_errors(lambda: _rows(config, library, clock_mhz, thorough), liberty)
    for row in rows.values():
        for other in (name for name in ("exact", "bare") if name in rows):
            row[f"area_ratio_to_{other}"] = ratio(row["area_um2"], rows[other]["area_um2"])
            row[f"delay_ratio_to_{other}"] = ratio(row["delay_ns"], rows[other]["delay_ns"])
    tools = {"pyosys": version("pyosys")}
    parameters = {"library": library.name, "parameters": config.parameters, "clock_mhz": clock_mhz}
    parameters |= {"memory": _memory(config), "why_alone": why_alone(config)}
    return {**parameters, "rows": rows, "tools": tools}


def _rows(
    config: MultiplierConfig, library: Library, clock_mhz: float | None, thorough: bool
) -> dict[str, dict[str, Any]]:
    rows = {}
    for name, contender in baselines_of(config).items():
        tried = candidates(contender, library, clock_mhz, thorough)
        rows[name] = _row(choose(tried, clock_mhz), tried, clock_mhz)
    if thorough and "exact" in rows and not isinstance(config, BitlineConfig):
        written = plain(config, library)
        rows["plain"] = _row(written, [written], clock_mhz)
    return rows


def _memory(config: MultiplierConfig) -> dict[str, int] | None:
    """The memory or array of bit cells that is left out; None where the unit has none."""
    if isinstance(config, BitlineConfig):
        return {"rows": config.rows, "bits": config.cols}
    return {"rows": config.depth, "bits": config.memory_bits} if isinstance(config, MemoryConfig) else None


def choose(tried: list[Candidate], clock_mhz: float | None) -> Candidate:
    """The smallest that meets the clock. Raises `ParameterError` if none does."""
    return min(
        meeting_clock(tried, clock_mhz), key=lambda candidate: (candidate.mapped.area_um2, candidate.mapped.delay_ns)
    )


def frontier(tried: list[Candidate]) -> list[Candidate]:
    """Those of ``tried`` than which none is both smaller and faster (Pareto), from the smallest to the fastest."""
    best: list[Candidate] = []
    for candidate in sorted(tried, key=lambda candidate: (candidate.mapped.area_um2, candidate.mapped.delay_ns)):
        if not best or candidate.mapped.delay_ns < best[-1].mapped.delay_ns:
            best.append(candidate)
    return best


def meeting_clock(tried: list[Candidate], clock_mhz: float | None) -> list[Candidate]:
    """Those of ``tried`` that meet the clock. Raises `ParameterError` if none does."""
    meeting = [candidate for candidate in tried if meets(candidate, clock_mhz)]
    if not meeting:
        fastest = min(tried, key=lambda candidate: candidate.mapped.delay_ns)
        limit = 1000 / fastest.mapped.delay_ns
        raise ParameterError(f"clock_mhz must be at most {limit:.1f} for {fastest.config.slug}, not {clock_mhz:g}")
    return meeting


def meets(candidate: Candidate, clock_mhz: float | None) -> bool:
    """Whether a netlist runs at a clock; always without one."""
    return clock_mhz is None or candidate.mapped.delay_ns <= 1000 / clock_mhz


def _row(chosen: Candidate, tried: list[Candidate], clock_mhz: float | None) -> dict[str, Any]:
    mapped = asdict(chosen.mapped)
    del mapped["netlist_json"], mapped["netlist_verilog"]
    meeting = {"meets_clock": meets(chosen, clock_mhz)} if clock_mhz else {}
    return {
        "name": chosen.config.slug,
        **chosen.config.form,
        **mapped,
        **meeting,
        "tried": [way.figures for way in tried],
    }


def mapping_errors(call: Callable[[], T], liberty: str | None) -> T:
    """The result of ``call``; where Yosys fails on a user's library, that is bad input."""
    try:
        return call()
    except YosysError as error:
        if liberty is None:
            raise
        reason = str(error).strip().splitlines()[-1]
        raise ParameterError(f"liberty {liberty!r} must be a library that Yosys can map onto: {reason}") from None


def ratio(value: float, reference: float) -> float | None:
    """``value / reference``, None for a reference of 0."""
    return round(value / reference, 4) if reference else None
