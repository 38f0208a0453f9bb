"""Runs programs on an emitted engine, compiled by Verilator and driven in C++ (``engine_main.cpp``)."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from asm_hw.cache import cache_folder, content_key
from asm_hw.compiler.engine_program import EngineProgram
from asm_hw.emission.emit_folder import Emitted
from asm_hw.errors import ParameterError
from asm_hw.formats.sram_macro import sram_module
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.engine.engine_config import BANKS, EngineConfig
from asm_hw.units.engine.engine_counters import COUNTED
from asm_hw.units.engine.program_header import Row, payload

from . import verilator
from .stream_simulation import emitted_config

MAIN = Path(__file__).with_name("engine_main.cpp")
PROGRAM = "engine_main"
TRACE_DEPTH = 4
"""Levels that waves show: the shell around the top, the engine, its parts, the ports of the parts of these."""
WATCHED = ("start", "busy", "layer", "error", "counts")
"""Ports of an engine behind registers, which its own top does not have."""
MARGIN = 1000
"""Cycles beyond the predicted ones after which a run counts as one that hangs."""


@dataclass(frozen=True)
class LayerImage:
    """What a layer left: cycle and counts since start, and the activation memory [addresses, 6, group] (digits)."""

    layer: int
    cycle: int
    counts: dict[str, int]
    memory: np.ndarray | None


@dataclass(frozen=True)
class EngineRun:
    """One run: its cycles, whether it came to an end, its error (`ERRORS` by number), and what each layer left."""

    cycles: int
    done: bool
    error: int
    layers: list[LayerImage]


class EnginePlayer:
    """An emitted engine under ``engine_main.cpp``, built once for each Verilog and kept in the user's cache.

    ``build``: the folder that keeps it instead. ``traced``: it can write waves. Raises `ParameterError` where the
    emitted folder is of another unit.
    """

    def __init__(self, emitted: Emitted, build: Path | None = None, traced: bool = False):
        self.config = emitted_config(emitted, EngineConfig)
        top = emitted.manifest["top"]
        self._traced = traced
        key = content_key([verilator.version(), repr(traced)], [emitted.verilog, MAIN, Path(__file__)])[:24]
        self._build = verilator.check_build((build or cache_folder("engines")) / key)
        if not (self._build / PROGRAM).is_file():
            self._compile(emitted.verilog, top)

    def _compile(self, verilog: Path, top: str) -> None:
        """Build beside, then rename: what was interrupted is no program."""
        self._build.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._build.parent) as scratch:
            folder = Path(scratch)
            (folder / "engine_memory.h").write_text(_memory_header(self.config, top))
            public = folder / "public.vlt"
            public.write_text(_verilator_config(self.config, top) + (_untraced(verilog) if self._traced else ""))
            flags = f"-O1 -std=gnu++20 -DVL_TIME_CONTEXT -I{folder}" + " -DTRACED" * self._traced
            trace = ["--trace", "--trace-depth", str(TRACE_DEPTH)] if self._traced else []
            result = verilator.run(
                "--cc", "--exe", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "fast",
                "--noassert", "-Wno-fatal", "-Wno-lint", *trace, "-CFLAGS", flags, "--Mdir", folder,
                "--top-module", top, "--prefix", "Vtop", "-o", PROGRAM, verilator.waivers_of(verilog), public,
                verilog.resolve(), MAIN,
            )  # fmt: skip
            if result.returncode:
                raise RuntimeError(f"Verilator could not build the engine: {result.stderr[-2000:]}")
            self._build.mkdir(exist_ok=True)  # another process may run what it built there
            os.replace(folder / PROGRAM, self._build / PROGRAM)

    def _load(self, program: EngineProgram) -> list[str]:
        """The part of a job that fills program and weight memory, and says what streams."""
        if program.config.core != self.config.core:
            raise ParameterError(f"program must be of engine {self.config.slug}, not of {program.config.slug}")
        return [self._line(row) for row in program.rows] + self._streamed(program.streamed)

    def _line(self, row: Row, kind: str = "w") -> str:
        return f"{kind} {payload(self.config, row):x}\n"

    def _streamed(self, rows: Sequence[Row]) -> list[str]:
        return ["c 0\n", *(self._line(row, "s") for row in rows)]

    def run(self, program: EngineProgram, inputs: np.ndarray, images: bool = True) -> Iterator[EngineRun]:
        """Run the program on each of ``inputs`` [n, channels, height, width], integers.

        ``images``: give the memory as every layer left it, not as the last one did.
        """
        text = self._load(program)
        for values in inputs:
            text += [self._line(("activations", address, word)) for address, word in program.input_rows(values)]
            text.append(f"{'r' if images else 'q'} {program.cycles + MARGIN}\n")
        return self._play(text, len(inputs))

    def trace(self, program: EngineProgram, values: np.ndarray, windows: Iterable[tuple[int, int]]) -> Iterator[Path]:
        """Waves of the given cycles, from first to last but one, of a run on one input; gone when iteration goes on.

        A cycle takes a unit of time, at which all signals have settled.
        """
        text = [f"t {first}-{end}\n" for first, end in windows] + self._load(program)
        text += [self._line(("activations", address, word)) for address, word in program.input_rows(values)]
        text.append(f"q {program.cycles + MARGIN}\n")
        with self._played(text, 1) as (((_, _, done, error),), dump):
            if (done, error) != ("1", "0"):
                raise RuntimeError(f"the program must end to be traced, but done is {done}, error {error}")
            yield dump.with_suffix(".vcd")

    def run_rows(self, programs: Iterable[tuple[Sequence[Row], Sequence[Row]]], limit: int) -> Iterator[EngineRun]:
        """Write the rows of each program, whatever they hold, and run it for at most ``limit`` cycles.

        The second rows of each are those that stream.
        """
        jobs = ["".join([*map(self._line, rows), *self._streamed(streamed)]) for rows, streamed in programs]
        return self._play([f"{job}q {limit}\n" for job in jobs], len(jobs))

    def _play(self, text: list[str], count: int) -> Iterator[EngineRun]:
        """Play a job of so many runs."""
        with self._played(text, count) as (runs, dump), dump.open("rb") as file:
            for cycles, layers, done, error in runs:
                left = [self._image(file) for _ in range(int(layers))]
                yield EngineRun(int(cycles), done == "1", int(error), left)

    @contextmanager
    def _played(self, text: list[str], count: int) -> Iterator[tuple[list[tuple[str, ...]], Path]]:
        """Cycles, layers, done and error of each run of a job, and its dump, which is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self._build) as scratch:
            job, dump = Path(scratch, "job"), Path(scratch, "dump")
            job.write_text("".join(text))
            result = subprocess.run([self._build / PROGRAM, job, dump], capture_output=True, text=True)
            runs = re.findall(r"^run (\d+) (\d+) (\d) (\d)$", result.stdout, re.MULTILINE)
            if result.returncode or len(runs) != count:
                raise RuntimeError(f"the simulator failed: {result.stdout}{result.stderr}")
            yield runs, dump

    def _image(self, file: BinaryIO) -> LayerImage:
        config = self.config
        size = ceil_div(config.word_bits, 8)
        words = config.segments * config.bank_rows * BANKS
        head = file.read(16)
        counts = np.frombuffer(file.read(4 * len(COUNTED)), dtype="<u4").tolist()
        layer, cycle, whole = (int.from_bytes(head[a:b], "little") for a, b in ((0, 4), (4, 12), (12, 16)))
        named = dict(zip(COUNTED, counts, strict=True))
        if not whole:
            return LayerImage(layer, cycle, named, None)
        raw = np.frombuffer(file.read(words * size), dtype=np.uint8).reshape(-1, BANKS, size)
        bits = np.unpackbits(raw, axis=2, bitorder="little")[:, :, : config.word_bits]
        digits = bits.reshape(*bits.shape[:2], config.group, config.act_bits)
        return LayerImage(layer, cycle, named, np.packbits(digits, axis=3, bitorder="little")[..., 0])


