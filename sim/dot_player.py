"""Plays whole layers through an emitted ``dot`` unit: the bench for work too long for Python.

The Verilog test bench ``stream_tb.v`` reads and writes the streams from files; Python packs the
beats, by the bit positions that the manifest states, and reads the sums back.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asm_hw.emission.emit_folder import Emitted
from asm_hw.emission.manifest import config_of
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.dot.dot_config import DotConfig

from . import verilator

TEST_BENCH = Path(__file__).with_name("stream_tb.v")


@dataclass(frozen=True)
class Played:
    """Sums [outputs, columns], int64, and the clock cycles that they took."""

    sums: np.ndarray
    cycles: int


class StreamBench:
    """A unit compiled with the stream test bench (Verilator). ``widths``: bits of I, W, O and, if it has one, C."""

    def __init__(self, build: Path, top: str, widths: dict[str, int], *sources: Path):
        self._build = verilator.check_build(build)
        shutil.rmtree(self._build, ignore_errors=True)
        self._build.mkdir(parents=True)
        flags = "-O1 -std=gnu++20 -fcoroutines -DVL_TIME_CONTEXT"  # the test bench waits, so it needs coroutines
        result = verilator.run(
            "--binary", "--timing", "-O3", "-Wno-fatal", "-Wno-lint", "-CFLAGS", flags,
            "--Mdir", self._build, "--top-module", "stream_tb", "-o", "stream_tb",
            f"+define+DUT={top}", *(f"+define+{name}_BITS={width}" for name, width in widths.items()),
            verilator.WAIVERS, TEST_BENCH, *(source.resolve() for source in sources),
        )  # fmt: skip
        if result.returncode:
            raise RuntimeError(f"Verilator could not build the player: {result.stderr[-2000:]}")

    def play(self, streams: dict[str, str], outputs: int, pace: int) -> tuple[list[int], int]:
        """Stream payloads by input, one hexadecimal line each: (beats that left, clock cycles).

        Raises RuntimeError where not just ``outputs`` beats leave, or an activation is left.
        """
        with tempfile.TemporaryDirectory(dir=self._build) as scratch:
            files = {name: Path(scratch, name) for name in (*streams, "o")}
            for name, text in streams.items():
                files[name].write_text(text)
            command = [str(self._build / "stream_tb"), f"+outputs={outputs}", f"+pace={pace}"]
            command += [f"+{name}={path}" for name, path in files.items()]
            result = subprocess.run(command, capture_output=True, text=True)
            cycles = re.search(r"^cycles (\d+)$", result.stdout, re.MULTILINE)
            faults = re.findall(r"^(?:stalled|surplus|unread)$", result.stdout, re.MULTILINE)
            if result.returncode or cycles is None or faults:
                raise RuntimeError(f"the unit or the simulator failed: {result.stdout}{result.stderr}")
            return [int(line, 16) for line in files["o"].read_text().split()], int(cycles[1])


class Player:
    """An emitted ``dot`` unit compiled with the stream test bench (Verilator)."""

    def __init__(self, emitted: Emitted, build: Path):
        config = config_of(emitted.manifest)
        assert isinstance(config, DotConfig)
        self._config = config
        self._ports = {port["name"]: port for port in emitted.manifest["ports"]}
        names = {"I": "i__payload", "W": "i_weight__payload", "O": "o__payload"}
        widths = {name: self._ports[port]["width"] for name, port in names.items()}
        self._bench = StreamBench(build, emitted.manifest["top"], widths, emitted.verilog)

    def play(self, x: np.ndarray, release: np.ndarray, last: np.ndarray, w: np.ndarray, pace: int = 100) -> Played:
        """Stream beats and return the sums.

        x: activation codes [beats, lanes]; release, last: flags [beats]; w: weight codes [loads, columns,
        lanes], used again from the start if fewer than the loads asked for. ``pace``: percentage of
        cycles in which a stream is willing to move. Raises RuntimeError if the unit stalls.
        """
        beats = {f"x[{i}]": x[:, i] for i in range(self._config.lanes)} | {"release": release, "last": last}
        loads = {f"[{c}][{i}]": w[:, c, i] for c in range(self._config.columns) for i in range(self._config.lanes)}
        streams = {
            "i": _to_hex(self._ports["i__payload"], beats),
            "i_weight": _to_hex(self._ports["i_weight__payload"], loads),
        }
        words, cycles = self._bench.play(streams, int(last.sum()), pace)
        return Played(self._read(words), cycles)

    def _read(self, words: list[int]) -> np.ndarray:
        bits, columns = self._config.accumulator.bits, self._config.columns
        mask, sign = (1 << bits) - 1, 1 << bits - 1
        sums = [[((word >> c * bits & mask) ^ sign) - sign for c in range(columns)] for word in words]
        return np.array(sums, dtype=np.int64).reshape(-1, columns)


def _to_hex(port: dict, columns: dict[str, np.ndarray]) -> str:
    """One hexadecimal line a beat; ``columns`` gives every field of the port."""
    beats = len(next(iter(columns.values())))
    width = ceil_div(port["width"], 8) * 8
    bits = np.zeros((beats, width), dtype=np.uint8)  # least significant bit first
    for field in port["fields"]:
        values = np.asarray(columns[field["name"]], dtype=np.int64)
        for bit in range(field["width"]):
            bits[:, field["lsb"] + bit] = values >> bit & 1
    words = np.packbits(bits[:, ::-1], axis=1)
    return "\n".join(row.tobytes().hex() for row in words) + "\n"
