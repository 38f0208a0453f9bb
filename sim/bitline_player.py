"""Plays whole matrix products through an emitted ``bitline`` unit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from asm_hw.emission.emit_folder import Emitted
from asm_hw.emission.manifest import config_of
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_instructions import Instruction
from asm_hw.units.bitline.bitline_schedule import loads, tiles

from .dot_player import StreamBench

STREAMS = {"i_op": "i", "i_row": "i_weight", "o_words": "o"}
"""The streams of the unit and those of the test bench."""


class BitlinePlayer:
    """An emitted ASM array compiled with the stream test bench (Verilator)."""

    def __init__(self, emitted: Emitted, build: Path):
        config = config_of(emitted.manifest)
        assert isinstance(config, BitlineConfig)
        self.config = config
        widths = {port["name"]: port["width"] for port in emitted.manifest["ports"]}
        wrapper = emitted.folder / "streams.v"
        wrapper.write_text(_wrapper(emitted.manifest["top"], widths))
        payloads = dict(zip("IWO", (widths[f"{name}__payload"] for name in STREAMS), strict=True))
        self._bench = StreamBench(build, "streams", payloads, emitted.verilog, wrapper)

    def matmul(self, weights: np.ndarray, activations: np.ndarray, pace: int = 100) -> tuple[np.ndarray, int]:
        """``activations [vectors, inputs] @ weights [outputs, inputs].T`` and the clock cycles it took.

        Vectors are cut into groups of one a word, inputs into tiles that fit the rows; the partial sums of
        tiles are added here, as whatever follows the array would.
        """
        config, vectors = self.config, len(activations)
        cut = tiles(config, weights.tolist())
        ops: list[Instruction] = []
        rows: list[int] = []
        for first in range(0, vectors, config.words):
            group = activations[first : first + config.words].tolist()
            for tile in cut:
                for instruction, row in loads(config, tile, group):
                    ops.append(instruction)
                    rows.append(row)
                ops += [*tile.bank, *(instruction for output in tile.sums for instruction in output)]
        beats = ceil_div(vectors, config.words) * len(cut) * len(weights)
        streams = {"i": _lines(map(config.encode, ops)), "i_weight": _lines(rows)}
        raw, cycles = self._bench.play(streams, beats, pace)
        places = range(0, config.words * config.accumulator.bits, config.accumulator.bits)
        top, mask = 1 << config.accumulator.bits - 1, (1 << config.accumulator.bits) - 1
        words = np.array([[(beat >> place & mask ^ top) - top for place in places] for beat in raw], dtype=np.int64)
        sums = words.reshape(-1, len(cut), len(weights), config.words).sum(1)
        return sums.transpose(0, 2, 1).reshape(-1, len(weights))[:vectors], cycles


def _lines(beats: Iterable[int]) -> str:
    return "".join(f"{beat:x}\n" for beat in beats)


def _wrapper(top: str, widths: dict[str, int]) -> str:
    """Module ``streams``: the unit under the port names of the test bench."""
    ports, pins = ["input clk", "input rst"], [".clk(clk)", ".rst(rst)"]
    for ours, theirs in STREAMS.items():
        forward, back = ("output", "input") if ours == "o_words" else ("input", "output")
        width = widths[f"{ours}__payload"]
        ports += [
            f"{forward} [{width - 1}:0] {theirs}__payload",
            f"{forward} {theirs}__valid",
            f"{back} {theirs}__ready",
        ]
        pins += [f".{ours}__{part}({theirs}__{part})" for part in ("payload", "valid", "ready")]
    if "counts" in widths:
        pins.append(".counts()")
    return f"module streams({', '.join(ports)});\n  {top} unit({', '.join(pins)});\nendmodule\n"
