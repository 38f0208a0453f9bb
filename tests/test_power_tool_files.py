"""Exported netlists, activities and cells as power tools read them: by the rules of OpenSTA 3, and by one on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from opensta3_reading import PowerReading

from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.baselines.design_points import design_points
from asm_hw.ppa.energy.energy_export import export_energy
from asm_hw.ppa.energy.power_tool_files import plain_names
from asm_hw.ppa.energy.unit_energy import EnergyRow, map_unit, measure
from asm_hw.ppa.netlist.opensta import opensta_version
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig

DOCS = Path(__file__).resolve().parent.parent / "docs"
needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog for delays")

CONFIGS = {"mac": MacConfig(act_bits=4, acc_bits=10), "dot": DotConfig(act_bits=4, lanes=4, columns=2)}
CLOCK_MHZ = 100.0
KINDS = ("switching", "internal", "leakage")


class Exported(NamedTuple):
    """A folder of files, the name of the design in it, its figures and its MACs in a cycle."""

    folder: Path
    name: str
    technology: str
    row: EnergyRow
    macs: int

    def reading(self, folder: Path | None = None) -> PowerReading:
        folder = folder or self.folder
        return PowerReading(folder, self.name, folder / f"{self.technology}_power.lib")

    def watts(self, kind: str) -> float:
        """Our own figure as power: fJ for each MAC at the clock."""
        return float(self.row[f"{kind}_per_mac_fj"]) * self.macs * CLOCK_MHZ * 1e-9


def exported(folder: Path, unit: str, technology: str, weights: str) -> Exported:
    config, library = CONFIGS[unit], compact_library(folder, technology)
    mapped = map_unit(design_points(config, library, thorough=False)[0])
    one = measure(mapped, library, StreamOptions(cycles=60, hold=20, weights=weights), CLOCK_MHZ)
    (folder / "out").mkdir()
    export_energy(folder / "out", {}, [one], CLOCK_MHZ, technology)
    columns, lanes = config.array_shape
    return Exported(folder / "out", config.slug, technology, one.row, columns * lanes)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("small"), "mac", "sg13g2", "held")


@pytest.fixture
def changed(small, tmp_path):
    """Reads the files of ``small`` after a change to one of them."""

    def read(suffix, change):
        folder = shutil.copytree(small.folder, tmp_path / "changed")
        [path] = folder.glob(f"*{suffix}")
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before
        return small.reading(folder)

    return read


@needs_icarus
@pytest.mark.parametrize(
    ("unit", "technology", "weights"),
    [
        pytest.param(unit, technology, weights, marks=[] if unit == "mac" and weights == "held" else pytest.mark.full)
        for unit in CONFIGS
        for technology in TECHNOLOGIES
        for weights in ("held", "streaming")
    ],
)
def test_the_files_give_our_figures_by_the_rules_of_opensta_3(unit, technology, weights, tmp_path):
    one = exported(tmp_path, unit, technology, weights)
    read = one.reading()
    # Figures of rows are rounded, and those of leakage small.
    assert read.switching() + read.input_ports() == pytest.approx(one.watts("switching"), rel=0.001)
    assert read.switching() > 0 and read.input_ports() > 0
    total = read.switching() + read.input_ports() + read.internal() + read.leakage()
    assert total == pytest.approx(sum(one.watts(kind) for kind in KINDS), rel=0.05)


INSTANCE = re.compile(r"    \(INSTANCE (\w+)\n      \(NET\n.*?\n      \)\n    \)\n", re.DOTALL)


@needs_icarus
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: INSTANCE.sub("", text, count=1), "pins without activity"),
        (lambda text: INSTANCE.sub(lambda found: found[0].replace(found[1], found[1] + "x"), text, count=1), "pins"),
        (lambda text: text.replace("        (", "        (x", 1), "pins without activity, or not of the netlist"),
        (lambda text: re.sub(r"(\(INSTANCE \w+?)(\w\n      \()", r"\1\\\2", text, count=1), "in no token"),
        (lambda text: re.sub(r"(        \()(\w+)", r"\1\\\2", text, count=1), "in no token"),
        (
            lambda text: text.replace("    (INST", "    (NET (n (T0 1) (T1 0) (TX 0) (TC 0)))\n    (INST", 1),
            "instance of",
        ),
        (lambda text: re.sub(r"\(T0 (\d+)\)", r"(T0 1\1)", text, count=1), "another time"),
        (lambda text: text.rstrip()[:-1], "a parenthesis is open"),
    ],
    ids=[
        "instance gone",
        "other instance",
        "net for pin",
        "escaped instance",
        "escaped pin",
        "top net",
        "time",
        "open",
    ],
)
def test_the_reader_catches_a_wrong_saif(changed, change, message):
    with pytest.raises(ValueError, match=message):
        changed(".saif", change)


@needs_icarus
def test_the_reader_catches_activity_that_is_off(small, changed):
    more = changed(".saif", lambda text: re.sub(r"\(TC (\d+)\)", lambda found: f"(TC {2 * int(found[1])})", text))
    assert more.switching() == pytest.approx(2 * small.reading().switching())


@needs_icarus
def test_without_operating_conditions_there_is_no_switching_power(changed):
    gone = changed("_power.lib", lambda text: re.sub(r".*default_operating_conditions.*\n", "", text))
    assert gone.switching() == 0 and gone.internal() > 0


def test_names_become_plain_and_stay_apart():
    verilog = "wire a_3_ ;\ncell \\a[3] (.A(\\wire ), .B(\\3x ), .C(a));\nuse \\a[3] , \\a.3. ;\n"
    plain, names = plain_names(verilog)
    assert "\\" not in plain and len(set(names.values())) == 4
    assert names == {"a[3]": "a_3__", "wire": "wire_", "3x": "_3x", "a.3.": "a_3___"}
    assert plain == "wire a_3_ ;\ncell a_3__ (.A(wire_ ), .B(_3x ), .C(a));\nuse a_3__ , a_3___ ;\n"


def commands(one: Exported) -> str:
    """Those of docs/energy.md for power."""
    return re.search(r"```\n(read_liberty sg13g2_power.*?)```", (DOCS / "energy.md").read_text(), re.DOTALL)[1].replace(
        "NAME", one.name
    )


def watts_by_opensta(one: Exported, text: str) -> list[float]:
    """Internal, switching and leakage power of the whole design."""
    (one.folder / "run.tcl").write_text(text)
    log = subprocess.run(
        ["sta", "-no_init", "-no_splash", "-exit", "run.tcl"], cwd=one.folder, capture_output=True, text=True
    )
    assert "Error" not in log.stdout + log.stderr
    return [float(word) for word in re.search(r"^Total +(\S+) +(\S+) +(\S+)", log.stdout, re.MULTILINE).groups()]


@needs_icarus
@pytest.mark.skipif(opensta_version() is None, reason="needs OpenSTA: install opensta")
def test_opensta_reads_the_files(small):
    """OpenSTA 2 without the activity, which it cannot read; 3 with it, to our figures."""
    text = commands(small)
    if opensta_version().startswith("2."):
        assert min(watts_by_opensta(small, re.sub(r"read_saif.*\n|report_activity.*\n", "", text))) > 0
        return
    internal, switching, leakage = watts_by_opensta(small, text)
    read = small.reading()
    assert switching == pytest.approx(read.switching(), rel=0.01)
    assert internal + switching + leakage + read.input_ports() == pytest.approx(
        sum(small.watts(kind) for kind in KINDS), rel=0.05
    )
