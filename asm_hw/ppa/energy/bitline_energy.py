"""Energy of a layer on a bitline array beside its counterparts, memory included: pJ per MAC.

Accesses are charged by the SRAM model (docs/sram.md: bounds, not measurements), what stands around the cells
by the gate-level flow. A MAC is a weight times an activation, zero weights included.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.numbers.integers import ceil_div
from asm_hw.ppa.activity.operand_streams import Integers, Reals, nearest, unpacked
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.sram_model import MAX_BITS, MIN_WORDS, Sram, compute_energies_pj
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_instructions import LOGIC, End, Instruction, Operation
from asm_hw.units.bitline.bitline_schedule import Tile, gaps, loads, tiles
from asm_hw.units.bitline.serial_schedule import mac_cycles, place, serial_program, serial_sum
from asm_hw.units.vn_scalar.vn_scalar_config import Job, VnScalarConfig

from .bitline_core_energy import Trace, core_energy, trace
from .memory_system import Memory, Work, shared_memory, vn_scalar

BOUNDS = ("upper", "lower")
INT8 = VnScalarConfig(arithmetic="exact", weight_bits=8, act_bits=8)
"""The von Neumann machine that arrays are compared with."""
FJ_PER_UW_NS = 1.0
TRACE_SUMS = 10
"""Outputs whose sums the gate-level run takes: a few hundred cycles."""
TRACE_WORDS = (4, 8)
"""The core is measured with so many words; the difference is what one more word costs."""
SERIAL_TERMS = 4


@cache
def recorded() -> tuple[Reals, Reals]:
    """The recorded layer: activations [vectors, 64] and weights [64, 64]."""
    table = json.loads(files("asm_hw.ppa.activity").joinpath("layer64.json").read_text(encoding="utf-8"))
    return unpacked(table["activations"]).astype(np.float64), unpacked(table["weights"]).astype(np.float64)


def operands(config: BitlineConfig) -> tuple[Integers, Integers]:
    """The recorded layer as ``config`` encodes it: activations and weights, each at its best scale."""
    vectors, weights = recorded()
    levels = np.array(sorted(config.weight.values), np.int64)
    x_levels = np.array(sorted({value for _, value in config.activation.table}), np.int64)
    return nearest(x_levels, vectors, vectors), nearest(levels, weights, weights)


def check_size(config: BitlineConfig) -> None:
    """Raise `ParameterError` where the array cannot hold the layer, or is wider than the model of its cells."""
    if config.cols > MAX_BITS:
        raise ParameterError(f"cols must be at most {MAX_BITS}, as the model of cells goes, not {config.cols}")
    if config.rows < MIN_WORDS:
        raise ParameterError(f"rows must be at least {MIN_WORDS}, as the model of cells goes, not {config.rows}")
    if config.arithmetic == "asm":
        one_tile(config, operands(config)[1])


def cells(config: BitlineConfig) -> Sram:
    """The array as the SRAM model sees it: every column has an amplifier and a driver of its own."""
    return Sram(config.rows, config.cols, 1, 1)


def accesses(instructions: Iterable[Instruction]) -> Counter[str]:
    """Array accesses by kind: what is opened, and whether a row is written in the same cycle."""
    found: Counter[str] = Counter()
    for instruction in instructions:
        opened = ("none", "read", "two_row")[instruction.opened]
        writes = instruction.op in (*LOGIC, Operation.WRITE, Operation.COPY, Operation.CLEAR, Operation.ADD)
        if writes or instruction.end == End.STORED:
            opened = {"none": "write", "read": "read_write", "two_row": "read_compute_write"}[opened]
        found[opened] += 1
    return found


def access_energy_pj(sram: Sram, kind: str, bound: str) -> float:
    """Energy of one access: plain ones as fitted, those of two rows by the bound."""
    if kind == "none":
        return 0.0
    if kind in ("two_row", "read_compute_write"):
        return compute_energies_pj(sram)[f"{kind}_energy{'_lower_bound' * (bound == 'lower')}_pj"]
    return sram.energy_pj(kind)


def energy_of(sram: Sram, found: Counter[str], bound: str = "upper") -> float:
    """Energy of all accesses, in pJ."""
    return sum(count * access_energy_pj(sram, kind, bound) for kind, count in found.items())


@dataclass(frozen=True)
class Core:
    """Energy of a core per cycle: of its controller, and of each word (of the serial array: each column)."""

    controller_fj: float
    word_fj: float
    min_period_ns: float
    area_um2: float

    def energy_pj(self, words: int) -> float:
        """One cycle with so many words."""
        return (self.controller_fj + words * self.word_fj) / 1000


def measure_core(config: BitlineConfig, library: Library, clock_mhz: float) -> Core:
    """The core on the recorded layer, by two sizes of it: what differs is the words'."""
    few, more = TRACE_WORDS
    columns = config.columns_per_word if config.arithmetic == "asm" else 4
    rows = max(128, config.rows, *[config.serial_rows(SERIAL_TERMS)] * (config.arithmetic == "exact"))
    sizes = [replace(config, cols=words * columns, counter_bits=0, rows=rows) for words in (few, more)]
    less, most = (core_energy(size, library, layer_trace(size), clock_mhz) for size in sizes)
    words = [size.words for size in sizes]
    slope = (most["energy_per_cycle_fj"] - less["energy_per_cycle_fj"]) / (words[1] - words[0])
    controller = less["energy_per_cycle_fj"] - slope * words[0]
    return Core(controller, slope, most["min_period_ns"], (most["area_um2"] - less["area_um2"]) / few)


