"""Energy of a layer on a bitline array, memory included, and of a scalar machine beside it: fJ per MAC.

Accesses are charged by the SRAM model (docs/sram.md: bounds, not measurements), what stands around the cells
by the gate-level flow. A MAC is a weight times an activation, zero weights included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import unpack
from asm_hw.numbers.integers import ceil_div
from asm_hw.ppa.activity.level_rounding import Integers, level_array, nearest_levels
from asm_hw.ppa.activity.recorded_layers import recorded_matrix
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.sram_banks import Memory
from asm_hw.ppa.technology.sram_model import MAX_BITS, MIN_WORDS, Sram
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_counter import access_kinds
from asm_hw.units.bitline.bitline_schedule import Tile, gaps, loads, tiles
from asm_hw.units.bitline.serial_schedule import mac_cycles, place, serial_program, serial_sum
from asm_hw.units.vn_scalar.vn_scalar_config import Job, VnScalarConfig

from .bitline_accesses import FJ_PER_PJ, accesses_energy_fj, cells
from .bitline_core_energy import Trace, core_energy, trace
from .memory_system import MemoryRow, Work, shared_memory, vn_scalar

INT8 = VnScalarConfig(arithmetic="exact", weight_bits=8, act_bits=8)
"""The von Neumann machine that arrays are compared with."""
# 1 uW for 1 ns.
FJ_PER_UW_NS = 1.0
TRACE_SUMS = 10
"""Outputs whose sums the gate-level run takes: a few hundred cycles."""
TRACE_WORDS = (4, 8)
"""The core is measured with so many words; the difference is what one more word costs."""
SERIAL_TERMS = 4


class ArrayEnergy(TypedDict):
    """An array on the recorded layer, per MAC; ``sums_fj`` are the accesses that compute, with their lower bound."""

    rows: int
    cols: int
    cycles_per_mac: float
    accesses: dict[str, int]
    sums_fj: float
    sums_lower_bound_fj: float
    compute_fj: float
    leakage_fj: float
    total_fj: float
    total_lower_bound_fj: float


class LayerEnergy(ArrayEnergy):
    """... with its words, the program that it runs, loads of activations and outputs."""

    word_bits: int | None
    words: int
    macs: int
    cycles: int
    nonzero_weights: int
    program_bits: int
    outputs_fj: float
    loads_fj: float
    program_fj: float
    critical_path_ns: float


class ScalarEnergy(TypedDict):
    """A MAC before one memory on the recorded layer, per MAC."""

    memory: str
    cycles_per_mac: float
    memory_fj: float
    movement_fj: float
    compute_fj: float
    leakage_fj: float
    total_fj: float


def encoded_matrix(config: BitlineConfig) -> tuple[Integers, Integers]:
    """The recorded layer as ``config`` encodes it: activations and weights, each at its best scale."""
    vectors, weights = recorded_matrix()
    x_levels, w_levels = level_array(config.activation.table), np.array(config.weight.values, np.int64)
    return nearest_levels(x_levels, vectors, vectors), nearest_levels(w_levels, weights, weights)


def check_size(config: BitlineConfig) -> None:
    """Raise `ParameterError` where the array cannot hold the layer, or is wider than the model of its cells."""
    if config.cols > MAX_BITS:
        raise ParameterError(f"cols must be at most {MAX_BITS}, as the model of cells goes, not {config.cols}")
    if config.rows < MIN_WORDS:
        raise ParameterError(f"rows must be at least {MIN_WORDS}, as the model of cells goes, not {config.rows}")
    if config.arithmetic == "asm":
        one_tile(config, encoded_matrix(config)[1])


@dataclass(frozen=True)
class Core:
    """Energy of a core per cycle: of its controller, and of each word (of the serial array: each column)."""

    controller_fj: float
    word_fj: float
    min_period_ns: float
    area_um2: float
    """Of a word, and of the serial array of a word's four columns."""

    def energy_fj(self, words: int) -> float:
        """One cycle with so many words."""
        return self.controller_fj + words * self.word_fj


