"""RTL against golden: every catalogue row in each simulator; only some of them outside of the full run."""

from __future__ import annotations

import shutil

import pytest

from asm_hw.emission.emit_folder import emit
from asm_hw.sim import amaranth_simulation
from asm_hw.sim.runner import run_folder
from asm_hw.sim.unit_checks import checks_of
from asm_hw.units.catalog import CATALOG
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.registry import unit_of
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig


def one_in(count):
    """Every row, but all except one in ``count`` only in the full run."""
    return pytest.mark.parametrize(
        "name",
        [
            pytest.param(name, marks=[] if index % count == 0 else pytest.mark.full)
            for index, name in enumerate(CATALOG)
        ],
    )


@one_in(5)
def test_gateware_equals_golden(name):
    amaranth_simulation.run(CATALOG[name])


@one_in(2)
def test_verilog_equals_golden_in_verilator(name, emit_once, tmp_path):
    verdict = run_folder(emit_once(CATALOG[name]).folder, "verilator", tmp_path / "build")
    assert verdict.passed, verdict.log.read_text()[-3000:]


@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog is not installed")
@one_in(6)
def test_verilog_equals_golden_in_icarus(name, emit_once, tmp_path):
    verdict = run_folder(emit_once(CATALOG[name]).folder, "icarus", tmp_path / "build")
    assert verdict.passed, verdict.log.read_text()[-3000:]


def test_a_run_without_tests_or_results_has_not_passed(tmp_path):
    emitted = emit(MacConfig(), tmp_path)
    emitted.verilog.write_text("module broken(; endmodule\n")
    verdict = run_folder(emitted.folder, "verilator", tmp_path / "build")
    assert not verdict.passed
    assert verdict.tests == 0


def test_a_run_of_fewer_tests_than_checks_has_not_passed(tmp_path, monkeypatch):
    folder = emit(MacConfig(), tmp_path).folder
    monkeypatch.setenv("COCOTB_TEST_FILTER", "check_mac_products")
    verdict = run_folder(folder, "verilator", tmp_path / "build")
    assert (verdict.tests, verdict.failed, verdict.checks) == (1, 0, 3)
    assert not verdict.passed


@pytest.mark.parametrize(("config", "missing"), [
    (MacConfig(), set()),
    (MacConfig(acc_bits=40), {"check_mac_overflow"}),  # nothing drives 2**39 into it
    (VnScalarConfig(), set()),
    (VnScalarConfig(out_bits=9), {"check_vn_scalar_chain"}),
    (NearMemoryConfig(lanes=4, columns=2, depth=64), set()),
    (NearMemoryConfig(lanes=4, columns=2, depth=10), {"check_near_memory_late_activations", "check_near_memory_waiting_outputs"}),  # one tile
], ids=lambda value: getattr(value, "slug", ""))  # fmt: skip
def test_a_check_that_cannot_look_is_left_out(config, missing):
    every = {check.__name__ for check in unit_of(config).load("checks")}
    assert {check.__name__ for check in checks_of(config)} == every - missing


def test_a_waveform_is_left(tmp_path):
    verdict = run_folder(emit(MacConfig(), tmp_path).folder, "verilator", tmp_path / "build", waves=True)
    assert verdict.passed
    assert verdict.waveform is not None and verdict.waveform.stat().st_size > 1000
