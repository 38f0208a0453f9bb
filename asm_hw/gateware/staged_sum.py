"""The sum of many lanes with registers within it, so that a clock can be shorter than the whole sum."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed

from asm_hw.formats.accumulator_format import AccumulatorFormat, AdderStyle

from .adders import add_products, add_tree
from .compressor_heap import Heap
from .lanes import Lane
from .part_names import SignalParts

STAGED_PARTS: SignalParts = {r"partial_\w+": "heap"}
"""What this adds to a component, for its ``signal_parts``."""


def add_in_stages(m: Module, adders: AdderStyle, lanes: list[Lane], enable: Value) -> Signal:
    """The registered sum of the lanes' products; each bit of ``enable`` is a stage, which it lets take its inputs.

    A stage adds groups of what the one before has registered, or of the lanes: about equally many in each stage. Sums
    are as wide as they can become.
    """
    stages = len(enable)
    sums: list[Value] = []
    counts: list[int] = []  # products in each of the sums
    for stage in range(stages):
        size = _group_size(len(sums) or len(lanes), stages - stage)
        registered, covered = [], []
        for index, at in enumerate(range(0, len(sums) or len(lanes), size)):
            count = sum(counts[at : at + size]) if sums else sum(lane.terms for lane in lanes[at : at + size])
            width = AccumulatorFormat.for_terms(lanes[0].product, count).bits
            last = stage == stages - 1
            name = "" if last else f"partial_{stage}_{index}"
            if sums:
                total = _add(m, adders, sums[at : at + size], width, f"{name or 'total'}_")
            else:
                total = add_products(m, adders, lanes[at : at + size], width, name and f"{name}_")
            register = Signal(signed(width), name=name or "products", reset_less=True)
            with m.If(enable[stage]):
                m.d.sync += register.eq(total)
            registered.append(register)
            covered.append(count)
        sums, counts = list(registered), covered
    return registered[0]


def _group_size(count: int, stages: int) -> int:
    """The least number that, used in each of the stages, leaves one sum of ``count``."""
    size = 1
    while size**stages < count:
        size += 1
    return size


def _add(m: Module, adders: AdderStyle, values: list[Value], width: int, name: str) -> Value:
    if not adders.has_heap:
        return add_tree(values, [])[:width].as_signed()
    heap = Heap(width, adders)
    for value in values:
        heap.add(value)
    left, right = heap.reduce(m, f"{name}heap")
    return (left + right)[:width].as_signed()
