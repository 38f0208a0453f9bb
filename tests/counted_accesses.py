"""Counts what the gateware of a von Neumann machine does to its memory."""

from __future__ import annotations

import random

from asm_hw.sim.amaranth_simulation import play
from asm_hw.units.von_neumann.vn_checks import Model


def count_accesses(gateware, config, product, monkeypatch):
    """Reads and writes of the memory of ``gateware`` while ``product`` is computed, in Amaranth's simulator."""
    memories = []

    class Recorded(gateware.Memory):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            memories.append(self)

    monkeypatch.setattr(gateware, "Memory", Recorded)
    counts = {"reads": 0, "writes": 0}

    async def bench(driver):
        await Model(driver, config, random.Random(0)).play(product.program)

    async def count(context):
        async for _, _, read, write in context.tick().sample(memories[0].read, memories[0].write):
            counts["reads"] += read
            counts["writes"] += write

    play(config, bench, count)
    host = {"reads": len(product.program.results), "writes": len(product.program.words)}
    return {name: total - host[name] for name, total in counts.items()}
