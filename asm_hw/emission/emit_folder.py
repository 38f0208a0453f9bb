"""A configuration to a folder of hand-off files, written beside and renamed into place."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asm_hw.errors import ParameterError
from asm_hw.handoff import handoff_files
from asm_hw.handoff.sram_wrappers import behavioural
from asm_hw.units.registry import make_component
from asm_hw.units.unit_config import DEFAULT_CLOCK_MHZ, UnitConfig

from . import manifest
from .verilog_names import check_name
from .verilog_text import to_verilog

DEFAULT_OUT = Path("rtl_out")


@dataclass(frozen=True)
class Emitted:
    """What `emit` wrote: the folder, its Verilog file and the manifest."""

    folder: Path
    verilog: Path
    manifest: dict[str, Any]


def emit(
    config: UnitConfig,
    out: Path | str = DEFAULT_OUT,
    name: str | None = None,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    force: bool = False,
) -> Emitted:
    """Write ``out/<name>/``: Verilog, manifest and the hand-off files (`handoff_files`).

    ``name`` (default: the slug of the configuration) is also the top module. A folder that an earlier
    run wrote and nobody touched since is replaced; anything else there is refused unless ``force``.
    Raises `ParameterError` before anything is written.
    """
    name = check_name(config.slug if name is None else name)
    check_clock(clock_mhz)
    out = Path(out)
    folder = out / name
    if not force:
        _check_replaceable(folder)
    check_writable(out)
    files = render(config, name, clock_mhz)
    write_folder(folder, files)
    return Emitted(folder, folder / f"{name}.v", manifest.load(folder))


def render(config: UnitConfig, name: str, clock_mhz: float = DEFAULT_CLOCK_MHZ) -> dict[str, str]:
    """All files of a unit as text, by file name; the same to the byte wherever it runs."""
    component = make_component(config)
    described = manifest.describe(config, component, name)
    verilog = to_verilog(component, name)
    _check_latency(config, verilog)
    files = {f"{name}.v": verilog + _model(config)}
    files |= handoff_files(config, described["ports"], name, clock_mhz)
    # Of all files but the manifest, which carries the hash of its own text (`seal`).
    described["sha256"] = {file: manifest.sha256(text.encode()) for file, text in files.items()}
    return files | {manifest.FILE_NAME: manifest.to_text(manifest.seal(described))}


def _check_latency(config: UnitConfig, verilog: str) -> None:
    """Refuse a unit whose manifest would name a clock that its Verilog lacks, or the reverse."""
    clocked = re.search(r"^\s*input clk;", verilog, re.MULTILINE) is not None
    if clocked != (config.latency > 0):
        allowed = "at least 1: its Verilog has a clock" if clocked else "0: its Verilog has no clock"
        raise ParameterError(f"latency of unit {config.unit} must be {allowed}, not {config.latency}")


def _model(config: UnitConfig) -> str:
    """The behavioural models of what lies behind a unit's macro boundaries."""
    return "".join(behavioural(*shape) for shape in config.macro_shapes)


def check_clock(clock_mhz: float) -> float:
    """Return ``clock_mhz`` if a period in picoseconds can express it; raise `ParameterError` otherwise."""
    if not 0.001 <= clock_mhz <= 100_000:
        raise ParameterError(f"clock_mhz must be from 0.001 to 100000, not {clock_mhz!r}")
    return clock_mhz


def _check_replaceable(folder: Path) -> None:
    """Refuse a folder that holds anything but the unchanged files of an earlier run."""
    if not os.path.lexists(folder):
        return
    advice = "choose another name or out, remove it, or pass --force"
    if folder.is_symlink() or not folder.is_dir():
        raise ParameterError(f"output {str(folder)!r} must be a folder or absent: {advice}")
    try:
        hashes = manifest.load(folder).get("sha256", {})
    except ParameterError:
        raise ParameterError(f"output folder {str(folder)!r} must be one that this tool wrote: {advice}") from None
    try:
        foreign = [path.name for path in sorted(folder.iterdir()) if not _is_ours(path, hashes)]
    except OSError as error:
        raise ParameterError(f"output folder {str(folder)!r} must be readable: {error.strerror}") from None
    if foreign:
        raise ParameterError(
            f"output folder {str(folder)!r} must hold no file of yours, but {foreign[0]!r} is: {advice}"
        )


def _is_ours(path: Path, hashes: dict[str, Any]) -> bool:
    """Whether an earlier run wrote this file and nobody touched it since."""
    if path.name == manifest.FILE_NAME:
        return manifest.is_untouched(path)
    return path.is_file() and hashes.get(path.name) == manifest.sha256(path.read_bytes())


def check_writable(out: Path) -> None:
    """Refuse an output folder that cannot be made or written, before any work is done."""
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if os.path.exists(path))
    if not existing.is_dir():
        raise ParameterError(f"out {str(out)!r} must be a folder, but {str(existing)!r} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ParameterError(f"out {str(out)!r} must be writable, but {str(existing)!r} is not")


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write ``files`` beside ``folder`` and rename them into place; what was there goes last, or comes back.

    Names may have folders in them.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder: a rename stays within one file system.
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            fresh, old = Path(scratch, "new"), Path(scratch, "old")
            fresh.mkdir()
            for name, text in files.items():
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                # The same bytes on systems with other line ends.
                (fresh / name).write_bytes(text if isinstance(text, bytes) else text.encode())
            _replace(folder, fresh, old)
            # With ``force`` it may have been anything.
            if old.is_symlink() or old.is_file():
                old.unlink()
            else:
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ParameterError(f"out {str(folder.parent)!r} must be writable: {error.strerror}") from None


def _replace(folder: Path, fresh: Path, old: Path) -> None:
    """Rename ``folder`` to ``old`` and ``fresh`` to ``folder``, or leave all as it was."""
    existed = os.path.lexists(folder)
    if existed:
        folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        if existed:
            old.rename(folder)
        raise