def measure_core(config: BitlineConfig, library: Library, clock_mhz: float) -> Core:
    """The core on the recorded layer, by two sizes of it: what differs is the words'."""
    few, more = TRACE_WORDS
    serial = config.arithmetic == "exact"
    columns = 4 if serial else config.columns_per_word
    # Enough for the program: addresses do not reach the core, so its figures do not depend on the rows.
    rows = max(128, config.rows, config.serial_rows(SERIAL_TERMS) if serial else 0)
    sizes = [replace(config, cols=words * columns, counter_bits=0, rows=rows) for words in (few, more)]
    less, most = (core_energy(size, library, layer_trace(size), clock_mhz) for size in sizes)
    words = [size.words for size in sizes]
    slope = (most["energy_per_cycle_fj"] - less["energy_per_cycle_fj"]) / (words[1] - words[0])
    # What would be left without words.
    controller = less["energy_per_cycle_fj"] - slope * words[0]
    area = (most["area_um2"] - less["area_um2"]) / few
    return Core(controller, slope, most["min_period_ns"], area)


def layer_trace(config: BitlineConfig) -> Trace:
    """Some sums of the recorded layer, with its first vectors in the words."""
    x, weights = encoded_matrix(config)
    vectors = x[: config.words].tolist()
    if config.arithmetic == "exact":
        first, chosen = weights[0, :SERIAL_TERMS].tolist(), [vector[:SERIAL_TERMS] for vector in vectors]
        program = serial_program(config, [first], chosen)
        filled = [(i, unpack(row, 1, config.cols)) for i, row in program if row is not None]
        return trace(config, filled, list(serial_sum(config, place(config, SERIAL_TERMS), first)))
    tile = one_tile(config, weights)
    filled = [(i, unpack(row, config.columns_per_word, config.words)) for i, row in loads(config, tile, vectors)]
    steps = [*tile.bank, *(i for output in tile.sums[:TRACE_SUMS] for i in output)]
    return trace(config, filled, steps)


def one_tile(config: BitlineConfig, weights: Integers) -> Tile:
    """The layer in an array that holds all its terms. Raises `ParameterError` where they do not fit."""
    found = tiles(config, weights.tolist())
    if len(found) > 1:
        needed = sum(len(multiples) for tile in found for multiples in tile.rows)
        raise ParameterError(
            f"rows must be at least {needed} for the {len(weights[0])} terms of the recorded layer on alphabets"
            f" {{{config.alphabets}}}, not {config.rows}"
        )
    return found[0]


def layer_energy(config: BitlineConfig, core: Core, sized: bool, clock_mhz: float) -> LayerEnergy:
    """fJ per MAC of the recorded layer with as many vectors as words: memory, movement and compute apart.

    The program, one entry a micro-operation, lies in a memory of its own size and is read once for all
    words. Loading activations is in ``loads_fj``. Outputs are written to the memory of ``vn_scalar``, fixed or
    ``sized``, as it writes them: four INT8 to a word.
    """
    _, weights = encoded_matrix(config)
    tile = one_tile(config, weights)
    steps = [*tile.bank, *(i for output in tile.sums for i in output)]
    # One for each operation, those in which the accumulators only move, and a write for each activation.
    cycles = len(steps) + sum(gaps(config, output) for output in tile.sums) + len(tile.rows)
    program = smallest_memory(len(steps), sum(field.width for field in config.op_fields))
    sram, macs, found = cells(config), weights.size * config.words, access_kinds(steps)
    sums, sums_lower = accesses_energy_fj(sram, found) / macs, accesses_energy_fj(sram, found, "lower") / macs
    outputs = scalar_row({}, sized, clock_mhz)[0]["memory_parts_fj"]["outputs"]
    load = len(tile.rows) * FJ_PER_PJ * sram.energy_pj("write") / macs
    fetch = len(steps) * FJ_PER_PJ * program.energy_pj("read") / macs
    compute = cycles * core.energy_fj(config.words) / macs
    leakage = _leakage_fj(sram.figure("leakage_uw") + program.figure("leakage_uw"), cycles, clock_mhz) / macs
    other = outputs + load + fetch + compute + leakage
    return {
        "rows": config.rows, "cols": config.cols, "word_bits": config.word_bits, "words": config.words,
        "macs": macs, "cycles": cycles, "cycles_per_mac": cycles / macs,
        "nonzero_weights": int(np.count_nonzero(weights)), "accesses": dict(found),
        "program_bits": program.words * program.bits, "sums_fj": sums, "sums_lower_bound_fj": sums_lower,
        "outputs_fj": outputs, "loads_fj": load, "program_fj": fetch, "compute_fj": compute, "leakage_fj": leakage,
        "total_fj": sums + other, "total_lower_bound_fj": sums_lower + other,
        "critical_path_ns": round(sram.figure("access_time_ns") + core.min_period_ns, 3),
    }  # fmt: skip


