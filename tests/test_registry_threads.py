"""The registry of units where threads are all the first to ask for it, as those that map design points are."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import time
from concurrent.futures import ThreadPoolExecutor
from asm_hw.units import registry

check = registry._check_kinds

def slow(unit):
    for _ in registry._UNITS.values():  # as the check itself, but long enough for another thread to add a unit
        time.sleep(0.001)
    check(unit)

registry._check_kinds = slow
found = list(ThreadPoolExecutor(8).map(lambda _: len(registry.units()), range(8)))
assert set(found) == {len(registry.BUILT_IN)}, found
"""


def test_threads_may_all_be_the_first_to_ask():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
