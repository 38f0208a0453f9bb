"""The smallest engine within limits: held against all candidates of a few, its refusals, and the command."""

from __future__ import annotations

import json
import re
from itertools import product

import pytest
from click.testing import CliRunner
from random_networks import RandomNetwork
from test_engine_corners import corner

from asm_hw.cli import commands as command_line
from asm_hw.compiler import area_model, engine_candidates, event_energy
from asm_hw.compiler.area_model import engine_areas_um2, memory_areas_um2, terms_of
from asm_hw.compiler.choose_engine import Limits, choose_engine
from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.engine_candidates import AMPLE, CHOSEN, rows_with, size_of, with_rows
from asm_hw.compiler.event_energy import LOGIC_PARAMETERS, SHAPE_PARAMETERS
from asm_hw.errors import ParameterError
from asm_hw.network.network_file import save
from asm_hw.ppa.technology.sram_model import Sram
from asm_hw.units.engine.engine_config import TAPS, EngineConfig

SETS = {"alphabets": (1, 3)}
FEW = {"GROUPS": (2, 4), "HOLDS": (8, 32), "SEGMENTS": (2, 4), "BANK_ROWS": (16, 128), "ROOMS": 9}
UM2 = 100.0
"""Of each term, in areas that are made up."""
NETWORKS = {"two layers join the input": corner("the input joins"), "random": RandomNetwork(20, (1, 3), 4).network()}


@pytest.fixture(autouse=True)
def nothing_measured(tmp_path, monkeypatch):
    """No area and no energy is known, unless a test writes these files."""
    for module, cached in ((area_model, area_model._fits), (event_energy, event_energy._rows)):
        monkeypatch.setattr(module, "RESULTS", tmp_path / f"{module.__name__}.json")
        cached.cache_clear()


@pytest.fixture
def areas():
    """Areas of engines on {1,3}: so much for each term."""
    config = EngineConfig(alphabets=(1, 3))
    fit = {"logic": {name: config.parameters[name] for name in LOGIC_PARAMETERS}}
    fit["um2"] = {part: dict.fromkeys(terms, UM2) for part, terms in terms_of(config).items()}
    area_model.RESULTS.write_text(json.dumps({"fits": [fit]}))


def measured(*engines):
    """Energies of engines: ({parameters}, fJ a cycle)."""
    rows = []
    for parameters, fj in engines:
        config = EngineConfig(**SETS, **parameters)
        known = {name: config.parameters[name] for name in (*LOGIC_PARAMETERS, *SHAPE_PARAMETERS)}
        rows.append({"parameters": known, "event_fj": {"all": {"cycles": fj}}})
    event_energy.RESULTS.write_text(json.dumps({"engines": rows}))


def every_engine(network):
    """(size, cycles) of all engines of `FEW` that run a network, with the rows that they need."""
    found = []
    shapes = product(FEW["GROUPS"], TAPS, (1, 2, 3), FEW["HOLDS"], FEW["SEGMENTS"], FEW["BANK_ROWS"])
    for group, taps, words, hold, segments, rows in shapes:
        sizes = {"lanes": group * taps, "taps": taps, "columns": group * words, "hold": hold}
        wide = EngineConfig(**SETS, **(AMPLE | sizes | {"segments": segments, "bank_rows": rows}))
        try:
            program = compile_network(network, wide)
        except ParameterError:
            continue
        fitted = with_rows(wide, {}, len(program.weights), 1 + len(program.program))
        found.append((size_of(fitted), program.cycles))
    return found


