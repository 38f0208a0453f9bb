"""The examples run and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LAST = {
    "dot_product": "lines, latency 1 cycles",
    "near_memory_streams": "34 cycles, 12 of them for rows",
    "keyword_spotting": "every stored tensor as in the golden model",
    "own_model": "weights of 7 bits on 95 levels, A=8",
}


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == LAST.keys() | {"l1_distance"}  # tests/test_unit_registry.py


@pytest.mark.parametrize(
    "name",
    ["dot_product", "keyword_spotting", "own_model", pytest.param("near_memory_streams", marks=pytest.mark.full)],
)
def test_example(name):
    run = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].endswith(LAST[name])
