"""Energy of a matrix product with its memories, per MAC: near-memory arrays beside von Neumann machines.

Memory accesses are counted, not simulated: each design's loops say how often a row or word is read or written, and
`asm_hw.ppa.technology.sram_model` says what that costs. Logic is what the gate-level flow measured. Wires of a bus are
not charged, nor are the registers that assemble a row from bus words: both would add to the von Neumann designs alone.
Memories leak in every cycle of the unit; logic is charged in those that compute. Energies are in fJ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from asm_hw.numbers.integers import ceil_div
from asm_hw.ppa.technology.sram_banks import Memory
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import Job, VnScalarConfig

FIXED_KBIT = 256
BANK_ROWS = 1024
"""Rows of a bank of `shared_memory`, where it has banks: a macro of IHP's own, eight for 256 kbit."""
KINDS = {"weights": "read", "activations": "read", "outputs": "write"}
"""The accesses that are charged."""
MOVEMENT = ("weight_registers", "activations")
CONTROL = ("clock", "control")
"""Parts of the logic that are neither compute; everything else is."""


class LogicEnergy(TypedDict):
    """What the logic of an array takes in a full cycle, by part: each of its columns, and what all columns share."""

    column_fj: dict[str, float]
    shared_fj: dict[str, float]


class EnergySplit(TypedDict):
    """Energy per MAC and what it goes to."""

    energy_per_mac_fj: float
    memory_fj: float
    movement_fj: float
    control_fj: float
    compute_fj: float


class MemoryRow(EnergySplit):
    """... of a design with memories: what their accesses and their leakage take, and how slow the slowest is."""

    access_time_ns: float
    memory_parts_fj: dict[str, float]


@dataclass(frozen=True)
class Work:
    """A layer: ``vectors`` of ``inputs`` to ``outputs``.

    The memory holds ``resident`` vectors at a time, each of ``stored`` values: a convolution takes the same
    value for several vectors and stores it once.
    """

    outputs: int
    inputs: int
    vectors: int
    resident: int
    stored: int
    act_bits: int = 8

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.outputs * self.inputs * self.vectors


def shared_memory(work: Work, config: VnScalarConfig | VnArrayConfig, sized: bool, banked: bool = False) -> Memory:
    """The one memory of a von Neumann design: fixed, or weights, inputs and outputs of the layer."""
    bits = FIXED_KBIT * 1024
    if sized:
        maps = (work.stored * work.act_bits + work.outputs * config.out_bits) * work.resident
        bits = work.outputs * work.inputs * config.weight_bits + maps
    return Memory(ceil_div(bits, config.bus_bits), config.bus_bits, BANK_ROWS if banked else None)


