"""A unit compiled with the Verilog test bench ``stream_tb.v`` (Verilator): for work that is too long for Python.

The test bench reads and writes the streams from files. It only plays them: what holds the protocol to account
is `asm_hw.bench.stream_bench`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from asm_hw.emission.emit_folder import Emitted
from asm_hw.emission.manifest import config_of
from asm_hw.errors import ParameterError
from asm_hw.units.unit_config import UnitConfig

from . import verilator

TEST_BENCH = Path(__file__).with_name("stream_tb.v")

C = TypeVar("C", bound=UnitConfig)


class StreamSimulation:
    """The unit ``top`` under the test bench. ``widths``: bits of I, W, O and, if it has one, C."""

    def __init__(self, build: Path, top: str, widths: Mapping[str, int], *sources: Path):
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
            raise RuntimeError(f"Verilator could not build the test bench: {result.stderr[-2000:]}")

    def play(self, streams: Mapping[str, str], outputs: int, pace: int) -> tuple[list[int], int]:
        """Stream payloads by input, one hexadecimal line each: (beats that left, clock cycles).

        ``pace``: percentage of cycles in which a stream is willing to move. Raises RuntimeError where not just
        ``outputs`` beats leave, or an activation is left.
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


def hex_lines(words: Iterable[int]) -> str:
    """The text of a stream of ``words``."""
    return "".join(f"{word:x}\n" for word in words)


def emitted_config(emitted: Emitted, kind: type[C]) -> C:
    """The configuration of an emitted folder. Raises `ParameterError` where it is of another unit."""
    config = config_of(emitted.manifest)
    if not isinstance(config, kind):
        raise ParameterError(f"unit must be {kind.unit}, not {config.unit!r}")
    return config


def payload_widths(emitted: Emitted, names: Mapping[str, str]) -> dict[str, int]:
    """Bits of payloads by the test bench's name, from the streams that have these names."""
    widths = {port["name"]: port["width"] for port in emitted.manifest["ports"]}
    return {name: widths[f"{stream}__payload"] for name, stream in names.items()}
