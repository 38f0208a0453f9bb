"""Energy of what stands around the cells of a bitline array: mapped, driven with sensed lines, accounted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import pack
from asm_hw.ppa.activity.gate_netlist import port_nets
from asm_hw.ppa.activity.gate_simulation import simulator
from asm_hw.ppa.activity.port_stimulus import DRAIN_CYCLES, RESET_CYCLES, WARM_UP_BEATS, Stimulus, framed
from asm_hw.ppa.netlist.clock_limit import check_clock_limit
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.synthesis import synthesize
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_instructions import Instruction
from asm_hw.units.bitline.bitline_unit import make_core

from .energy_accounting import Parts, account
from .stream_run import Run, analysed

Step = tuple[Instruction, list[int] | None]
"""A micro-operation with the words of the row that it takes."""

RECIPE = "area"
"""Of four tried on two sizes of the {1} array it took the least energy; the others were within 4 %."""
_PART = "core"


@dataclass(frozen=True)
class Trace:
    """What a core sees and gives, cycle by cycle, as the golden model has it.

    Attributes
    ----------
    ops, bl, blb : one entry a cycle: micro-operation without addresses, sensed lines
    words : what leaves, in order, as raw beats of ``o_words``
    """

    ops: list[int]
    bl: list[int]
    blb: list[int]
    words: list[int]


class CoreFigures(TypedDict):
    """Figures of a core over a trace."""

    area_um2: float
    min_period_ns: float
    energy_per_cycle_fj: float


def trace(config: BitlineConfig, loads: Sequence[Step], steps: Sequence[Instruction]) -> Trace:
    """``steps`` on rows that ``loads`` have filled. Raises ValueError for what takes more than one cycle."""
    import torch

    from asm_hw.units.bitline.bitline_model import BitlineModel

    model = BitlineModel(config)
    for instruction, row in loads:
        model.execute(instruction, None if row is None else torch.tensor(row))
    found = Trace([], [], [], [])
    before = model.cycles
    for instruction in steps:
        ones = (1 << config.cols) - 1
        rows = [pack(model.cells[a].tolist(), config.columns_per_word) for a in (instruction.a, instruction.b)]
        # Both lines are precharged to 1: bl becomes the AND of the open rows, blb their NOR.
        bl = blb = ones
        for line in rows[: instruction.opened]:
            bl, blb = bl & line, blb & ~line
        # Without addresses: they go to the cells and not through the core.
        found.ops.append(config.encode(instruction, config.core_fields))
        found.bl.append(bl)
        found.blb.append(blb)
        words = model.execute(instruction)
        if words is not None:
            found.words.append(pack(words.tolist(), config.out_bits))
    if model.cycles - before != len(steps):
        raise ValueError("steps must take one cycle each")
    return found


def core_energy(config: BitlineConfig, library: Library, found: Trace, clock_mhz: float) -> CoreFigures:
    """Energy per cycle of the core over a trace, its area and its longest path, mapped by `RECIPE`.

    Raises `ParameterError` where the netlist computes wrongly or does not meet the clock.
    """
    text = to_verilog(make_core(config), config.slug)
    mapped = analysed(
        Netlist.from_yosys_json(synthesize(text, config.slug, library, RECIPE).netlist_json, config.slug), library
    )
    period = mapped.timing.min_period_ns
    check_clock_limit(period, clock_mhz, f"what stands around the cells of this {config.unit} array")
    cycles = len(found.ops) - WARM_UP_BEATS - 1
    run = Run(mapped, _driven(found), 1000 / clock_mhz, cycles)
    waves, whole = run.netlist_waves(simulator())
    valid, payload = (run.words(whole, f"o_words__{name}") for name in ("valid", "payload"))
    if [word for word, flag in zip(payload, valid, strict=True) if flag] != found.words:
        raise ParameterError(f"netlist of {config.slug} must compute what the golden model does, but its words differ")
    inputs = {net: _PART for net, direction in port_nets(mapped.netlist).items() if direction == "input"}
    # The core is not told apart further.
    parts = Parts(dict.fromkeys(mapped.netlist.instances, _PART), inputs)
    energies = account(mapped, waves, parts, run.state_times)
    area = sum(mapped.cells[instance.cell].area_um2 for instance in mapped.netlist.instances.values())
    return {
        "area_um2": round(area, 1),
        "min_period_ns": round(period, 3),
        "energy_per_cycle_fj": round(sum(energies.values()) / cycles, 3),
    }


def _driven(found: Trace) -> Stimulus:
    """The trace at the ports after reset; ``o_words`` is always taken, no row is offered."""
    count = len(found.ops)
    inputs = {"i_op__payload": found.ops, "cells__bl": found.bl, "cells__blb": found.blb}
    inputs |= {"o_words__ready": [1] * count, "i_row__valid": [0] * count, "i_row__payload": [0] * count}
    stimulus = framed(inputs, 0)
    # `framed` would offer the first and the last operation in reset and in idle cycles too.
    stimulus.inputs["i_op__valid"] = [0] * RESET_CYCLES + [1] * count + [0] * DRAIN_CYCLES
    return stimulus
