"""A bench that cannot fail is no bench: each mutation of the gateware must be caught in Verilator.

The mutated package emits Verilog; the benches and the golden model that judge it are the real ones.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from asm_hw.sim.runner import run_folder

import asm_hw


@dataclass(frozen=True)
class Mutation:
    """``old`` (found once) becomes ``new`` in a file of asm_hw/; ``arguments`` pick the unit that shows it."""

    file: str
    old: str
    new: str
    arguments: str = "--unit mac"


MUTATIONS = {
    "shift off by one": Mutation("gateware/lane.py", 'selected << self.weight[f"shift{i}"]', 'selected << (self.weight[f"shift{i}"] + 1)'),
    "sign dropped": Mutation("gateware/lane.py", "self.addend.eq(wide ^ negative.replicate(self._config.p_bits))", "self.addend.eq(wide)"),
    "carry of the negation dropped": Mutation("gateware/lane.py", "self.carry.eq(negative)", "self.carry.eq(0)"),
    "zero flag ignored": Mutation("gateware/lane.py", 'Mux(self.weight[f"zero{i}"], 0, shifted)', "shifted"),
    "alphabets swapped": Mutation("gateware/lane.py", 'self.x[f"x{a}"] for a in digit.multiples', 'self.x[f"x{a}"] for a in digit.multiples[::-1]'),
    "digit misplaced": Mutation("gateware/lane.py", "term.shift_left(digit.position)", "term.shift_left(digit.position // 2)", "--unit multiplier --weight-bits 8"),
    "bank adds instead of subtracting": Mutation("gateware/bank.py", "left - right if step.subtract", "left + right if step.subtract", "--unit multiplier --alphabets 1,7 --weight-bits 5"),
    "decoder reads a digit wrongly": Mutation("gateware/decoder.py", "with m.Default() if value == digit.values[-1] else m.Case(index):\n                        m.d.comb += self._digit", "with m.Default() if value == digit.values[-1] else m.Case(index ^ (index == 2)):\n                        m.d.comb += self._digit"),
    "activation sign lost": Mutation("gateware/datapath.py", "code.as_signed() if shape.signed", "code.as_unsigned() if shape.signed", "--unit mac --act-signed 1 --arithmetic exact"),
    "accumulator one bit short": Mutation("gateware/mac.py", "self.acc.eq(following)", "self.acc.eq(following[:-1].as_signed())"),
    "clear ignored": Mutation("gateware/mac.py", "Mux(self.clear, 0, self.acc)", "self.acc"),
    "enable ignored": Mutation("gateware/mac.py", "with m.If(self.en):", "with m.If(1):"),
    "saturation one too high": Mutation("gateware/accumulate.py", "Mux(total > top - 1, top - 1, total)", "Mux(total > top, top - 1, total)", "--unit mac --acc-bits 12 --overflow saturate --act-signed 1"),
    "one-hot shift of one operand only": Mutation("gateware/lane.py", 'self._shift("weight", i, w_digit) + self._shift("x", j, x_digit)', 'self._shift("weight", i, w_digit)', "--unit multiplier --alphabets 1 --act-alphabets 1 --act-bits 4"),
    "held weights reloaded": Mutation("gateware/dot.py", "column.load.eq(accept & load)", "column.load.eq(accept)", "--unit dot --lanes 2"),
    "last ignored": Mutation("gateware/dot.py", "first.eq(last)", "first.eq(0)", "--unit dot --lanes 2"),
    "back-pressure ignored": Mutation("gateware/dot.py", "valid & (~self.o.valid | self.o.ready)", "valid", "--unit dot --lanes 2"),
    "a lane left out": Mutation("gateware/dot.py", "add_tree(addends)", "add_tree(addends[1:])", "--unit dot --lanes 2"),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_the_benches_catch(mutation, tmp_path):
    package = tmp_path / "asm_hw"
    shutil.copytree(Path(asm_hw.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    source = package / mutation.file
    text = source.read_text()
    assert text.count(mutation.old) == 1, f"{mutation.old!r} is not in {mutation.file} exactly once"
    source.write_text(text.replace(mutation.old, mutation.new))
    command = [sys.executable, "-m", "asm_hw.cli", "rtl", "--json", *mutation.arguments.split()]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASM_HW_")}
    emitted = subprocess.run(
        command, cwd=tmp_path, env=environment | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert emitted.returncode == 0, emitted.stderr
    verdict = run_folder(tmp_path / json.loads(emitted.stdout)["folder"], "verilator", tmp_path / "build")
    assert verdict.tests > 0, verdict.log.read_text()[-3000:]
    assert verdict.failed > 0
