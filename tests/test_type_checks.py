"""``make lint`` sees every room: a wrong type that is planted anywhere is reported."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PLANTED = {
    "asm_hw/numbers/alphabets.py": 'AlphabetSet((1, 3)).usable("x")',
    "asm_hw/formats/weight_format.py": 'WeightFormat(AlphabetSet((1,)), bits="x")',
    "asm_hw/units/catalog.py": 'MacConfig(weight_bits="x").nonsense()',
    "asm_hw/units/mac/mac_unit.py": "def elaborate(self, platform): MacConfig().nonsense()",
    "asm_hw/units/dot/dot_checks.py": 'DotConfig(lanes="x").nonsense()',
    "asm_hw/emission/emit_folder.py": "emit(3)",
    "asm_hw/network/network_file.py": "save(1, 2)",
    "asm_hw/ppa/energy/unit_energy.py": "measure(1, 2, 3, 4)",
    "asm_hw/cli/unit_options.py": 'make_config(unit=3).slug + len("x").nonsense',
    "sim/runner.py": "from asm_hw.units.mac.mac_config import MacConfig as _Planted; _Planted().nonsense()",
    "sim/amaranth_simulation.py": "run(3)",
    "training/prepare.py": "prepare(1)",
    "training/layer_formats.py": 'check_range(1, 2, "x", 4)',
    "benchmarks/ppa.py": "_per_mac(1, 2)",
    "examples/dot_product.py": "import asm_hw; asm_hw.emitt(DotConfig())",
    "training/data/cifar10.py": 'cache_folder(3) + "x"',
}


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """What mypy, called as ``make lint`` calls it, says of a copy in which every planted line stands."""
    copy = tmp_path_factory.mktemp("copy")
    for root in ("asm_hw", "sim", "training", "benchmarks", "examples"):
        shutil.copytree(REPOSITORY / root, copy / root, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    for path, line in PLANTED.items():
        with (copy / path).open("a") as file:
            file.write(f"\n{line}\n")
    cached = REPOSITORY / ".mypy_cache"
    if cached.is_dir():
        shutil.copytree(cached, copy / ".mypy_cache")
    result = subprocess.run([sys.executable, "-m", "mypy"], cwd=copy, capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    return result.stdout


@pytest.mark.parametrize("path", PLANTED)
def test_a_planted_error_is_reported(reported, path):
    lines = len((REPOSITORY / path).read_text().splitlines()) + 2
    seen = re.sub(r"^(sim|training)/", r"asm_hw/\1/", path)  # through the links
    assert re.search(rf"^{re.escape(seen)}:{lines}: error:", reported, re.MULTILINE), reported[-3000:]


def test_nothing_but_the_planted_lines_is_reported(reported):
    errors = {line.split(":")[0] for line in reported.splitlines() if ": error:" in line}
    assert errors == {re.sub(r"^(sim|training)/", r"asm_hw/\1/", path) for path in PLANTED}


def test_no_module_is_excused():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["mypy"]
    assert "overrides" not in settings
    assert "disable_error_code" not in settings
    for path in (REPOSITORY / "asm_hw").rglob("*.py"):
        assert "mypy: " not in path.read_text(), path
