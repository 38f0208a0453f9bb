"""A large design mapped in parts: modules of which many are equal once, and what stands around them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from asm_hw.ppa.technology.cell_library import Library

from .synthesis import Synthesis, synthesize


def synthesize_parts(
    verilog: str, top: str, library: Library, recipe: str, once: Sequence[str], outside: Sequence[str] = ()
) -> Synthesis:
    """`synthesize`, with the modules ``once`` mapped by themselves and counted as often as they stand in the design.

    Nothing is optimised across their borders, and ``delay_ns`` is the longest period of a part: of a path that crosses
    a border each side counts by itself. The netlists are those of what is around them.
    """
    around = synthesize(verilog, top, library, recipe, (*outside, *once))
    cells, area, delay, histogram = around.cells, around.area_um2, around.delay_ns, Counter(around.histogram)
    for module in once:
        part, count = synthesize(verilog, module, library, recipe), instances(verilog, module)
        cells, area, delay = cells + count * part.cells, area + count * part.area_um2, max(delay, part.delay_ns)
        histogram.update({cell: count * number for cell, number in part.histogram.items()})
    return replace(
        around, cells=cells, area_um2=round(area, 4), delay_ns=delay, histogram=dict(sorted(histogram.items()))
    )


def instances(verilog: str, module: str) -> int:
    """How often the text of a design instantiates ``module``; what does must stand in the design once."""
    count = len(re.findall(rf"^ +{re.escape(module)} \S+ \(", verilog, re.MULTILINE))
    if not count:
        raise ValueError(f"the design must have instances of {module}, one a line")
    return count
