"""Shared fixtures."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_liberty import write_library

from asm_hw.emission.emit_folder import Emitted, emit
from asm_hw.emission.manifest import load
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.units.unit_config import UnitConfig

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def cli(tmp_path):
    """Run ``asm-hw`` in an empty folder, without the caller's ASM_HW_ variables."""

    def run(*arguments: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ASM_HW_")}
        command = [sys.executable, "-m", "asm_hw.cli", *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=clean | environment, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def emit_once(tmp_path_factory):
    """Emits a configuration once for all tests, whichever process they run in: what is emitted must not be changed."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "emitted_once"
    shared.mkdir(exist_ok=True)

    def emitted(config: UnitConfig) -> Emitted:
        folder = shared / config.slug
        if not folder.is_dir():
            made = emit(config, tmp_path_factory.mktemp("emission")).folder
            with contextlib.suppress(OSError):  # another process was first
                made.rename(folder)
        return Emitted(folder, folder / f"{config.slug}.v", load(folder))

    return emitted


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Full libraries and data sets, from ASM_HW_DATA or beside the checkout; skips where absent."""
    folder = Path(os.environ.get("ASM_HW_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("needs the data folder: set ASM_HW_DATA")
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """The last bits of sums depend on the number of PyTorch's threads, and two test processes share two cores."""
    import torch  # not every machine that tests Verilog has it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def liberty(tmp_path):
    """Write cells, or a whole library body, as a library."""

    def write(*arguments: Any, **options: Any) -> Library:
        return write_library(tmp_path / "small.lib", *arguments, **options)

    return write
