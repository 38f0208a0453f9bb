"""Plays whole layers through an emitted ``dot`` unit: packs the beats, by the bit positions that the manifest
states, and reads the sums back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asm_hw.emission.emit_folder import Emitted
from asm_hw.numbers.bit_fields import unpack_signed
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.dot.dot_config import DotConfig

from .stream_simulation import StreamSimulation, emitted_config, payload_widths


@dataclass(frozen=True)
class Played:
    """Sums [outputs, columns], int64, and the clock cycles that they took."""

    sums: np.ndarray
    cycles: int


class DotPlayer:
    """An emitted ``dot`` unit compiled with the stream test bench (Verilator)."""

    def __init__(self, emitted: Emitted, build: Path):
        self._config = emitted_config(emitted, DotConfig)
        self._ports = {port["name"]: port for port in emitted.manifest["ports"]}
        widths = payload_widths(emitted, {"I": "i", "W": "i_weight", "O": "o"})
        self._simulation = StreamSimulation(build, emitted.manifest["top"], widths, emitted.verilog)

    def play(self, x: np.ndarray, release: np.ndarray, last: np.ndarray, w: np.ndarray, pace: int = 100) -> Played:
        """Stream beats and return the sums.

        x: activation codes [beats, lanes]; release, last: flags [beats]; w: weight codes [loads, columns,
        lanes], used again from the start if fewer than the loads asked for. ``pace``: percentage of
        cycles in which a stream is willing to move. Raises RuntimeError if the unit stalls.
        """
        columns, lanes = self._config.array_shape
        beats = {f"x[{i}]": x[:, i] for i in range(lanes)} | {"release": release, "last": last}
        loads = {f"[{c}][{i}]": w[:, c, i] for c in range(columns) for i in range(lanes)}
        streams = {
            "i": _packed_lines(self._ports["i__payload"], beats),
            "i_weight": _packed_lines(self._ports["i_weight__payload"], loads),
        }
        words, cycles = self._simulation.play(streams, int(last.sum()), pace)
        sums = [unpack_signed(word, self._config.accumulator.bits, columns) for word in words]
        return Played(np.array(sums, dtype=np.int64).reshape(-1, columns), cycles)


def _packed_lines(port: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> str:
    """One hexadecimal line a beat; ``values`` [beats] gives every field of the port. A whole stream at once."""
    beats = len(next(iter(values.values())))
    # Whole bytes, as packbits makes them; zeros above the payload do not change its number.
    width = ceil_div(port["width"], 8) * 8
    bits = np.zeros((beats, width), dtype=np.uint8)  # least significant bit first
    for field in port["fields"]:
        codes = np.asarray(values[field["name"]], dtype=np.int64)
        for bit in range(field["width"]):
            bits[:, field["lsb"] + bit] = codes >> bit & 1
    words = np.packbits(bits[:, ::-1], axis=1)
    return "\n".join(row.tobytes().hex() for row in words) + "\n"
