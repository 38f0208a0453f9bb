"""How near-memory arrays scale from 4 x 4 to 32 x 32: ``python benchmarks/near_memory_scaling.py``.

Prints seconds, bytes of Verilog and peak memory of emission for each size with the ratio to cells, and the cycles
a second of the largest in Verilator.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
from pathlib import Path
from time import perf_counter

from asm_hw.sim.near_player import NearPlayer

from asm_hw.config import NearMemoryConfig
from asm_hw.emit import emit
from asm_hw.network.tiles import program

SIDES = (4, 8, 16, 32)


def config_of(side: int) -> NearMemoryConfig:
    return NearMemoryConfig(alphabets=(1,), lanes=side, columns=side, hold=2 * side, depth=1024)


def main(vectors: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for side in SIDES:
            start = perf_counter()
            emitted = emit(config_of(side), Path(scratch))
            seconds, size = perf_counter() - start, emitted.verilog.stat().st_size
            row = {"side": side, "seconds": round(seconds, 2), "verilog_bytes": size}
            row |= {"bytes_a_cell": round(size / side**2, 1), "seconds_a_cell": round(seconds / side**2, 5)}
            row["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            row["tools_peak_mib"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
            print(json.dumps(row), flush=True)
        player = NearPlayer(emitted, Path(scratch) / "player")
        config, rng = config_of(SIDES[-1]), random.Random(0)  # noqa: S311 - operands
        w = [[rng.choice(config.weight_table)[0] for _ in range(4 * config.lanes)] for _ in range(4 * config.columns)]
        x = [[rng.randrange(256) for _ in range(4 * config.lanes)] for _ in range(vectors)]
        made = program(config, w, x, [0] * len(w))
        start = perf_counter()
        _, cycles = player.play(made)
        print(json.dumps({"verilator_cycles": cycles, "cycles_a_second": round(cycles / (perf_counter() - start))}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=512, help="of the product that Verilator computes")
    main(parser.parse_args().vectors)
