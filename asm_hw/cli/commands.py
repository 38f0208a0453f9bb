"""The command line: ``asm-hw COMMAND``; every command takes ``--json``.

Commands import what they need when they run: ``rtl`` needs no PyTorch, ``levels`` no Amaranth.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from asm_hw import __version__
from asm_hw.errors import ParameterError
from asm_hw.formats.product_format import ProductFormat
from asm_hw.units.unit_config import DEFAULT_CLOCK_MHZ

from .engine_commands import COMMANDS as ENGINE_COMMANDS
from .exchange_commands import COMMANDS as EXCHANGE_COMMANDS
from .measure_commands import COMMANDS
from .post_training_commands import choose, quantize
from .train_command import train
from .unit_options import (
    DEFAULT_ALPHABETS,
    config_from,
    emit_result,
    json_option,
    note_sums,
    option,
    unit_options,
    was_asked,
)

MAX_SEED = (1 << 32) - 1

_FORMATS = ProductFormat.of()

_out = option("--out", type=click.Path(path_type=Path), default="rtl_out", show_default=True, help="Parent folder.")
_jobs = option("--jobs", type=click.IntRange(1), help="Runs at a time. [default: the number of cores]")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="asm-hw")
def cli() -> None:
    """Generate, verify and measure multiplier-less neural-network hardware.

    An Alphabet Set Multiplier multiplies by weights whose digits of four bits are an alphabet (a small
    odd number) shifted left: {1} needs shifts and adders alone, {1,3} one more adder per activation.

    \b
    asm-hw rtl --alphabets 1,3 --weight-bits 5      write Verilog to rtl_out/
    asm-hw sim --alphabets 1,3 --weight-bits 5      run it against the golden model
    asm-hw synth --alphabets 1,3 --weight-bits 5    area beside an exact multiplier
    asm-hw demo                                     a trained network through the RTL
    asm-hw compile FILE, asm-hw run FOLDER          your network on an engine, every tensor compared

    Bad input ends with one sentence on stderr and exit status 2.
    """


@cli.command()
@unit_options
@_out
@option("--name", help="Folder and top module. [default: a slug of the parameters]")
@option(
    "--clock-mhz", type=float, default=DEFAULT_CLOCK_MHZ, show_default=True, help="Clock of constraints and test bench."
)
@option("--force", is_flag=True, help="Replace whatever the output folder holds.")
@json_option
def rtl(out: Path, name: str | None, clock_mhz: float, force: bool, as_json: bool, **options: Any) -> None:
    """Write one unit as Verilog, with manifest, test bench and hand-off files, to OUT/NAME/.

    The bytes depend on the parameters alone. The manifest tells another program all it needs: ports,
    latency, the code of every weight.
    """
    from asm_hw.emission.emit_folder import emit
    from asm_hw.report.progress import working

    config = config_from(options)
    note_sums(config, options)
    with working(f"writing {config.unit}"):
        emitted = emit(config, out, name, clock_mhz, force)
    result = {"folder": str(emitted.folder), "verilog": str(emitted.verilog), **emitted.manifest}
    result = {key: value for key, value in result.items() if key not in ("weight", "activation", "ports")}
    emit_result(as_json, result, lambda console: console.print(f"wrote {emitted.folder}/", highlight=False))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def manifest(folder: Path, as_json: bool) -> None:
    """Show the manifest of an emitted FOLDER: ports and latency; --json has the codes and all the rest."""
    from asm_hw.emission.manifest import load

    loaded = load(folder)
    table = Table("port", "direction", "width", "meaning", title=loaded["top"])
    for port in loaded["ports"]:
        table.add_row(port["name"], port["direction"], str(port["width"]), port["meaning"])
    weights = len(loaded["weight"]["table"]) if loaded["weight"] else "no"
    table.caption = f"latency {loaded['latency_cycles']} cycles, {weights} weights"
    emit_result(as_json, loaded, lambda console: console.print(table))


@cli.command()
@json_option
def catalog(as_json: bool) -> None:
    """List the named configurations that tests, docs and CI loop over."""
    from asm_hw.units.catalog import CATALOG

    rows = [{"name": name, "unit": config.unit, "parameters": config.parameters} for name, config in CATALOG.items()]
    table = Table(Column("name", overflow="fold"), "unit", "latency_cycles", "w bits", "x bits")
    for name, config in CATALOG.items():
        bits = [str(operand.code_bits) if operand else "-" for operand in (config.weight, config.activation)]
        table.add_row(name, config.unit, str(config.latency), *bits)
    emit_result(as_json, {"catalog": rows}, lambda console: console.print(table))


@cli.command()
@unit_options
@json_option
def levels(as_json: bool, **options: Any) -> None:
    """Show the weight levels of an alphabet set and their codes."""
    config = config_from(options)
    weight = config.weight
    if weight is None:
        raise ParameterError(f"unit must be one with weights, not {config.unit!r}")
    table = Table("value", "code", title=f"{len(weight.table)} weights in {weight.code_bits} bits")
    for code, value in sorted(weight.table, key=lambda row: row[1]):
        table.add_row(str(value), f"{code:0{weight.code_bits}b}")
    rows = [{"code": code, "value": value} for code, value in weight.table]
    result = {"parameters": config.parameters, "code_bits": weight.code_bits, "weights": rows}
    emit_result(as_json, result, lambda console: console.print(table))


@cli.command()
@click.argument("names", nargs=-1)
@unit_options
@option("--simulator", help="verilator, icarus, or all that are installed. [default: all]")
@_jobs
@json_option
def sim(names: tuple[str, ...], simulator: str | None, jobs: int | None, as_json: bool, **options: Any) -> None:
    """Simulate the emitted Verilog with cocotb, judged by the golden model.

    Without NAMES (see `asm-hw catalog`) and unit options the whole catalogue runs. Exit status 1 if
    any check fails.
    """
    from asm_hw.report.simulation_report import run_simulations

    sys.exit(run_simulations(names, config_from(options) if was_asked(options) else None, simulator, jobs, as_json))


@cli.command()
@unit_options
@option("--simulator", default="verilator", show_default=True, help="verilator or icarus.")
@json_option
def wave(simulator: str, as_json: bool, **options: Any) -> None:
    """Simulate one unit and leave a waveform for GTKWave or Surfer."""
    from asm_hw.emission.emit_folder import emit
    from asm_hw.sim.runner import DEFAULT_BUILD, run_folder
    from asm_hw.sim.verilator import check_build

    if simulator == "verilator":
        check_build(DEFAULT_BUILD)
    folder = emit(config_from(options), DEFAULT_BUILD / "rtl" / "wave", force=True).folder
    verdict = run_folder(folder, simulator, DEFAULT_BUILD / "wave", waves=True)
    result = {"passed": verdict.passed, "waveform": str(verdict.waveform), "log": str(verdict.log)}
    emit_result(as_json, result, lambda console: console.print(f"waveform: {verdict.waveform}", soft_wrap=True))
    sys.exit(0 if verdict.passed and verdict.waveform else 1)


@cli.command()
@option("--alphabets", default=DEFAULT_ALPHABETS, show_default=True, help="Alphabets of the weights.")
@option("--weight-bits", type=int, default=_FORMATS.weight.bits, show_default=True, help="Weight bits, with sign.")
@option("--act-bits", type=int, default=_FORMATS.activation.bits, show_default=True, help="Activation bits.")
@option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help="Of weights and training.")
@option("--epochs", type=click.IntRange(1), help="Epochs of each training. [default: the recipe's]")
@json_option
def demo(as_json: bool, **options: Any) -> None:
    """Train a small CNN on handwritten digits and run its whole test set through the RTL.

    Float and alphabet-aware training, conversion to integers, compilation for a small engine, every test
    image through its Verilog, each stored tensor compared with the golden model; then one table. Exit
    status 1 where a value or a cycle is not as it should be.
    """
    from asm_hw.report.digits_demo import run_demo

    sys.exit(run_demo(as_json=as_json, **options))


for _command in (*COMMANDS, *ENGINE_COMMANDS, *EXCHANGE_COMMANDS, train, quantize, choose):
    cli.add_command(_command)
