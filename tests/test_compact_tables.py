"""The compact cell tables against the full libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError
from asm_hw.ppa.netlist.synthesis import RECIPES, synthesize
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_library import check_power, compact_library, user_library
from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES, compact_table
from asm_hw.ppa.technology.liberty_cells import Power, load_cells
from asm_hw.ppa.technology.liberty_file import read
from asm_hw.ppa.technology.named_cells import find_special
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.registry import make_component

REPOSITORY = Path(__file__).resolve().parent.parent
TABLES = REPOSITORY / "asm_hw" / "ppa" / "technology"
FOLDERS = {"sg13g2": "ihp-sg13g2", "sky130hd": "sky130hd", "asap7": "asap7"}
SLOW = [pytest.param(name, marks=() if name == "sg13g2" else pytest.mark.full) for name in TECHNOLOGIES]
CONFIGS = [
    MultiplierConfig(),
    MultiplierConfig(alphabets=(1, 3, 5, 7), weight_bits=8),
    MultiplierConfig(weight_bits=8).baseline("exact"),
    MacConfig(alphabets=(1,)),
    MacConfig(),
    MacConfig(arithmetic="exact"),
    DotConfig(lanes=4, alphabets=(1,)),
    DotConfig(lanes=4),
    DotConfig(lanes=4).baseline("exact"),
    DotConfig(lanes=4).baseline("bare"),
]
# Input slews in ns and loads in fF that mapped designs of each technology have.
TYPICAL = {
    "sg13g2": ((0.03, 0.06, 0.12, 0.25), (2.0, 6.0, 15.0, 30.0)),
    "sky130hd": ((0.02, 0.05, 0.12, 0.25), (2.0, 5.0, 10.0, 20.0)),
    "asap7": ((0.01, 0.02, 0.03, 0.05), (0.5, 1.0, 2.0, 4.0)),
}


@pytest.fixture
def full(data_folder):
    """Finds the full library of a technology by the hashes in its table."""

    def find(technology):
        folder = data_folder / "liberty" / FOLDERS[technology]
        paths = [folder / name for name in compact_table(technology)["files_sha256"]]
        if not all(path.is_file() for path in paths):
            pytest.skip(f"needs the full library of {technology} in the data folder")
        return _library(",".join(map(str, paths)))

    return find


@cache
def _library(liberty):
    return user_library(liberty)


@pytest.mark.parametrize("technology", SLOW)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.slug)
def test_compact_table_gives_the_area_of_the_full_library(config, technology, full, tmp_path):
    verilog, recipe = to_verilog(make_component(config), config.slug), next(iter(RECIPES))
    theirs = synthesize(verilog, config.slug, full(technology), recipe)
    ours = synthesize(verilog, config.slug, compact_library(tmp_path, technology), recipe)
    print(
        f"{technology} {config.slug}: {ours.area_um2} of {theirs.area_um2} um2, {ours.delay_ns} of {theirs.delay_ns} ns"
    )
    assert ours.area_um2 == pytest.approx(theirs.area_um2, rel=0.05)
    assert ours.delay_ns == pytest.approx(theirs.delay_ns, rel=0.1)


@pytest.mark.parametrize("technology", SLOW)
def test_compact_table_is_what_its_script_extracts(technology, full, data_folder):
    """And not, for instance, an edited one."""
    full(technology)
    script = REPOSITORY / "benchmarks" / "extract_cells.py"
    command = [sys.executable, script, technology, data_folder / "liberty" / FOLDERS[technology]]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == (TABLES / f"{technology}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("technology", SLOW)
def test_internal_energies_are_those_of_the_full_library(technology, full, tmp_path):
    """In every state of every cell, each edge: within 10 % for a cell on average, 3 % over all cells."""
    ours = load_cells(compact_library(tmp_path, technology))
    theirs = load_cells(full(technology), ours)
    errors = {name: _energy_error(ours[name], theirs[name], *TYPICAL[technology]) for name in ours}
    measured = {name: error for name, error in errors.items() if error is not None}
    assert set(errors) - set(measured) <= {name for name in ours if not ours[name].inputs}  # tie cells
    worst = max(measured, key=measured.__getitem__)
    mean = sum(measured.values()) / len(measured)
    print(f"{technology}: mean {mean:.2%}, worst {worst} {measured[worst]:.2%}")
    assert measured[worst] < 0.1
    assert mean < 0.03


def _energy_error(ours, theirs, slews, loads):
    """The sum of the differences over the sum of the energies; None for a cell without any."""
    difference = total = 0.0
    for name, pin in theirs.pins.items():
        for related in {power.related for power in pin.powers}:
            groups = [[p for p in cell.pins[name].powers if p.related == related] for cell in (theirs, ours)]
            pair = [[power for power in powers if power.supply in ("", "VDD")] for powers in groups]
            names = sorted({word for powers in pair for p in powers if p.when for word in Expression(p.when).names})
            for state in product((0, 1), repeat=len(names)):
                wanted, got = (_power(powers, dict(zip(names, state, strict=True))) for powers in pair)
                for edge, slew, load in product(("rise", "fall"), slews, loads) if wanted else ():
                    assert got, f"{ours.name}.{name} lacks {related} in state {state}"
                    reference = getattr(wanted, edge).at(slew, load)
                    difference += abs(getattr(got, edge).at(slew, load) - reference)
                    total += abs(reference)
    return difference / total if total else None


def _power(powers: list[Power], state: dict[str, int]) -> Power | None:
    default = next((power for power in powers if not power.when), None)
    return next((power for power in powers if power.when and Expression(power.when)(state)), default)


@pytest.mark.parametrize("technology", SLOW)
def test_leakage_area_and_loads_are_those_of_the_full_library(technology, full, tmp_path):
    ours = load_cells(compact_library(tmp_path, technology))
    theirs = load_cells(full(technology), ours)
    for name, cell in ours.items():
        assert cell.area_um2 == theirs[name].area_um2
        assert cell.leakage_nw == pytest.approx(theirs[name].leakage_nw, rel=1e-3)
        assert sum(value for _, value in cell.leakages) == pytest.approx(
            sum(value for when, value in theirs[name].leakages if when), rel=1e-3, abs=1e-9
        )
        for pin, figures in cell.pins.items():
            assert figures.capacitance_ff == pytest.approx(theirs[name].pins[pin].capacitance_ff, rel=1e-3)


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_tables_name_their_source_and_are_small(technology):
    table = compact_table(technology)
    assert "github.com/" in table["source"]
    assert "commit" in table["source"]
    assert table["licence"] in ("Apache-2.0", "BSD-3-Clause")
    assert all(len(digest) == 64 for digest in table["files_sha256"].values())
    assert technology in table["command"]
    path = TABLES / f"{technology}.json"
    assert path.stat().st_size < 262_144
    assert json.loads(path.read_text()) == table


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_written_liberty_has_all_that_the_flows_need(technology, tmp_path):
    library = compact_library(tmp_path, technology)
    check_power(library)
    (path,) = library.paths
    cells = {cell.args[0]: cell for cell in read(path).find("cell")}
    assert find_special(cells.values()) == library.special
    assert len(cells) == len(compact_table(technology)["cells"])
    flops = load_cells(library)
    clocked = [cell for cell in flops.values() if cell.ff]
    assert len(clocked) >= 2
    for cell in clocked:
        kinds = {arc.type for pin in cell.pins.values() for arc in pin.arcs}
        assert {"rising_edge", "setup_rising", "hold_rising"} <= kinds


def test_special_cells():
    found = {name: compact_table(name)["special"] for name in TECHNOLOGIES}
    assert found["sg13g2"]["full_adder"] is None
    assert found["sg13g2"]["clock_gate"]["cell"] == "sg13g2_lgcp_1"
    assert found["sky130hd"]["full_adder"] == {
        "cell": "sky130_fd_sc_hd__fa_1",
        "inputs": ["A", "B", "CIN"],
        "sum": "SUM",
        "carry": "COUT",
        "sum_inverted": False,
        "carry_inverted": False,
    }
    assert found["asap7"]["half_adder"]["sum_inverted"]
    assert found["asap7"]["half_adder"]["carry_inverted"]
    assert found["asap7"]["clock_gate"]["test"] == "SE"
    assert all(found[name]["buffer"] and found[name]["tie_low"] for name in TECHNOLOGIES)


def test_an_exclusive_or_is_not_unate():
    """Its conditional arcs differ in sense; the merged one must say so."""
    arcs = compact_table()["cells"]["sg13g2_xor2_1"]["pins"]["X"]["arcs"]
    assert [(arc["pin"], arc["sense"]) for arc in arcs] == [("A", "non_unate"), ("B", "non_unate")]


def test_unknown_technology_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=f"technology must be one of {', '.join(TECHNOLOGIES)}, not 'tsmc5'"):
        compact_library(tmp_path, "tsmc5")
    assert list(tmp_path.iterdir()) == []