@pytest.mark.parametrize("known", [True, False], ids=["areas known", "areas not known"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_no_smaller_engine_is_within_the_limit(network, known, monkeypatch, request):
    if known:
        request.getfixturevalue("areas")
    for name, value in FEW.items():
        monkeypatch.setattr(engine_candidates, name, value)
    every = every_engine(network)
    by_cycles = sorted({cycles for _, cycles in every})
    assert len(by_cycles) > 20
    chosen = []
    for limit in (by_cycles[0], by_cycles[2], by_cycles[len(by_cycles) // 3], by_cycles[-1]):
        choice = choose_engine(network, SETS, Limits(max_cycles=limit))
        assert compile_network(network, choice.config).cycles == choice.cycles <= limit
        assert size_of(choice.config) == min(size for size, cycles in every if cycles <= limit)
        chosen.append(choice)
    assert len({size_of(choice.config) for choice in chosen}) > 2
    assert all((choice.area_mm2 is not None) == known for choice in chosen)
    with pytest.raises(ParameterError, match="max_cycles must be at least") as refused:
        choose_engine(network, SETS, Limits(max_cycles=by_cycles[0] - 1))
    least = int(re.search(r"at least (\d+) cycles", str(refused.value))[1])
    assert least in by_cycles
    assert choose_engine(network, SETS, Limits(max_cycles=least)).cycles <= least
    if not known:
        return
    smallest = choose_engine(network, SETS, Limits(max_area=100))
    assert size_of(smallest.config) == min(every)[0]
    assert choose_engine(network, SETS, Limits(max_area=smallest.area_mm2 * 1.0001)).config == smallest.config
    with pytest.raises(
        ParameterError, match=r"max_area must be at least .* mm2 for this network, not 0\.01: the nearest"
    ):
        choose_engine(network, SETS, Limits(max_area=0.01))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_rows_are_those_that_the_host_writes(network):
    program = compile_network(network, EngineConfig(alphabets=(1, 3), **AMPLE))
    last = {target: max(at for name, at, _ in program.rows if name == target) for target in ("program", "weights")}
    assert rows_with(program.config, program) == (last["weights"] + 1, last["program"] + 1)


def test_what_is_fixed_stays(areas):
    network = NETWORKS["two layers join the input"]
    free = choose_engine(network, SETS, Limits(max_cycles=10**6)).config
    fixed = {"taps": 9, "columns": 12, "hold": 24, "bank_rows": 512, "weight_rows": 4096, "stages": 2, "weight_bits": 8}
    assert all(getattr(free, name) != value for name, value in fixed.items())
    config = choose_engine(network, SETS | {"columns": 12}, Limits(max_cycles=10**6)).config
    assert config.columns == 12
    several = choose_engine(network, SETS | fixed, Limits(max_cycles=10**6)).config
    assert {name: getattr(several, name) for name in fixed} == fixed


def test_energy_is_limited_among_engines_that_have_some():
    network = NETWORKS["two layers join the input"]
    small = {"lanes": 12, "taps": 3, "columns": 4, "hold": 16, "segments": 4, "bank_rows": 32}
    large = {"lanes": 36, "taps": 9, "columns": 8, "hold": 32, "segments": 4, "bank_rows": 32}
    with pytest.raises(ParameterError, match="max_energy must be left out, not 1: of no engine"):
        choose_engine(network, SETS, Limits(max_energy=1))
    measured((small, 9e6), (large, 1e6))
    event_energy._rows.cache_clear()
    cycles = [compile_network(network, EngineConfig(**SETS, **shape)).cycles for shape in (small, large)]
    spent = [cycles[0] * 9e-3, cycles[1] * 1e-3]
    assert spent[1] < spent[0]
    for limit, shape, energy in ((spent[0] * 1.01, small, spent[0]), (spent[0] * 0.9, large, spent[1])):
        choice = choose_engine(network, SETS, Limits(max_energy=limit))
        assert {name: getattr(choice.config, name) for name in shape} == shape
        assert choice.energy_uj == pytest.approx(energy, rel=1e-6)
    with pytest.raises(
        ParameterError, match=rf"max_energy must be at least {spent[1]:.4g}\d* uJ for this network, not 0\.01"
    ):
        choose_engine(network, SETS, Limits(max_energy=0.01))
    with pytest.raises(ParameterError, match=f"max_cycles must be at least {cycles[1]} cycles"):
        choose_engine(network, SETS, Limits(max_energy=100, max_cycles=10))


def test_the_area_is_the_sum_of_its_parts(areas):
    config = EngineConfig(alphabets=(1, 3), segments=4, bank_rows=128, weight_rows=1536, program_rows=192)
    found = engine_areas_um2(config)
    assert found["columns"] == 16 * UM2 * (1 + 72 + 64 * 25)
    assert found["output pipes"] == 16 * UM2
    assert found["window"] == UM2 * 72 * 4
    assert found["bank selection"] == UM2 * (1 + 32 + 4 + 4 * 32)
    assert found["weight rows, outputs"] == UM2 * (72 + 16 + 2 * 72)
    assert found["control"] == UM2 * (1 + 9 + 72 + 16)
    rows = EngineConfig(alphabets=(1, 3), lanes=24, taps=3)
    assert engine_areas_um2(rows)["window"] == UM2 * 24 * 4 * 2
    memories = {
        "activation memory": 4 * 6 * Sram(128, 32).figure("area_um2"),
        "weight memory": 3 * 5 * Sram(512, 58).figure("area_um2"),
        "program memory": Sram(192, 64).figure("area_um2"),
    }
    assert memory_areas_um2(config) == pytest.approx(memories)
    assert set(found) == {*terms_of(config), *memories}
    for other in ({"alphabets": (1,)}, {"stages": 2}, {"accumulators": "memory"}, {"act_bits": 8}):
        assert engine_areas_um2(EngineConfig(**({"alphabets": (1, 3)} | other))) is None


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "lanes auto must come with max_cycles, max_area, max_energy"),
        ({"max_cycles": 0}, "max_cycles must be above 0, not 0"),
        ({"max_area": float("nan")}, "max_area must be above 0, not nan"),
        ({"max_energy": float("inf")}, "max_energy must be above 0, not inf"),
    ],
)
def test_limits_are_checked(limits, words):
    with pytest.raises(ParameterError, match=words):
        Limits(**limits)


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"columns": 0}, "columns must be an integer from 1 to 256, not 0"),
        ({"taps": 4}, "taps must be one of 1, 3, 9, not 4"),
        ({"alphabets": (1,)}, "layer 'a' must have"),
        ({"segments": 2, "bank_rows": 8}, "layer 'a' must find room in 2 segments of 8 rows"),
        ({"weight_rows": 4}, "weight_rows must be at least"),
    ],
)
def test_what_no_engine_runs_is_refused_by_its_name(fixed, words):
    with pytest.raises(ParameterError, match=words):
        choose_engine(NETWORKS["two layers join the input"], SETS | {"hold": 16} | fixed, Limits(max_cycles=10**6))


