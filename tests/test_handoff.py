"""Hand-off files, each judged by the tool that it is for."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asm_hw.emission.emit_folder import emit, render
from asm_hw.ppa.netlist.yosys import run_yosys
from asm_hw.ppa.technology.cell_library import Library, compact_library, user_library
from asm_hw.sim import verilator
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.catalog import CATALOG
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

UNITS = {"multiplier": MultiplierConfig(), "mac": MacConfig(), "dot": DotConfig(lanes=4, columns=2)}
UNITS["bitline"] = BitlineConfig(alphabets=(1,), act_bits=4, rows=8, cols=8, acc_bits=10, counter_bits=0)
EACH_UNIT = pytest.mark.parametrize("config", UNITS.values(), ids=UNITS)
SWAPS = {"nand2": "nor2", "nor2": "nand2", "and2": "or2", "or2": "and2"}


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} must be installed")


def play(folder: Path, *sources: Path | str) -> subprocess.CompletedProcess[str]:
    """Compile the bench in ``folder`` with ``sources`` in Icarus and run it."""
    bench = next(folder.glob("*_tb.v"))
    program = str(folder.parent / "bench.vvp")
    subprocess.run(["iverilog", "-g2005", "-o", program, str(bench), *map(str, sources)], check=True)
    return subprocess.run(["vvp", "-N", program], capture_output=True, text=True)


def map_onto(library: Library, folder: Path, name: str) -> Path:
    """The mapped netlist of the emitted unit ``name`` and, as cells.v, the models of its cells."""
    names = library.link_into(folder)
    liberty = " ".join(f"-liberty {file}" for file in names)
    synthesis = [f"read_verilog {name}/{name}.v", f"synth -flatten -top {name}", f"dfflibmap {liberty}", "opt"]
    run_yosys([*synthesis, f"abc {liberty}", "opt_clean -purge", "write_verilog -noattr -noexpr netlist.v"], folder)
    run_yosys([*(f"read_liberty -ignore_miss_func {file}" for file in names), "write_verilog -noattr cells.v"], folder)
    return folder / "netlist.v"


@needs("iverilog")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if index % 6 == 0 else pytest.mark.full) for index, name in enumerate(CATALOG)]
)
def test_the_bench_passes_on_the_rtl(name, tmp_path):
    config = CATALOG[name]
    emitted = emit(config, tmp_path)
    result = play(emitted.folder, emitted.verilog)
    assert result.returncode == 0, result.stdout
    responses = int(re.fullmatch(r"PASS: (\d+) responses\n", result.stdout)[1])
    pairs = len(config.weight.table) * len(config.activation.table)
    at_least = {"dot": 8, "near_memory": 2, "bitline": 8, "vn_scalar": 4, "vn_array": 2, "engine": 24}
    assert responses >= at_least.get(config.unit, min(1024, pairs))


def play_swapped(config, tmp_path, samples):
    """The bench on the mapped netlist, which must pass, then on it with a gate swapped: the gate and what happened."""
    folder = emit(config, tmp_path, name="unit").folder
    netlist = map_onto(compact_library(tmp_path), tmp_path, "unit")
    result = play(folder, netlist, tmp_path / "cells.v")
    assert (result.returncode, result.stdout[:4]) == (0, "PASS"), result.stdout
    text = netlist.read_text()
    gates = list(re.finditer(rf"\bsg13g2_({'|'.join(SWAPS)})_1 ", text))
    assert len(gates) > 10
    for gate in gates[:: max(1, len(gates) // samples)]:
        netlist.write_text(text[: gate.start(1)] + SWAPS[gate[1]] + text[gate.end(1) :])
        yield text[gate.start() : gate.end() + 40], play(folder, netlist, tmp_path / "cells.v")


@needs("iverilog")
@EACH_UNIT
def test_the_bench_passes_on_a_mapped_netlist_and_catches_a_swapped_gate(config, tmp_path):
    for gate, mutated in play_swapped(config, tmp_path, 6):
        assert mutated.returncode == 1, f"survived at {gate!r}"
        assert "FAIL" in mutated.stdout
        assert "PASS" not in mutated.stdout


MEMORIES = {
    "near_memory": NearMemoryConfig(lanes=2, columns=2, hold=2, depth=16, act_bits=4, acc_bits=12),
    "vn_scalar": VnScalarConfig(arithmetic="exact", weight_bits=4, act_bits=4, acc_bits=12, depth=16, bus_bits=16),
    "vn_array": VnArrayConfig(
        weight_bits=4, act_bits=4, acc_bits=12, lanes=2, columns=2, hold=2, depth=32, bus_bits=16
    ),
}


@needs("iverilog")
@pytest.mark.parametrize("config", [
    pytest.param(config, id=name, marks=[] if name == "vn_scalar" else pytest.mark.full) for name, config in MEMORIES.items()
])  # fmt: skip
def test_the_bench_of_a_unit_with_a_memory_catches_most_swapped_gates(config, tmp_path):
    """Not all: of many gates the swap changes nothing, or only what lies beyond a clamp or an end of the memory."""
    codes = [mutated.returncode for _, mutated in play_swapped(config, tmp_path, 20)]
    assert codes.count(1) >= 0.6 * len(codes)


@needs("iverilog")
def test_the_bench_catches_a_stuck_stream(tmp_path):
    emitted = emit(DotConfig(lanes=2), tmp_path, name="unit")
    text = emitted.verilog.read_text()
    emitted.verilog.write_text(re.sub(r"o__valid <= .*;", "o__valid <= 1'h0;", text))
    assert emitted.verilog.read_text() != text
    result = play(emitted.folder, emitted.verilog)
    assert result.returncode == 1
    assert "FAIL" in result.stdout


def fusesoc(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    """Run a target of the core in ``folder`` with FuseSoC and edalize."""
    pytest.importorskip("fusesoc")
    core = next(folder.glob("*.core")).read_text()
    name = re.search(r"^name: (\S+)$", core, re.MULTILINE)[1]
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(folder), "run", "--target", target, name]
    environment = verilator.environment() | {"XDG_CONFIG_HOME": str(folder.parent), "HOME": str(folder.parent)}
    return subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True)


@EACH_UNIT
@pytest.mark.parametrize("target", [
    "lint",
    pytest.param("sim", marks=needs("iverilog")),
    pytest.param("sim_verilator", marks=pytest.mark.full),
    pytest.param("synth", marks=needs("yosys")),
])  # fmt: skip
def test_fusesoc_runs_the_core(config, target, tmp_path):
    folder = emit(config, tmp_path, name="unit").folder
    result = fusesoc(folder, target)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    assert "%Warning" not in output
    assert ("PASS" in output) == target.startswith("sim")


@pytest.mark.parametrize(
    "target", [pytest.param("sim", marks=needs("iverilog")), pytest.param("sim_verilator", marks=pytest.mark.full)]
)
def test_fusesoc_reports_a_wrong_unit(target, tmp_path):
    emitted = emit(MacConfig(), tmp_path, name="unit")
    text = emitted.verilog.read_text()
    emitted.verilog.write_text(text.replace(" & ", " | ", 1))
    result = fusesoc(emitted.folder, target)
    assert result.returncode != 0
    assert "FAIL" in result.stdout + result.stderr


@needs("sta")
@EACH_UNIT
def test_opensta_reads_constraints_and_mapped_netlist(config, tmp_path, data_folder):
    emit(config, tmp_path, name="unit", clock_mhz=20)
    packed = data_folder / "liberty" / "ihp-sg13g2" / "sg13g2_stdcell_typ_1p20V_25C.lib.gz"
    (tmp_path / "full.lib").write_bytes(gzip.decompress(packed.read_bytes()))
    map_onto(user_library(str(tmp_path / "full.lib")), tmp_path, "unit")
    commands = ["read_liberty full.lib", "read_verilog netlist.v"]
    commands += ["link_design unit", "read_sdc unit/unit.sdc", "report_checks", "check_setup -verbose"]
    (tmp_path / "check.tcl").write_text("\n".join(commands))
    result = subprocess.run(["sta", "-no_splash", "-exit", "check.tcl"], cwd=tmp_path, capture_output=True, text=True)
    output = result.stdout + result.stderr
    assert result.returncode == 0
    assert not re.search("warning|error|unconstrained|no clock", output, re.IGNORECASE), output
    assert re.search(r"50\.00 +50\.00 +clock", output), "the period that was asked for"
    assert "slack (MET)" in output


def test_vivado_script_and_constraints_are_tcl(tmp_path):
    """Vivado's commands are stubs that note their arguments; the interpreter is the real one."""
    tkinter = pytest.importorskip("tkinter")
    folder = emit(MacConfig(), tmp_path, name="unit", clock_mhz=50).folder
    calls: list[tuple[str, ...]] = []
    for arguments, part in (("", "xc7a100tcsg324-1"), ("xcku5p-ffvb676-2-e", "xcku5p-ffvb676-2-e")):
        tcl = tkinter.Tcl()
        calls.clear()
        vivado = "read_verilog read_xdc synth_design report_utilization report_timing_summary write_checkpoint"
        for command in f"{vivado} create_clock set_input_delay set_output_delay get_ports all_outputs".split():
            tcl.createcommand(command, lambda *words, command=command: calls.append((command, *words)) or "")
        tcl.eval(f"set argv [list {arguments}]")
        tcl.eval(f"source {{{folder / 'unit_vivado.tcl'}}}")
        by_command = {call[0]: call[1:] for call in calls}
        assert list(by_command) == vivado.split()
        assert by_command["synth_design"] == ("-top", "unit", "-part", part, "-mode", "out_of_context")
        for command in ("read_verilog", "read_xdc"):
            assert Path(by_command[command][-1]).samefile(folder / Path(by_command[command][-1]).name)
    tcl.eval(f"source {{{by_command['read_xdc'][-1]}}}")
    assert ("create_clock", "-name", "clk", "-period", "20.000", "") in calls


