"""The commands that measure: ``asm-hw synth``, ``fpga``, ``energy`` and ``sram``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES
from asm_hw.units.registry import units
from asm_hw.units.unit_config import DEFAULT_CLOCK_MHZ

from .unit_options import (
    DEFAULT_UNIT,
    config_to_compare,
    emit_result,
    json_option,
    option,
    refuse_given,
    unit_options,
)

_technology = option(
    "--technology",
    help=f"Cells of the package: {', '.join(TECHNOLOGIES)}, unless --liberty. [default: {TECHNOLOGIES[0]}]",
)


def _energy_clocks() -> str:
    others = [(unit.name, unit.energy_clock_mhz) for unit in units().values()]
    differing = [f"of unit {name} {clock:g}" for name, clock in others if clock != DEFAULT_CLOCK_MHZ]
    return ", ".join([f"{DEFAULT_CLOCK_MHZ:g}", *differing])


_liberty = option("--liberty", help="Liberty files (.lib, .lib.gz), comma-separated, instead of --technology.")
_wires = option(
    "--wires/--no-wires", default=None, help="Wires of a placement load nets. [default: with wires, if known]"
)


_STREAM = ("stream", "weights", "cycles", "seed", "zero_activations", "zero_weights")
"""Options of an operand stream, but how long weights are held."""


@click.command()
@unit_options
@_technology
@_liberty
@_wires
@option("--clock-mhz", type=float, help="Clock that every contender must meet. [default: none, the smallest wins]")
@json_option
def synth(
    technology: str | None,
    liberty: str | None,
    wires: bool | None,
    clock_mhz: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Map a unit, its exact twin and the bare accumulator with Yosys; compare area and delay.

    Each contender is built in every structure and mapped by every recipe; --json lists what was tried.
    The row `plain` is the exact unit as one would write it, by Yosys's default flow. A memory is left out, and its
    access time with it: leave room for that in --clock-mhz. Units with a memory take long; of their compressor
    heaps the greedy one alone is built, by fewer recipes, without wires.
    """
    from asm_hw.emission.emit_folder import check_clock

    if clock_mhz is not None:
        check_clock(clock_mhz)
    from asm_hw.report.area_table import show_area

    show_area(config_to_compare(options), liberty, technology, clock_mhz, wires, as_json)


@click.command()
@unit_options
@option("--family", default="ecp5", show_default=True, help="ecp5, ecp5_85 (the largest and fastest), ice40 or gowin.")
@option("--seeds", type=int, default=3, show_default=True, help="Runs of nextpnr, 1 to 99: fmax is their median.")
@json_option
def fpga(family: str, seeds: int, as_json: bool, **options: Any) -> None:
    """Place and route a unit, its exact twin without and (where the family has them) with DSP, and bare.

    Every structure of adders and form of weights is tried for each of them, the smallest kept; in units with a
    memory, which goes into block RAM, the greedy heap, tree and plain, and that takes long.
    """
    from asm_hw.ppa.fpga.fpga_comparison import compare_on_fpga
    from asm_hw.report.fpga_table import fpga_table
    from asm_hw.report.progress import working

    config = config_to_compare(options)
    with working(f"placing and routing {config.unit} and its contenders"):
        result = compare_on_fpga(config, family, seeds)
    emit_result(as_json, result, lambda console: console.print(fpga_table(result)))


@click.command()
@unit_options
@option("--clock-mhz", type=float, help=f"Clock at which the stream runs. [default: {_energy_clocks()}]")
@option("--stream", default="network", show_default=True, help="Operands: network, half_normal or uniform.")
@option("--weights", default="held", show_default=True, help="held, or streaming: new ones every cycle.")
@option("--cycles", type=int, default=500, show_default=True, help="Cycles to measure.")
@option("--seed", type=int, default=0, show_default=True, help="Seed of the operands.")
@option("--seeds", type=int, default=1, show_default=True, help="Streams, 1 to 99, with seeds from --seed on.")
@option("--zero-activations", type=int, default=50, show_default=True, help="Percent of zeros, half_normal alone.")
@option("--zero-weights", type=int, default=0, show_default=True, help="Percent made zero, half_normal alone.")
@_technology
@_liberty
@_wires
@option("--out", type=click.Path(path_type=Path), help="Folder for mapped netlists, SDC, SAIF. [default: none]")
@json_option
def energy(
    clock_mhz: float | None,
    seeds: int,
    technology: str | None,
    liberty: str | None,
    wires: bool | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the energy of a unit, its exact twin and the bare accumulator on the same operands.

    Each is mapped by Yosys and simulated gate by gate with the library's delays, glitches included;
    every sum is checked against the golden model. --hold: cycles that weights are held, and beats of a sum
    (50 unless given). Ratios are of the means over --seeds streams; the way to build a unit is chosen in the first.

    Units with a memory are measured on a recorded layer instead, their memories counted (IHP SG13G2), beside
    exact twins (of a bitline array the bit-serial one, if there is one of its shape) and von Neumann machines;
    --hold is then the unit's.
    """
    from asm_hw.ppa.activity.operand_streams import StreamOptions
    from asm_hw.ppa.energy.system_comparison import compare_with_memories
    from asm_hw.report.energy_table import show_arrays, show_energy
    from asm_hw.report.progress import working

    unit = units().get(options["unit"] or DEFAULT_UNIT)
    if clock_mhz is None:
        clock_mhz = unit.energy_clock_mhz if unit else DEFAULT_CLOCK_MHZ
    if unit and unit.energy:
        refuse_given({*_STREAM, "seeds", "liberty", "out"}, f"for unit {unit.name}")
        config = config_to_compare(options)
        with working(f"measuring {config.unit} and its baselines"):
            result = compare_with_memories(config, clock_mhz, technology, wires is not False)
        emit_result(as_json, result, lambda console: show_arrays(console, result))
        return
    hold = options.pop("hold")  # here of the stream: the units that are measured have none of their own
    given = {"hold": hold} if hold is not None else {}
    stream = StreamOptions(**given, **{name: options[name] for name in _STREAM})
    show_energy(config_to_compare(options), stream, clock_mhz, liberty, technology, out, as_json, seeds, wires)


@click.command()
@option("--words", type=int, default=512, show_default=True, help="Words, 16 to 32768.")
@option("--bits", type=int, default=32, show_default=True, help="Bits of a word, 1 to 512.")
@option("--ports", type=int, default=1, show_default=True, help="Read-write ports, 1 or 2.")
@option("--column-mux", type=click.IntRange(1), help="Columns of cells a bit. [default: 4, 8 or 16: to 512 rows]")
@json_option
def sram(words: int, bits: int, ports: int, column_mux: int | None, as_json: bool) -> None:
    """Estimate energy, area, leakage and access time of an SRAM macro in IHP SG13G2.

    A model fitted to the macros of the library; its errors on macros left out of the fit are printed
    beside, and so are the library's own figures where it has that macro.
    """
    from asm_hw.ppa.technology.sram_model import Sram, estimate
    from asm_hw.report.sram_table import sram_table

    result = estimate(Sram(words, bits, ports, column_mux or 0))
    emit_result(as_json, result, lambda console: console.print(sram_table(result)))


COMMANDS = (synth, fpga, energy, sram)
