"""The netlist test bench of unit ``multiplier``."""

from __future__ import annotations

from asm_hw.bench.netlist_operands import MAX_VECTORS, Picker
from asm_hw.bench.netlist_text import NetlistBench, Ports, vectors_bench, widths_of

from .multiplier_config import MultiplierConfig

# The unit has no clock; the bench's own paces it, so that each vector has a whole period.
BODY = """\
    for (i = 0; i < {count}; i = i + 1) begin
      {{w, x, expected}} = vectors[i];
      settle;
      checks = checks + 1;
      if (p !== expected) fail(i);
      edge_of_clock;
    end
"""


def multiplier_bench(config: MultiplierConfig, ports: Ports) -> NetlistBench:
    """Every pair of operands, or corners and random ones, and their products."""
    pairs = Picker(config.weight, config.activation).pairs(MAX_VECTORS)
    vectors = [(w, x, w_value * x_value) for (w, w_value), (x, x_value) in pairs]
    widths = widths_of(ports)
    return vectors_bench(vectors, [widths[port] for port in ("w", "x", "p")], BODY)