@EACH_UNIT
def test_librelane_configuration(config, tmp_path):
    """Clock as in the constraints and files where they are; LibreLane itself is too heavy a dependency."""
    folder = emit(config, tmp_path, name="unit", clock_mhz=80).folder
    settings = json.loads((folder / "config.json").read_text())
    clocked = config.latency > 0
    assert settings["CLOCK_PERIOD"] == 12.5
    assert settings["CLOCK_PORT"] == ("clk" if clocked else None)
    assert settings.get("RUN_CTS", True) == clocked
    files = [folder / file.removeprefix("dir::") for file in settings["VERILOG_FILES"]]
    assert all(file.is_file() for file in files)
    assert f"module {settings['DESIGN_NAME']}(" in files[0].read_text()


@EACH_UNIT
def test_every_file_is_hashed_and_names_no_machine(config):
    files = render(config, "unit")
    assert set(json.loads(files["manifest.json"])["sha256"]) == set(files) - {"manifest.json"}
    assert set(files) >= {f"unit{end}" for end in (".v", ".f", ".sdc", ".core", ".vlt", "_vivado.tcl", "_tb.v")}
    for text in files.values():
        assert str(Path.home()) not in text
        assert os.getcwd() not in text


@pytest.mark.parametrize("name", ["i", "settle", "fail", "dut"])
def test_a_name_of_the_bench_may_name_a_unit(name, tmp_path):
    emitted = emit(MultiplierConfig(act_bits=2), tmp_path, name=name)
    bench = emitted.folder / f"{name}_tb.v"
    result = verilator.run(
        "--lint-only", "--timing", "--timescale", "1ns/1ps", verilator.WAIVERS, bench, emitted.verilog
    )
    assert result.returncode == 0, result.stderr
    if shutil.which("iverilog"):
        assert play(emitted.folder, emitted.verilog).stdout.startswith("PASS")


@needs("iverilog")
def test_the_bench_of_a_wide_array_compiles(tmp_path):
    """Payloads wider than the numbers that simulators read; the least number of sums."""
    emitted = emit(DotConfig(alphabets=(1,), weight_bits=3, lanes=70, act_bits=16), tmp_path)
    assert play(emitted.folder, emitted.verilog).returncode == 0


def test_a_fast_clock_still_separates_bench_and_edge():
    bench = render(MacConfig(), "unit", clock_mhz=100_000)["unit_tb.v"]
    delays = [float(delay) for delay in re.findall(r"#([\d.]+)", bench)]
    assert delays == [0.004, 0.004, 0.001, 0.001]
