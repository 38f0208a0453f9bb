"""The netlist bench of an engine: a small program, through ports or registers."""

from __future__ import annotations

import random

from asm_hw.bench.netlist_text import NetlistBench, Ports, widths_of, word_memories

from .engine_config import EngineConfig
from .engine_stimulus import small_program

BODY = """\
    i__valid = 0; {idle} read_enable = 0; read_address = 0; i__payload = 0; rst = 1;
    settle; edge_of_clock;
    rst = 0;
    for (i = 0; i < {rows}; i = i + 1) begin
      i__payload = rows[i]; i__valid = 1;
      settle; edge_of_clock;
    end
    i__valid = 0; {start}
    for (i = 0; i < {cycles} + 100 && {done} !== 1; i = i + 1) begin settle; edge_of_clock; end
    if ({done} !== 1) begin $display("not done"); failures = failures + 1; end
    for (i = 0; i < {reads} && {done} === 1; i = i + 1) begin
      read_enable = 1; read_address = addresses[i];
      settle; edge_of_clock;
      settle;
      if (read_data !== words[i]) fail(i);
      checks = checks + 1;
      edge_of_clock;
    end
"""

PORTS = {
    "idle": "start = 0;",
    "start": """\
start = 1;
    settle; edge_of_clock;
    start = 0;""",
    "done": "done",
}
"""What a host does at the ports, and what it waits for."""
REGISTERS = {
    "idle": """\
s_axi_control_awaddr = 0; s_axi_control_wdata = 1; s_axi_control_wstrb = 15; s_axi_control_araddr = 0;
    s_axi_control_awvalid = 0; s_axi_control_wvalid = 0; s_axi_control_arvalid = 0;
    s_axi_control_bready = 1; s_axi_control_rready = 1;""",
    "start": """\

    for (i = 2; i >= 0; i = i - 1) begin  // 1 to IP_IER, GIE and CTRL
      s_axi_control_awaddr = 4 * i; s_axi_control_awvalid = 1; s_axi_control_wvalid = 1;
      settle; edge_of_clock;
      s_axi_control_awvalid = 0; s_axi_control_wvalid = 0;
      settle; edge_of_clock; settle; edge_of_clock;
    end""",
    "done": "interrupt",
}
"""The same over the bus."""


def engine_bench(config: EngineConfig, ports: Ports) -> NetlistBench:
    """The small program, written, started, and its words read."""
    made = small_program(config, random.Random(config.slug))  # noqa: S311 - a fixed stimulus
    rows = [
        ("rows", "i__payload", made.payloads()),
        ("addresses", "read_address", [address for address, _ in made.reads]),
        ("words", "read_data", [word for _, word in made.reads]),
    ]
    body = BODY.format(
        **(PORTS if config.control == "ports" else REGISTERS),
        rows=len(made.rows),
        cycles=made.cycles,
        reads=len(made.reads),
    )
    return NetlistBench(word_memories(widths_of(ports), rows), body)
