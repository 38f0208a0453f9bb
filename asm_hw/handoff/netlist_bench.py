"""The netlist test bench: a Verilog file that checks a unit in any simulator, cell by cell or as RTL.

It holds its stimulus and the expected responses, so it needs nothing but the design. Inputs change
just after a rising clock edge and outputs are read just before the next one, 1 % of the period away from
each: from inputs to outputs a netlist may use 98 % of the clock period that the constraints name.
"""

from __future__ import annotations

from asm_hw.bench.netlist_text import NetlistBench, Ports, bit_range, widths_of
from asm_hw.units.registry import unit_of
from asm_hw.units.unit_config import UnitConfig

from .timing_constraints import period_ns

TEMPLATE = """\
// Checks {name}, as RTL or as a netlist of it, against responses computed in integers.
// Compile with {name}.v, or with a netlist and the Verilog models of its cells. Ends with PASS, or with
// FAIL and $stop (vvp -N then exits with status 1).
`timescale 1ns / 1ps

module {name}_tb;
{declarations}
  integer i, checks, failures;

  {name} dut ({connections});

  task settle;  // from just after an edge to just before the next
    begin #{half} clk = 0; #{half}; end
  endtask

  task edge_of_clock;
    begin #{skew} clk = 1; #{skew}; end
  endtask

  task fail(input integer index);
    begin
      if (failures < 10) $display("response %0d is wrong", index);
      failures = failures + 1;
    end
  endtask

  initial begin
    checks = 0; failures = 0; clk = 0;
{memories}{body}    if (failures == 0) $display("PASS: %0d responses", checks);
    else begin
      $display("FAIL: %0d of %0d responses", failures, checks);
      $stop;
    end
    $finish;
  end
endmodule
"""


def bench(config: UnitConfig, ports: Ports, name: str, clock_mhz: float) -> str:
    """The test bench ``<name>_tb`` of the unit ``name`` with the ``ports`` of its manifest."""
    played: NetlistBench = unit_of(config).load("netlist_bench")(config, ports)
    widths, kinds = widths_of(ports), {"input": "reg", "output": "wire"}
    declared = [f"{kinds[port['direction']]} {bit_range(port['width'])}{port['name']};" for port in ports]
    if "clk" not in widths:
        declared.append("reg clk;  // paces the bench alone")
    declared += played.variables
    memories = played.memories.items()
    declared += [f"reg {bit_range(width)}{memory} [0:{len(rows) - 1}];" for memory, (width, rows) in memories]
    half, skew = _delays_ns(clock_mhz)
    return TEMPLATE.format(
        name=name,
        half=half,
        skew=skew,
        body=played.body,
        connections=", ".join(f".{port}({port})" for port in widths),
        declarations="\n".join(f"  {line}" for line in declared),
        memories="".join(
            f"    {memory}[{i}] = {row};\n" for memory, (_, rows) in memories for i, row in enumerate(rows)
        ),
    )


def _delays_ns(clock_mhz: float) -> tuple[str, str]:
    """Half a period less the skew, and the skew between clock edges and the bench: 1 % of the period."""
    period_ps = round(float(period_ns(clock_mhz)) * 1000)
    # Never 0: inputs must not change with the edge that still takes the old ones.
    skew_ps = max(1, period_ps // 100)
    return f"{(period_ps // 2 - skew_ps) / 1000:.3f}", f"{skew_ps / 1000:.3f}"
