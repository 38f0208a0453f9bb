"""The netlist test bench of unit ``mac``."""

from __future__ import annotations

from asm_hw.bench.netlist_operands import MAX_VECTORS, Picker
from asm_hw.bench.netlist_text import NetlistBench, Ports, vectors_bench, widths_of

from .mac_config import MacConfig

RUN = 64
"""Equal products in a row, which carry far into the accumulator."""

# The loop runs once more than there are vectors: what a vector leaves in ``acc`` is looked at one pass later.
BODY = """\
    en = 0; clear = 0; w = 0; x = 0; rst = 1;
    settle; edge_of_clock;
    rst = 0; expected = 0;
    for (i = 0; i <= {count}; i = i + 1) begin
      if (i < {count}) {{en, clear, w, x, following}} = vectors[i];
      settle;
      checks = checks + 1;
      if (acc !== expected) fail(i);
      expected = following;
      edge_of_clock;
    end
"""


def mac_bench(config: MacConfig, ports: Ports) -> NetlistBench:
    """Products, enables and clears, and the accumulator after each edge."""
    widths = widths_of(ports)
    return vectors_bench(mac_vectors(config), [widths[port] for port in ("en", "clear", "w", "x", "acc")], BODY)


def mac_vectors(config: MacConfig) -> list[tuple[int, int, int, int, int]]:
    """(en, clear, w code, x code, acc after the edge), one a cycle, from an accumulator of 0."""
    picker = Picker(config.weight, config.activation)
    # 5 and 8 have no common divisor: with and without ``en`` both values of ``clear`` come up.
    steps = [(i % 5 != 3, i % 8 == 0, *pair) for i, pair in enumerate(picker.pairs(MAX_VECTORS - 2 * RUN))]
    corners = picker.corners()
    for pair in (corners[0], corners[-1]):
        # Cleared once, then added up: the lowest product, then the highest.
        steps += [(True, i == 0, *pair) for i in range(RUN)]
    vectors, acc = [], 0
    for en, clear, (w, w_value), (x, x_value) in steps:
        if en:
            acc = config.accumulator.fit((0 if clear else acc) + w_value * x_value)
        vectors.append((int(en), int(clear), w, x, acc))
    return vectors