def near_memories(config: NearMemoryConfig, work: Work, sized: bool) -> tuple[Memory, Memory, Memory]:
    """Weights, inputs and outputs. Fixed: half of `FIXED_KBIT` for each of the three, as the outputs of a layer are
    the inputs of the next: half as much again as a von Neumann design has."""
    # In bits.
    half = FIXED_KBIT * 512
    act_row, out_row = config.lanes * work.act_bits, config.columns * config.out_bits
    weights = config.rows(work.outputs, work.inputs) if sized else half // config.row_bits
    inputs = work.resident * ceil_div(work.stored, config.lanes) if sized else half // act_row
    outputs = work.resident * ceil_div(work.outputs, config.columns) if sized else max(1, half // out_row)
    return Memory(weights, config.row_bits), Memory(inputs, act_row), Memory(outputs, out_row)


def row_accesses(config: NearMemoryConfig, work: Work) -> dict[str, int]:
    """Rows that the array reads and writes for the whole layer."""
    blocks = config.blocks(work.outputs, work.inputs, work.vectors)
    return {
        "weights": sum(b.tiles * config.columns + b.parameters * config.parameter_rows for b in blocks),
        "activations": sum(block.tiles * block.vectors for block in blocks),
        "outputs": sum(block.vectors for block in blocks),
    }


def near_memory(config: NearMemoryConfig, logic: LogicEnergy, work: Work, sized: bool, clock_mhz: float) -> MemoryRow:
    """Energy per MAC of a near-memory array; ``logic``: `per_column` of `asm_hw.ppa.energy.array_energy`."""
    memories = dict(zip(("weights", "activations", "outputs"), near_memories(config, work, sized), strict=True))
    accesses = row_accesses(config, work)
    memory = {name: accesses[name] * memories[name].energy_fj(KINDS[name]) / work.macs for name in accesses}
    memory["leakage"] = _leakage(config, work, clock_mhz, *memories.values())
    return _row(memory, logic_per_mac(config, logic, work), *memories.values())


def vn_array(
    config: VnArrayConfig, logic: LogicEnergy, work: Work, sized: bool, clock_mhz: float, banked: bool = False
) -> MemoryRow:
    """The same array and the same reuse, operands from one shared memory over a bus of ``config.bus_bits``.

    What the unit reads and writes is ``config.accesses``; parameters are weights here.
    """
    shared = shared_memory(work, config, sized, banked)
    words = config.accesses(config.blocks(work.outputs, work.inputs, work.vectors))
    words["weights"] += words.pop("parameters")
    memory = {name: count * shared.energy_fj(KINDS[name]) / work.macs for name, count in words.items()}
    memory["leakage"] = _leakage(config, work, clock_mhz, shared)
    return _row(memory, logic_per_mac(config, logic, work), shared)


def vn_scalar(
    config: VnScalarConfig, logic: dict[str, float], work: Work, sized: bool, clock_mhz: float, banked: bool = False
) -> MemoryRow:
    """A weight and an activation fetched for every MAC, as many to a word as fit.

    ``logic``: fJ per MAC by part of a ``mac`` unit. What the unit reads and writes is ``config.accesses``; the
    parameters among them are not charged.
    """
    shared = shared_memory(work, config, sized, banked)
    accesses, macs = config.accesses(work.outputs, work.inputs), work.outputs * work.inputs
    memory = {name: accesses[name] * shared.energy_fj(kind) / macs for name, kind in KINDS.items()}
    cycles = config.cycles([Job(0, 0, 0, work.inputs, work.outputs)])
    # 1000 / MHz is the cycle in ns.
    memory["leakage"] = shared.leakage_fj_per_ns * 1000 / clock_mhz * cycles / macs
    return _row(memory, logic, shared)


def _leakage(config: NearMemoryConfig, work: Work, clock_mhz: float, *memories: Memory) -> float:
    """fJ per MAC of memories in all cycles of an array."""
    cycles = config.cycles(config.blocks(work.outputs, work.inputs, work.vectors))
    return sum(memory.leakage_fj_per_ns for memory in memories) * 1000 / clock_mhz * cycles / work.macs


def logic_per_mac(config: NearMemoryConfig, logic: LogicEnergy, work: Work) -> dict[str, float]:
    """fJ per MAC by part, of ``config.columns`` columns from what a column costs and what all share.

    Columns beyond the layer's last output are charged as if they computed.
    """
    # Of a full cycle, on average over the groups of columns: the last group may have fewer outputs than columns.
    macs = config.lanes * work.outputs / ceil_div(work.outputs, config.columns)
    return {
        part: (shared + config.columns * logic["column_fj"][part]) / macs for part, shared in logic["shared_fj"].items()
    }


def _row(memory: dict[str, float], logic: dict[str, float], *memories: Memory) -> MemoryRow:
    stored = sum(memory.values())
    movement = sum(logic.get(part, 0.0) for part in MOVEMENT)
    control = sum(logic.get(part, 0.0) for part in CONTROL)
    compute = sum(fj for part, fj in logic.items() if part not in MOVEMENT + CONTROL)
    return {
        "energy_per_mac_fj": round(sum((stored, movement, control, compute)), 2),
        "memory_fj": round(stored, 2),
        "movement_fj": round(movement, 2),
        "control_fj": round(control, 2),
        "compute_fj": round(compute, 2),
        "access_time_ns": round(max(one.access_time_ns for one in memories), 3),
        "memory_parts_fj": {name: round(value, 3) for name, value in memory.items()},
    }