def _verilator_config(config: EngineConfig, top: str) -> str:
    """What can be read from outside; and one function a kind of column, not one a column: half the compile time."""
    watched = WATCHED if config.control == "axi_lite" else ()
    shown = "".join(f'public_flat_rd -module "{top}_engine" -var "{name}"\n' for name in watched)
    kept = "".join(f'no_inline -module "{top}_{kind}"\n' for kind in ("column", "output_pipe"))
    module = f"{top}_bank" if config.memory == "inferred" else sram_module(config.bank_rows, config.word_bits)
    return f'`verilator_config\npublic_flat_rd -module "{module}" -var "rows"\n{shown}{kept}'


def _untraced(verilog: Path) -> str:
    """No waves of modules without registers: heaps of adders have thousands of wires a column, and no state."""
    found, lines = [], verilog.read_text().split("\n")
    starts = [number for number, line in enumerate(lines, 1) if line.startswith("module ")]
    for first, following in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        if not any(line.startswith("  reg ") for line in lines[first : following - 1]):
            found.append(f'tracing_off -file "*/{verilog.name}" -lines {first}-{following - 1}\n')
    return "".join(found)


def _memory_header(config: EngineConfig, top: str) -> str:
    """Where Verilator keeps the banks, and the ports of an engine behind registers."""
    inner = f"top->rootp->{top}__DOT__engine__DOT__" if config.control == "axi_lite" else ""
    path = f"{inner or f'top->rootp->{top}__DOT__'}activations__DOT__bank"
    rows = "rows" if config.memory == "inferred" else "sram__DOT__rows"
    cases = "".join(
        f"        case {segment * BANKS + bank}: return &{path}_{segment}_{bank}__DOT__{rows}[row];\n"
        for segment in range(config.segments)
        for bank in range(BANKS)
    )
    return (
        f"#define ENGINE(name) {f'{inner}##' if inner else 'top->'}name\n"
        + "#define AXI_LITE\n" * bool(inner)
        + f"constexpr int SEGMENTS = {config.segments}, ROWS = {config.bank_rows};\n"
        f"constexpr int WORD_BYTES = {ceil_div(config.word_bits, 8)}, COUNTERS = {len(COUNTED)};\n"
        "static const void *bank(Vtop *top, int segment, int number, int row) {\n"
        f"    switch (segment * {BANKS} + number) {{\n{cases}    }}\n    return nullptr;\n}}\n"
    )