def serial_energy(config: BitlineConfig, core: Core, clock_mhz: float) -> ArrayEnergy:
    """The same for the bit-serial array, products and sums alone: loads and the final subtraction are left out."""
    roomy = replace(config, rows=max(config.rows, config.serial_rows(2)))  # what a term adds is the same in more rows
    one, two = (list(serial_sum(roomy, place(roomy, terms), [1] * terms)) for terms in (1, 2))
    found = access_kinds(two)
    # Clearing, subtracting and reading sums are in both, and cancel.
    found.subtract(access_kinds(one))
    if found.total() != mac_cycles(config):
        raise RuntimeError(f"a further term must take {mac_cycles(config)} accesses, not {found.total()}")
    sram, columns = cells(config), config.words
    sums, sums_lower = accesses_energy_fj(sram, found) / columns, accesses_energy_fj(sram, found, "lower") / columns
    compute = mac_cycles(config) * core.energy_fj(columns) / columns
    leakage = _leakage_fj(sram.figure("leakage_uw"), mac_cycles(config), clock_mhz) / columns
    return {
        "rows": config.rows, "cols": config.cols, "cycles_per_mac": mac_cycles(config) / columns,
        # + leaves out kinds that the further term does not add to.
        "accesses": dict(+found), "sums_fj": sums, "sums_lower_bound_fj": sums_lower,
        "compute_fj": compute, "leakage_fj": leakage,
        "total_fj": sums + compute + leakage, "total_lower_bound_fj": sums_lower + compute + leakage,
    }  # fmt: skip


def _leakage_fj(leakage_uw: float, cycles: int, clock_mhz: float) -> float:
    return leakage_uw * FJ_PER_UW_NS * cycles * 1000 / clock_mhz


def smallest_memory(words: int, bits: int) -> Sram:
    """The smallest memory of the model that holds so many words."""
    # A multiple of 16, so that every column multiplexer divides it.
    return Sram(max(MIN_WORDS, ceil_div(words, MIN_WORDS) * MIN_WORDS), bits)


def scalar_row(
    logic: dict[str, float], sized: bool, clock_mhz: float, config: VnScalarConfig = INT8
) -> tuple[MemoryRow, Memory]:
    """`vn_scalar` on the recorded layer, and its memory; ``logic``: fJ of a ``mac`` by part."""
    vectors, weights = recorded_matrix()
    outputs, inputs = weights.shape
    work = Work(outputs, inputs, vectors=len(vectors), resident=1, stored=inputs, act_bits=config.activation.code_bits)
    return vn_scalar(config, logic, work, sized, clock_mhz), shared_memory(work, config, sized)


def scalar_energy(
    logic: dict[str, float], sized: bool, clock_mhz: float, config: VnScalarConfig = INT8
) -> ScalarEnergy:
    """`scalar_row` in the parts that arrays are told apart by; its movement is of operand registers and outputs."""
    row, shared = scalar_row(logic, sized, clock_mhz, config)
    outputs, inputs = recorded_matrix()[1].shape
    cycles = config.cycles([Job(0, 0, 0, inputs, outputs)]) / (inputs * outputs)
    found = row["memory_parts_fj"]
    return {
        "memory": f"{shared.rows} x {shared.bits}", "cycles_per_mac": round(cycles, 4),
        "memory_fj": found["weights"] + found["activations"],
        "movement_fj": row["movement_fj"] + found["outputs"],
        "compute_fj": row["compute_fj"] + row["control_fj"],
        "leakage_fj": found["leakage"], "total_fj": row["energy_per_mac_fj"],
    }  # fmt: skip
