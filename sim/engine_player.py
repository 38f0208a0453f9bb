"""Runs programs on an emitted engine, compiled by Verilator and driven in C++ (``engine_main.cpp``)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asm_hw.compiler.engine_program import EngineProgram
from asm_hw.emission.emit_folder import Emitted
from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import join_fields, place_fields
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.engine.engine_config import BANKS, TARGETS, EngineConfig

from . import verilator
from .stream_simulation import emitted_config

MAIN = Path(__file__).with_name("engine_main.cpp")
MARGIN = 1000
"""Cycles beyond the predicted ones after which a run counts as one that hangs."""


@dataclass(frozen=True)
class LayerImage:
    """The activation memory [addresses, 6, group] (digits) as a layer left it, and the cycle since start."""

    layer: int
    cycle: int
    memory: np.ndarray


@dataclass(frozen=True)
class EngineRun:
    """One run: its cycles, whether it came to its end, and what each layer left."""

    cycles: int
    done: bool
    layers: list[LayerImage]


class EnginePlayer:
    """An emitted engine under ``engine_main.cpp``. Raises `ParameterError` where the folder is of another unit."""

    def __init__(self, emitted: Emitted, build: Path, optimize: str = "-O2"):
        self.config = emitted_config(emitted, EngineConfig)
        self._build = verilator.check_build(build)
        shutil.rmtree(self._build, ignore_errors=True)
        self._build.mkdir(parents=True)
        top = emitted.manifest["top"]
        (self._build / "engine_memory.h").write_text(_memory_header(self.config, top))
        public = self._build / "public.vlt"
        public.write_text(_verilator_config(top))
        result = verilator.run(
            "--cc", "--exe", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
            "-Wno-fatal", "-Wno-lint", "-CFLAGS", f"{optimize} -std=gnu++20 -DVL_TIME_CONTEXT -I{self._build}",
            "--Mdir", self._build, "--top-module", top, "--prefix", "Vtop", "-o", "engine_main",
            verilator.WAIVERS, public, emitted.verilog.resolve(), MAIN,
        )  # fmt: skip
        if result.returncode:
            raise RuntimeError(f"Verilator could not build the engine: {result.stderr[-2000:]}")

    def load(self, program: EngineProgram) -> str:
        """The part of a job that fills program and weight memory."""
        if program.config != self.config:
            raise ParameterError(f"program must be of engine {self.config.slug}, not of {program.config.slug}")
        images = (("program", program.program), ("weights", program.weights))
        return "".join(self._row(target, address, row) for target, rows in images for address, row in enumerate(rows))

    def _row(self, target: str, address: int, data: int) -> str:
        fields = place_fields(self.config.access_fields.items())
        word = join_fields(fields, {"target": TARGETS.index(target), "address": address, "data": data})
        return f"w {word:x}\n"

    def run(self, program: EngineProgram, inputs: np.ndarray) -> Iterator[EngineRun]:
        """Run the program on each of ``inputs`` [n, channels, height, width], integers."""
        with tempfile.TemporaryDirectory(dir=self._build) as scratch:
            job, dump = Path(scratch, "job"), Path(scratch, "dump")
            text = [self.load(program)]
            for values in inputs:
                text += [self._row("activations", address, word) for address, word in program.input_rows(values)]
                text.append(f"r {program.cycles + MARGIN}\n")
            job.write_text("".join(text))
            result = subprocess.run([self._build / "engine_main", job, dump], capture_output=True, text=True)
            runs = re.findall(r"^run (\d+) (\d+) (\d)$", result.stdout, re.MULTILINE)
            if result.returncode or len(runs) != len(inputs):
                raise RuntimeError(f"the simulator failed: {result.stdout}{result.stderr}")
            with dump.open("rb") as file:
                for cycles, layers, done in runs:
                    yield EngineRun(int(cycles), done == "1", [self._image(file) for _ in range(int(layers))])

    def _image(self, file) -> LayerImage:
        config = self.config
        size = ceil_div(config.word_bits, 8)
        words = config.segments * config.bank_rows * BANKS
        head = file.read(12)
        raw = np.frombuffer(file.read(words * size), dtype=np.uint8).reshape(-1, BANKS, size)
        bits = np.unpackbits(raw, axis=2, bitorder="little")[:, :, : config.word_bits]
        digits = bits.reshape(*bits.shape[:2], config.group, config.act_bits)
        values = (digits.astype(np.int64) << np.arange(config.act_bits)).sum(-1)
        return LayerImage(int.from_bytes(head[:4], "little"), int.from_bytes(head[4:], "little"), values)


def _verilator_config(top: str) -> str:
    """What can be read from outside; and one function a kind of column, not one a column: a tenth of the compile time."""
    kept = "".join(f'no_inline -module "{top}_{kind}"\n' for kind in ("column", "output_pipe"))
    return f'`verilator_config\npublic_flat_rd -module "{top}_bank" -var "rows"\n{kept}'


def _memory_header(config: EngineConfig, top: str) -> str:
    """Where Verilator keeps the banks."""
    cases = "".join(
        f"        case {segment * BANKS + bank}: return &top->rootp->{top}__DOT__activations__DOT__bank_{segment}_{bank}__DOT__rows[row];\n"
        for segment in range(config.segments)
        for bank in range(BANKS)
    )
    return (
        f"constexpr int SEGMENTS = {config.segments}, ROWS = {config.bank_rows};\n"
        f"constexpr int WORD_BYTES = {ceil_div(config.word_bits, 8)};\n"
        "static const void *bank(Vtop *top, int segment, int number, int row) {\n"
        f"    switch (segment * {BANKS} + number) {{\n{cases}    }}\n    return nullptr;\n}}\n"
    )
