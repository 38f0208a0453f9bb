"""Plays whole matrix products through an emitted ``bitline`` unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asm_hw.emission.emit_folder import Emitted
from asm_hw.numbers.bit_fields import unpack_signed
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_instructions import Instruction
from asm_hw.units.bitline.bitline_schedule import loads, tiles

from .stream_simulation import StreamSimulation, emitted_config, hex_lines, payload_widths

STREAMS = {"i_op": "i", "i_row": "i_weight", "o_words": "o"}
"""The streams of the unit under the names that the test bench gives them."""


class BitlinePlayer:
    """An emitted ASM array compiled with the stream test bench (Verilator)."""

    def __init__(self, emitted: Emitted, build: Path):
        self.config = emitted_config(emitted, BitlineConfig)
        widths = payload_widths(emitted, dict(zip("IWO", STREAMS, strict=True)))
        wrapper = emitted.folder / "streams.v"
        counts = any(port["name"] == "counts" for port in emitted.manifest["ports"])
        wrapper.write_text(_wrapper(emitted.manifest["top"], dict(zip(STREAMS, widths.values(), strict=True)), counts))
        self._simulation = StreamSimulation(build, "streams", widths, emitted.verilog, wrapper)

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
        streams = {"i": hex_lines(map(config.encode, ops)), "i_weight": hex_lines(rows)}
        raw, cycles = self._simulation.play(streams, beats, pace)
        words = [unpack_signed(beat, config.accumulator.bits, config.words) for beat in raw]
        # [groups of vectors, tiles, outputs, words]: tiles are added up.
        sums = np.array(words, dtype=np.int64).reshape(-1, len(cut), len(weights), config.words).sum(1)
        return sums.transpose(0, 2, 1).reshape(-1, len(weights))[:vectors], cycles


def _wrapper(top: str, widths: dict[str, int], counts: bool) -> str:
    """Module ``streams``: the unit under the port names of the test bench; ``counts``: it has counters."""
    ports, pins = ["input clk", "input rst"], [".clk(clk)", ".rst(rst)"]
    for ours, theirs in STREAMS.items():
        forward, back = ("output", "input") if ours == "o_words" else ("input", "output")
        ports += [
            f"{forward} [{widths[ours] - 1}:0] {theirs}__payload",
            f"{forward} {theirs}__valid",
            f"{back} {theirs}__ready",
        ]
        pins += [f".{ours}__{part}({theirs}__{part})" for part in ("payload", "valid", "ready")]
    if counts:
        pins.append(".counts()")
    return f"module streams({', '.join(ports)});\n  {top} unit({', '.join(pins)});\nendmodule\n"
