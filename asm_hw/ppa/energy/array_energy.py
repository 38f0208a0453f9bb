"""Energy of the logic of a near-memory array: mapped, timed, simulated gate by gate with a recorded layer."""

from __future__ import annotations

from dataclasses import replace

from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError
from asm_hw.ppa.activity.array_stimulus import array_stimulus, matches_golden
from asm_hw.ppa.activity.gate_simulation import simulator
from asm_hw.ppa.baselines.design_points import PointForm, form_of
from asm_hw.ppa.netlist.clock_limit import check_clock_limit
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.synthesis import synthesize
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.units.near_memory.near_array import NearArray
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig

from .energy_accounting import account
from .energy_figures import EnergyFigures, NetlistFigures, energy_figures, netlist_figures
from .memory_system import LogicEnergy
from .stream_run import Rtl, Run, analysed

WITHIN_COLUMN = ("select_shift", "sign", "heap", "accumulator", "requantize", "other")
"""Parts of which a column costs the mean of the columns that are measured; of others what the second column adds."""


class ArrayRow(PointForm, NetlistFigures, EnergyFigures):
    """The logic of an array in a block in steady state."""

    lanes: int
    columns: int
    hold: int
    recipe: str
    cycles: int
    named_cells_percent: float


class ColumnEnergy(LogicEnergy):
    """What a column and all columns take, and the two arrays that say so."""

    measured: list[ArrayRow]


def array_energy(config: NearMemoryConfig, library: Library, clock_mhz: float, recipe: str) -> ArrayRow:
    """Figures of the array without its memory; raises `ParameterError` where it computes wrongly or too slowly.

    The output words must be the golden model's. Cycles, MACs and energies are those of one block in steady state;
    lanes that the layer leaves idle in its last tile compute no MAC.
    """
    verilog = to_verilog(NearArray(config), config.slug)
    synthesized = synthesize(verilog, config.slug, library, recipe)
    mapped = analysed(Netlist.from_yosys_json(synthesized.netlist_json, config.slug), library)
    check_clock_limit(mapped.timing.min_period_ns, clock_mhz, config.slug)
    driven = array_stimulus(config)
    run = Run(mapped, driven.ports, 1000 / clock_mhz, driven.cycles)
    tool = simulator()
    waves, whole = run.netlist_waves(tool)
    outputs = {port: run.words(whole, port) for port in ("o__payload", "o__valid")}
    if not matches_golden(outputs, driven.expected):
        raise ParameterError(
            f"netlist of {config.slug} must compute what the golden model does, but its outputs differ"
        )
    parts = run.parts(Rtl(verilog, config, NearArray), waves, tool)
    energies = account(mapped, waves, parts, run.state_times)
    return {
        "lanes": config.lanes,
        "columns": config.columns,
        "hold": config.hold,
        "recipe": recipe,
        **form_of(config),
        "cycles": driven.cycles,
        **netlist_figures(mapped),
        **energy_figures(energies, driven.cycles, driven.macs / driven.cycles),
        "named_cells_percent": round(parts.named_percent, 2),
    }


def per_column(
    config: NearMemoryConfig, library: Library, clock_mhz: float, recipe: str, few: int, many: int
) -> ColumnEnergy:
    """What a column adds to the energy of a full cycle and what all columns share, from arrays of two widths, in fJ.

    A full cycle computes a MAC in every lane; where lanes idle it stands for more than one.

    Parts that lie within a column are the mean over the columns of the wider array: columns differ in their
    weights, so that the difference of two arrays is that of one column only.
    """
    rows = [array_energy(replace(config, columns=n, outputs=None), library, clock_mhz, recipe) for n in (few, many)]
    # From a MAC to a cycle in which every lane computes one.
    parts = [{part: fj * row["lanes"] * row["columns"] for part, fj in row["parts_per_mac_fj"].items()} for row in rows]
    column = {
        part: fj / many if part in WITHIN_COLUMN else (fj - parts[0][part]) / (many - few)
        for part, fj in parts[1].items()
    }
    # Not below 0, as the difference of two measurements may be.
    shared = {part: max(fj - many * column[part], 0.0) for part, fj in parts[1].items()}
    return {"column_fj": column, "shared_fj": shared, "measured": rows}
