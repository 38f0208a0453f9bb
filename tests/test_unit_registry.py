"""A unit in one place: one file beside the package, and every command works on it; parameters are declared once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import jsonschema
import pytest

from asm_hw.bench.driver import undergo
from asm_hw.errors import ParameterError
from asm_hw.sim import amaranth_simulation, verilator
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.parameters import integer, parameters_of
from asm_hw.units.registry import BUILT_IN, Unit, make_config, register, units
from asm_hw.units.unit_config import UnitConfig

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLE = REPOSITORY / "examples" / "l1_distance.py"
SCHEMA = json.loads((REPOSITORY / "asm_hw" / "emission" / "manifest.schema.json").read_text())
CONFIG = ("--unit", "l1_distance", "--element-bits", "4", "--total-bits", "9")
NAME = "l1_distance_element_bits4_total_bits9"


@pytest.fixture
def own(cli, tmp_path):
    """``asm-hw`` in a folder that holds the example's file, named in ASM_HW_UNITS."""
    shutil.copy(EXAMPLE, tmp_path)

    def run(*arguments, **environment):
        return cli(*arguments, cwd=tmp_path, **{"ASM_HW_UNITS": "l1_distance"} | environment)

    return run


def test_the_example_is_one_short_file():
    assert len(EXAMPLE.read_text().splitlines()) <= 100


def test_rtl_manifest_and_help_know_the_unit(own, tmp_path):
    assert own("rtl", *CONFIG).returncode == 0
    shown = json.loads(own("manifest", f"rtl_out/{NAME}", "--json").stdout)
    jsonschema.validate(shown, SCHEMA)
    assert [port["name"] for port in shown["ports"]] == ["clk", "rst", "en", "clear", "a", "b", "total"]
    text = " ".join(own("rtl", "--help").stdout.split())
    assert "engine, l1_distance. [default: mac]" in text
    assert "--element-bits INTEGER Bits of an element, unit l1_distance (1 to 32). [default: 8]" in text
    assert verilator.lint(tmp_path / "rtl_out" / NAME / f"{NAME}.v", NAME) == ""