def layer_trace(config: BitlineConfig) -> Trace:
    """Some sums of the recorded layer, with its first vectors in the words."""
    x, weights = operands(config)
    vectors = x[: config.words].tolist()
    if config.arithmetic == "exact":
        first, chosen = weights[0, :SERIAL_TERMS].tolist(), [vector[:SERIAL_TERMS] for vector in vectors]
        program = serial_program(config, [first], chosen)
        filled = [(i, [(row or 0) >> c & 1 for c in range(config.cols)]) for i, row in program if row is not None]
        return trace(config, filled, list(serial_sum(config, place(config, SERIAL_TERMS), first)))
    tile = one_tile(config, weights)
    bits = config.columns_per_word
    filled = [
        (i, [row >> w * bits & (1 << bits) - 1 for w in range(config.words)]) for i, row in loads(config, tile, vectors)
    ]
    steps = [*tile.bank, *(i for output in tile.sums[:TRACE_SUMS] for i in output)]
    return trace(config, filled, steps)


def one_tile(config: BitlineConfig, weights: Integers) -> Tile:
    """The layer in an array that holds all its terms. Raises `ParameterError` where they do not fit."""
    found = tiles(config, weights.tolist())
    if len(found) > 1:
        least = sum(len(multiples) for tile in found for multiples in tile.rows)
        raise ParameterError(
            f"rows must be at least {least} for the {len(weights[0])} terms of the recorded layer on alphabets"
            f" {{{config.alphabets}}}, not {config.rows}"
        )
    return found[0]


def layer_energy(config: BitlineConfig, core: Core, sized: bool, clock_mhz: float) -> dict[str, Any]:
    """pJ per MAC of the recorded layer with as many vectors as words: memory, movement and compute apart.

    The program, one entry a micro-operation, lies in a memory of its own size and is read once for all
    words. Loading activations is in ``loads_pj``. Outputs are written to the memory of ``vn_scalar``, fixed or
    ``sized``, as it writes them: four INT8 to a word.
    """
    _, weights = operands(config)
    tile = one_tile(config, weights)
    steps = [*tile.bank, *(i for output in tile.sums for i in output)]
    cycles = len(steps) + sum(gaps(config, output) for output in tile.sums) + len(tile.rows)
    program = memory(len(steps), sum(field.width for field in config.op_fields))
    sram, macs = cells(config), weights.size * config.words
    sums = {bound: energy_of(sram, accesses(steps), bound) / macs for bound in BOUNDS}
    leak_uw = sram.figure("leakage_uw") + program.figure("leakage_uw")
    other = {
        "outputs_pj": scalar_row({}, sized, clock_mhz)[0]["memory_parts_fj"]["outputs"] / 1000,
        "loads_pj": len(tile.rows) * sram.energy_pj("write") / macs,
        "program_pj": len(steps) * program.energy_pj("read") / macs,
        "compute_pj": cycles * core.energy_pj(config.words) / macs,
        "leakage_pj": leak_uw * FJ_PER_UW_NS * cycles * 1000 / clock_mhz / macs / 1000,
    }
    return {
        "rows": config.rows, "cols": config.cols, "word_bits": config.word_bits, "words": config.words,
        "macs": macs, "cycles": cycles, "cycles_per_mac": cycles / macs,
        "nonzero_weights": int(np.count_nonzero(weights)), "accesses": dict(accesses(steps)),
        "program_bits": program.words * program.bits,
        "sums_pj": sums["upper"], "sums_lower_bound_pj": sums["lower"], **other,
        "total_pj": sums["upper"] + sum(other.values()), "total_lower_bound_pj": sums["lower"] + sum(other.values()),
        "critical_path_ns": round(sram.figure("access_time_ns") + core.min_period_ns, 3),
    }  # fmt: skip