def test_the_reason_is_given_where_no_area_is_known(areas):
    network = NETWORKS["two layers join the input"]
    with pytest.raises(ParameterError, match=r"max_area must be left out, not 9: the logic .* was not measured"):
        choose_engine(network, SETS | {"stages": 2}, Limits(max_area=9))
    area_model.RESULTS.unlink()
    area_model._fits.cache_clear()
    with pytest.raises(ParameterError, match=r"max_area must be left out, not 9: what was measured is in a checkout"):
        choose_engine(network, SETS, Limits(max_area=9))


def test_the_command_says_what_was_chosen(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.safetensors"
    save(NETWORKS["two layers join the input"], path)
    few = ("--hold", "16", "--taps", "3", "--columns", "4", "--segments", "4")
    refused = cli("compile", path, *few, "--max-cycles", "2000")
    assert refused.returncode == 2
    assert refused.stderr == "error: max_cycles 2000 must be left out unless lanes are auto\n"

    def invoke(*arguments, **environment):
        command = ["compile", str(path), *few, *arguments]
        return CliRunner().invoke(command_line.cli, command, env=environment)

    for arguments, words in (
        (("--lanes", "auto"), "lanes auto must come with max_cycles"),
        (("--lanes", "auto", "--max-cycles", "20"), "max_cycles must be at least "),
    ):
        assert words in str(invoke(*arguments).exception)
    assert "'--lanes': 'many'" in invoke("--lanes", "many").output
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    made = invoke("--lanes", "auto", "--max-cycles", "2000", "--json")
    assert made.exit_code == 0, made.output
    result = json.loads(made.stdout)
    assert set(result["chosen"]) == {*CHOSEN, "cycles", "area_mm2", "energy_uj", "tried"}
    assert all(result["engine"][name] == result["chosen"][name] for name in CHOSEN)
    fixed = {"hold": 16, "taps": 3, "columns": 4, "segments": 4}
    assert {name: result["engine"][name] for name in fixed} == fixed
    assert result["cycles"] == result["chosen"]["cycles"] <= 2000
    assert result["chosen"]["tried"] >= 2
    assert json.loads((tmp_path / result["folder"] / "program.json").read_text())["engine"] == result["engine"]
    # As `make compile LANES=auto MAX_CYCLES=2000` gives them.
    shown = " ".join(invoke(ASM_HW_LANES="auto", ASM_HW_MAX_CYCLES="2000").output.split())
    assert f"chosen of {result['chosen']['tried']} that were tried: lanes {result['chosen']['lanes']}, taps 3," in shown