def test_its_bench_runs_in_every_simulator_and_can_fail(own, tmp_path):
    passed = own("sim", *CONFIG, "--json")
    runs = json.loads(passed.stdout)["runs"]
    assert passed.returncode == 0, passed.stderr
    assert {run["simulator"] for run in runs} >= {"verilator"}
    assert all(run["tests"] == 1 and run["passed"] for run in runs)
    source = tmp_path / EXAMPLE.name
    source.write_text(
        source.read_text().replace("Mux(wide[len(self.total) :].any(), top, wide)", "wide")
    )  # wraps instead
    failed = own("sim", *CONFIG, "--simulator", "verilator", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["failed"] == 1
    program = "import l1_distance as u; from asm_hw.sim import amaranth_simulation as s; s.run(u.L1DistanceConfig())"
    simulated = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert "AssertionError: after a=" in simulated.stderr


def test_the_hand_off_bench_judges_the_rtl(own, tmp_path):
    if not shutil.which("iverilog"):
        pytest.skip("needs Icarus Verilog")
    assert own("rtl", *CONFIG).returncode == 0
    folder = tmp_path / "rtl_out" / NAME
    for wrong in (False, True):
        rtl = (folder / f"{NAME}.v").read_text()
        (tmp_path / "unit.v").write_text(rtl.replace("a > b", "a < b") if wrong else rtl)
        subprocess.run(
            ["iverilog", "-g2005", "-o", "bench", "unit.v", str(folder / f"{NAME}_tb.v")], cwd=tmp_path, check=True
        )
        result = subprocess.run(["vvp", "-N", "bench"], cwd=tmp_path, capture_output=True, text=True)
        assert ("FAIL" if wrong else "PASS: 200 responses") in result.stdout
        assert (result.returncode != 0) == wrong


def test_synth_maps_the_unit_alone(own):
    result = own("synth", *CONFIG, "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert len(rows) == 1
    assert next(iter(rows.values()))["area_um2"] > 0


def test_bad_input_of_the_unit_and_of_the_registry(own):
    for arguments, environment, words in (
        (["rtl", *CONFIG[:2], "--element-bits", "33"], {}, ["element_bits", "1 to 32", ", not 33"]),
        (["levels", *CONFIG], {}, ["unit", "weights", "l1_distance"]),
        (["catalog"], {"ASM_HW_UNITS": "nonsense"}, ["ASM_HW_UNITS", "imported", "'nonsense'"]),
        (["catalog"], {"ASM_HW_UNITS": ".relative"}, ["ASM_HW_UNITS", "imported", "'.relative'"]),
        (["rtl", "--unit", "l1_distance"], {"ASM_HW_UNITS": ""}, ["unit must be one of", "'l1_distance'"]),
    ):
        result = own(*arguments, **environment)
        assert result.returncode == 2, result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert all(word in result.stderr for word in words), result.stderr


def test_a_name_is_taken_once():
    @dataclass(frozen=True, kw_only=True)
    class Other(UnitConfig):
        unit: ClassVar[str] = "mac"

    with pytest.raises(ParameterError, match="unit 'mac' must have a name of its own"):
        register(Unit(Other, component=None, netlist_bench=None))
    assert units()["mac"].config is MacConfig


PLAIN = """
from dataclasses import dataclass
from typing import ClassVar
from asm_hw import Unit, UnitConfig, register
from asm_hw.units.parameters import choice, flag, integer

@dataclass(frozen=True, kw_only=True)
class Plain(UnitConfig):
    unit: ClassVar[str] = "{name}"
    {field}

register(Unit(Plain, component=None, netlist_bench=None))
"""


@pytest.mark.parametrize(
    ("name", "field", "sentence"),
    [
        ("plain", 'out: int = integer(1, (1, 2), "An output")', "parameter out of a unit must have another name"),
        ("plain", 'lanes: str = choice("a", ("a", "b"), "Lanes")', "parameter lanes of unit plain must be of the kind"),
        ("plain", "width: int = 3", "field width must be declared by integer, flag, choice, text or Alphabets, not 3"),
        ("Not plain", "", "unit 'Not plain' must be lower-case letters, digits and underscores"),
        ("mac", "", "unit 'mac' must have a name of its own"),
        ("plain", "raise SystemExit(7)", "must name modules that can be imported, not 'plain': SystemExit: 7"),
        ("plain", "1 / 0", "must name modules that can be imported, not 'plain': ZeroDivisionError"),
    ],
)
def test_a_unit_that_does_not_fit_is_one_sentence(cli, tmp_path, name, field, sentence):
    (tmp_path / "plain.py").write_text(PLAIN.format(name=name, field=field))
    result = cli("catalog", ASM_HW_UNITS="plain")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert sentence in result.stderr


def test_a_module_that_registers_nothing_is_refused(cli):
    result = cli("catalog", ASM_HW_UNITS="json.tool")
    assert result.returncode == 2
    assert "must name modules that register a unit, but 'json.tool' does not" in result.stderr


def test_an_integer_that_may_be_auto_takes_both(cli, tmp_path):
    field = 'total_bits: int | None = integer(None, (1, 48), "Bits", "auto")'
    (tmp_path / "plain.py").write_text(PLAIN.format(name="plain", field=field))
    for value, sentence in (
        ("49", "total_bits must be an integer from 1 to 48, not 49"),
        ("many", "total_bits must be auto or an integer from 1 to 48, not 'many'"),
    ):
        refused = cli("rtl", "--unit", "plain", "--total-bits", value, ASM_HW_UNITS="plain")
        assert (refused.returncode, refused.stderr) == (2, f"error: {sentence}\n")


def test_a_name_of_negative_values_is_an_identifier():
    @dataclass(frozen=True, kw_only=True)
    class Shifted(UnitConfig):
        unit: ClassVar[str] = "shifted"
        offset: int = integer(0, (-4, 4), "Offset")

    assert Shifted(offset=-3).slug == "shifted_offsetm3"


def test_a_check_that_reads_nothing_fails():
    class Blind:
        def set(self, port, value): ...
        def get(self, port): ...
        async def settle(self): ...
        async def edge(self): ...

    async def check_nothing(driver, config, rng):
        driver.set("en", 1)

    with pytest.raises(AssertionError, match="check_nothing has read no port"):
        undergo(check_nothing, Blind(), None).send(None)


def test_simulation_is_refused_without_assertions(cli):
    """``python -O`` would let every check pass."""
    result = cli("sim", "--unit", "multiplier", PYTHONOPTIMIZE="1")
    assert (result.returncode, result.stdout) == (2, "")
    assert "PYTHONOPTIMIZE" in result.stderr


def test_a_unit_without_checks_cannot_be_simulated():
    with pytest.raises(ParameterError, match="checks"):
        amaranth_simulation.run(_Bare())


@dataclass(frozen=True, kw_only=True)
class _Bare(UnitConfig):
    unit: ClassVar[str] = "bare_of_checks"


register(Unit(_Bare, component=None, netlist_bench=None))


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_units_are_whole(name):
    """Every part that an entry names can be imported; what the entry says fits the configuration."""
    unit = units()[name]
    assert unit.name == name
    for part in ("component", "checks", "netlist_bench"):
        assert unit.load(part), part
    config = make_config(name)
    assert (unit.energy is not None) == (config.memory_instance is not None)
    assert make_config(name, **config.parameters) == config


def test_parameters_are_declared_once():
    lanes = parameters_of(DotConfig)["lanes"]
    assert (lanes.kind, lanes.default, lanes.limits) == ("integer", 16, (1, 256))
    alphabets = parameters_of(MacConfig)["alphabets"]
    assert alphabets.kind == "alphabets" and str(alphabets.default) == "1,3"
    assert MacConfig(alphabets="3,1") == MacConfig(alphabets=[1, 3]) == replace(MacConfig(), alphabets=(1, 3))

    @dataclass(frozen=True, kw_only=True)
    class Undeclared(UnitConfig):
        unit: ClassVar[str] = "undeclared"
        width: int = 3

    with pytest.raises(ParameterError, match="field width must be declared"):
        Undeclared()