def serial_energy(config: BitlineConfig, core: Core, clock_mhz: float) -> dict[str, Any]:
    """The same for the bit-serial array, products and sums alone: loads and the final subtraction are left out."""
    roomy = replace(config, rows=max(config.rows, config.serial_rows(2)))  # what a term adds is the same in more rows
    one, two = (list(serial_sum(roomy, place(roomy, terms), [1] * terms)) for terms in (1, 2))
    found = accesses(two)
    found.subtract(accesses(one))
    assert found.total() == mac_cycles(config)
    sram, columns = cells(config), config.words
    sums = {bound: energy_of(sram, found, bound) / columns for bound in BOUNDS}
    compute = mac_cycles(config) * core.energy_pj(columns) / columns
    leakage = sram.figure("leakage_uw") * FJ_PER_UW_NS * mac_cycles(config) * 1000 / clock_mhz / columns / 1000
    return {
        "rows": config.rows, "cols": config.cols, "cycles_per_mac": mac_cycles(config) / columns,
        "accesses": dict(+found), "sums_pj": sums["upper"], "sums_lower_bound_pj": sums["lower"],
        "compute_pj": compute, "leakage_pj": leakage,
        "total_pj": sums["upper"] + compute + leakage, "total_lower_bound_pj": sums["lower"] + compute + leakage,
    }  # fmt: skip


def memory(words: int, bits: int) -> Sram:
    """The smallest memory of the model that holds so many words."""
    return Sram(max(16, ceil_div(words, 16) * 16), bits)


def scalar_row(
    logic: dict[str, float], sized: bool, clock_mhz: float, config: VnScalarConfig = INT8
) -> tuple[dict[str, Any], Memory]:
    """`asm_hw.ppa.energy.memory_system.vn_scalar` on the recorded layer, and its memory; ``logic``: fJ of a ``mac`` by part."""
    vectors, weights = recorded()
    outputs, inputs = weights.shape
    work = Work(outputs, inputs, vectors=len(vectors), resident=1, stored=inputs, act_bits=config.activation.code_bits)
    return vn_scalar(config, logic, work, sized, clock_mhz), shared_memory(work, config, sized)


def scalar_energy(
    logic: dict[str, float], sized: bool, clock_mhz: float, config: VnScalarConfig = INT8
) -> dict[str, Any]:
    """`scalar_row` in pJ per MAC; its movement is of operand registers and outputs."""
    row, shared = scalar_row(logic, sized, clock_mhz, config)
    outputs, inputs = recorded()[1].shape
    cycles = config.cycles([Job(0, 0, 0, inputs, outputs)]) / (inputs * outputs)
    found = {name: fj / 1000 for name, fj in row["memory_parts_fj"].items()}
    return {
        "memory": f"{shared.rows} x {shared.bits}", "cycles_per_mac": round(cycles, 4),
        "memory_pj": found["weights"] + found["activations"],
        "movement_pj": row["movement_fj"] / 1000 + found["outputs"],
        "compute_pj": (row["compute_fj"] + row["control_fj"]) / 1000,
        "leakage_pj": found["leakage"], "total_pj": row["energy_per_mac_fj"] / 1000,
    }  # fmt: skip
