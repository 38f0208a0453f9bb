"""``asm-hw energy`` of a unit in an operand stream: bad input, its rows, and what it leaves to measure again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from asm_hw.errors import ParameterError
from asm_hw.ppa.activity import gate_simulation as activity
from asm_hw.ppa.energy.energy_export import export_energy
from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES

DOCS = Path(__file__).resolve().parent.parent / "docs"
needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog for delays")


def test_a_folder_in_the_way_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "energy.json").mkdir()
    with pytest.raises(ParameterError, match=r"must not hold a folder named energy\.json"):
        export_energy(tmp_path, {}, [], 100.0)
    assert [path.name for path in tmp_path.iterdir()] == ["energy.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unit", "multiplier"], "unit must be mac or dot for this measurement of energy, not 'multiplier'"),
        (["--clock-mhz", "0"], "clock_mhz must be from 0.001 to 100000, not 0.0"),
        (["--stream", "noise"], "stream must be one of network, half_normal, uniform, not 'noise'"),
        (["--weights", "gone"], "weights must be one of held, streaming, not 'gone'"),
        (["--cycles", "1"], "cycles must be an integer from 2 to 100000, not 1"),
        (["--hold", "0"], "hold must be an integer from 1 to 100000, not 0"),
        (["--seed", "-1"], "seed must be an integer from 0 to 4294967295, not -1"),
        (["--seeds", "0"], "seeds must be an integer from 1 to 99, not 0"),
        (["--technology", "tin"], f"technology must be one of {', '.join(TECHNOLOGIES)}, not 'tin'"),
        (["--liberty", "none.lib"], "liberty 'none.lib' must be a readable .lib or .lib.gz file"),
        (
            ["--liberty", "none.lib", "--technology", "asap7"],
            "technology must be left out where liberty names the cells",
        ),
    ],
)
def test_bad_input_is_one_sentence(cli, tmp_path, arguments, message):
    result = cli("energy", *arguments, "--out", "again")
    assert result.returncode == 2 and not (tmp_path / "again").exists()
    assert message in result.stderr and result.stderr.count("\n") == 1


@needs_icarus
def test_the_command_compares_a_unit_with_its_baselines_and_writes_what_measures_it_again(cli, tmp_path):
    small = ["--act-bits", "4", "--acc-bits", "10", "--cycles", "60", "--hold", "20"]
    result = cli("energy", *small, "--seeds", "2", "--out", "again", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert list(report["rows"]) == ["asm", "exact", "bare", "plain"]
    assert report["rows"]["plain"]["energy_ratio_to_exact"] > 1
    assert report["rows"]["exact"]["energy_ratio_to_exact"] == 1
    for row in report["rows"].values():
        first, second = row["by_seed_fj"]
        assert first == row["energy_per_mac_fj"] != second
        assert row["energy_ratio_to_bare"] == pytest.approx(
            (first + second) / sum(report["rows"]["bare"]["by_seed_fj"]), abs=0.0001
        )
    assert report["stream"]["hold"] == 20 and report["activity"] == activity.DELAYS
    names = [row["name"] for row in report["rows"].values()]
    files = {f"{name}.{kind}" for name in names for kind in ("mapped.v", "sdc", "saif", "wires.sdc")}
    assert {path.name for path in (tmp_path / "again").iterdir()} == files | {
        "energy.json",
        "sg13g2.lib",
        "sg13g2_power.lib",
    }


@needs_icarus
@pytest.mark.skipif(not shutil.which("sta"), reason="sta must be installed")
def test_what_is_left_to_measure_again_gives_the_same_period_in_opensta(cli, tmp_path):
    """The commands of docs/energy.md."""
    small = ["--act-bits", "4", "--acc-bits", "10", "--cycles", "60", "--hold", "20"]
    rows = json.loads(cli("energy", *small, "--out", "again", "--json").stdout)["rows"]
    commands = re.search(r"```\n(read_liberty.*?)```", (DOCS / "energy.md").read_text(), re.DOTALL)[1]
    for row in rows.values():
        (tmp_path / "again" / "run.tcl").write_text(commands.replace("NAME", row["name"]))
        command = ["sta", "-no_init", "-no_splash", "-exit", "run.tcl"]
        log = subprocess.run(command, cwd=tmp_path / "again", capture_output=True, text=True).stdout
        slack = float(re.search(r"(\S+) +slack", log)[1])
        assert 10 - slack == pytest.approx(row["min_period_ns"], abs=0.001)
