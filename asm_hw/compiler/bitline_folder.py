"""The folder of a network on a bitline array: report, micro-operations, network and the array's Verilog."""

from __future__ import annotations

import json
from pathlib import Path

from asm_hw.emission.emit_folder import render, write_folder

from .bitline_program import BitlineProgram
from .program_folder import BITLINE_REPORT, NETWORK, RTL, check_folder

OPERATIONS = "operations.json"
TOP = "bitline"


def write_bitline(program: BitlineProgram, network: Path, out: Path, force: bool = False) -> None:
    """Write the folder ``out`` at once or not at all; ``network``: the file of the integers.

    `OPERATIONS` holds for each layer and product the beats of ``i_op`` over one row of vectors, hexadecimal; the k-th
    WRITE of a product takes the k-th input of its vectors, higher digits after all lower ones. Raises `ParameterError`
    before anything is written where ``out`` holds what no earlier call wrote, unless ``force``.
    """
    check_folder(out, BITLINE_REPORT, force)
    encode = program.config.encode
    beats = {
        layer.name: [[f"{encode(instruction):x}" for instruction in one] for one in layer.programs]
        for layer in program.layers
        if layer.programs
    }
    files: dict[str, str | bytes] = {
        BITLINE_REPORT: json.dumps(program.report) + "\n",
        OPERATIONS: json.dumps(beats) + "\n",
    }
    files[NETWORK] = network.read_bytes()
    files |= {f"{RTL}/{TOP}/{name}": text for name, text in render(program.config, TOP).items()}
    write_folder(out, files)
