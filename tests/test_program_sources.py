"""What cached results depend on: the files of the program, derived from its imports; and the cores that make them."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict

import pytest

from asm_hw import worker_pools
from asm_hw.cache import content_key
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.energy import energy_comparison
from asm_hw.ppa.energy.unit_energy import MappedUnit
from asm_hw.ppa.netlist import program_sources, synthesis
from asm_hw.ppa.netlist.program_sources import ROOT, sources_of
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.units.mac.mac_config import MacConfig

NO_CELLS = Library("none", ())
NOTHING_MAPPED = asdict(synthesis.Synthesis("plain", 0, 0.0, 0.0, "", {}, "", "", ""))
LEAVES = {
    "asm_hw.ppa.netlist.synthesis": ["cache.py", "ppa/netlist/clock_tree.py", "ppa/technology/cell_functions.py"],
    "asm_hw.ppa.energy.unit_energy": [
        "golden/integer_arithmetic.py",  # imported inside a function
        "numbers/bit_fields.py",
        "ppa/activity/operands.json",
        "ppa/activity/vcd_file.py",
        "ppa/energy/energy_accounting.py",
        "sim/verilator.py",  # through a link
    ],
    "asm_hw.units.dot.dot_unit": ["gateware/part_names.py", "gateware/lanes.py"],
}


@pytest.mark.parametrize(("module", "leaves"), LEAVES.items(), ids=LEAVES)
def test_sources_are_followed_to_the_end(module, leaves):
    names = {path.relative_to(ROOT).as_posix() for path in sources_of(module)}
    assert names >= {*leaves, "__init__.py", f"{module.removeprefix('asm_hw.').replace('.', '/')}.py"}
    assert not any(name.startswith(("report", "cli", "training", "ppa/fpga")) for name in names)


@pytest.fixture
def copied(monkeypatch, tmp_path):
    """The package's tree as a copy that a test may change; what was found of the original is forgotten."""
    root = tmp_path / "asm_hw"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(program_sources, "ROOT", root)
    program_sources._followed.cache_clear()
    yield root
    program_sources._followed.cache_clear()


def test_a_touched_import_of_an_import_changes_the_key(copied):
    module = "asm_hw.ppa.energy.unit_energy"
    before = content_key([], sources_of(module))
    for name in ("cli/commands.py", "ppa/fpga/place_and_route.py"):
        (copied / name).write_text("# not imported\n")
    assert content_key([], sources_of(module)) == before
    for name in LEAVES[module]:
        path = copied / name
        kept = path.read_bytes()
        path.write_bytes(kept + b"\n")
        assert content_key([], sources_of(module)) != before, name
        path.write_bytes(kept)
    assert content_key([], sources_of(module)) == before


def test_imports_for_type_checkers_alone_do_not_count(copied):
    path = copied / "ppa" / "netlist" / "yosys.py"
    path.write_text(path.read_text() + "\nif TYPE_CHECKING:\n    from asm_hw.report.progress import working\n")
    assert copied / "report" / "progress.py" not in sources_of("asm_hw.ppa.netlist.yosys")


def test_a_module_of_ones_own_counts(tmp_path, monkeypatch):
    (tmp_path / "own_part.py").write_text("from asm_hw.gateware import lanes\n")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("own_part")
    try:
        assert {tmp_path / "own_part.py", ROOT / "gateware" / "lanes.py"} <= set(sources_of("own_part"))
    finally:
        del sys.modules["own_part"]


def test_each_kept_result_names_its_programs(monkeypatch):
    """The keys of mapped netlists and of rows of energy hold the sources of what makes them."""
    seen = {}

    def kept(name, key, make):
        seen[name] = key
        return {"rtlil": ""} if name == "synthesized" else NOTHING_MAPPED

    for module in (synthesis, energy_comparison):
        monkeypatch.setattr(
            module, "content_key", lambda texts, files: {path for path in files if path.is_relative_to(ROOT)}
        )
        monkeypatch.setattr(module, "kept", kept)
    synthesis.synthesize("module m(); endmodule", "m", NO_CELLS, "plain")
    unit = MappedUnit(MacConfig(), [], "rtl", "netlist", "netlist", "plain")
    energy_comparison.measured_row(unit, NO_CELLS, StreamOptions(), 100.0)
    shared, parts = ROOT / "ppa" / "netlist" / "clock_tree.py", ROOT / "ppa" / "energy" / "energy_parts.py"
    assert shared in seen["mapped"] & seen["energy"]
    assert {parts, ROOT / "units" / "mac" / "mac_unit.py"} <= seen["energy"] - seen["mapped"]


def test_pools_are_as_large_as_this_process_may_be(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert worker_pools.usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert worker_pools.usable_cores() == 6
    assert worker_pools.in_threads(lambda number: number * number, range(9)) == [n * n for n in range(9)]
