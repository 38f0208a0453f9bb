"""Mutations of the registers behind AXI4-Lite: the model of a Vitis HLS block must catch each."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutated_package import Mutation, mutated
from register_model import check_traffic, drawn_traffic

CONTROL, FILE, PORT = "units/engine/axi_lite_engine.py", "gateware/register_file.py", "gateware/axi_lite_port.py"
SEEDS = range(4)
PROGRAM = f"""
sys.path.insert(0, {str(Path(__file__).parent)!r})
from register_model import check_outstanding, check_traffic, drawn_traffic
check_outstanding()
for seed in {list(SEEDS)}:
    check_traffic(*drawn_traffic(seed))
"""

MUTATIONS = {
    # Handshakes.
    "address before data lost": (PORT, "self.awvalid & self.awready)", "self.awvalid & self.awready & self.wvalid)"),
    "data before address lost": (PORT, "self.wvalid & self.wready)", "self.wvalid & self.wready & self.awvalid)"),
    "written without data": (PORT, "addressed & filled & ~self.bvalid", "addressed & ~self.bvalid"),
    "answer of a write not held": (PORT, "with m.Elif(self.bready):", "with m.Else():"),
    "answer of a read not held": (PORT, "with m.Elif(self.rready):", "with m.Else():"),
    "read over a waiting answer": (PORT, "self.read.eq(addressed & ~self.rvalid)", "self.read.eq(addressed)"),
    "address taken only without ready": (PORT, "self.arready.eq(~addressed)", "self.arready.eq(~addressed & ~self.rready)"),
    # Registers.
    "clear on read missing": (FILE, "Mux(read, 0, value) |", "value |"),
    "end lost to a read": (FILE, 'Mux(read, 0, value) | getattr(self, f"{name}_set")', 'Mux(read, 0, value | getattr(self, f"{name}_set"))'),
    "written 1 clears, not toggles": (FILE, "(value ^ data)", "(value & ~data)"),
    "strobes ignored": (FILE, "Mux(written, port.write_strobes, 0)", "written.replicate(WORD_BYTES)"),
    "written 0 clears a start": (FILE, 'getattr(self, f"{name}_clear")) | data', 'getattr(self, f"{name}_clear") & ~mask) | data'),
    "every word is there to read": (FILE, "port.read_error.eq(1)", "port.read_error.eq(0)"),
    "every word is there to write": (FILE, "port.write_error.eq(1)", "port.write_error.eq(0)"),
    # The block's control.
    "interrupt without global enable": (CONTROL, "file.gie_enable & (", "("),
    "interrupt of a disabled event": (CONTROL, "ends & file.ip_ier_ap_done", "ends"),
    "start stays": (CONTROL, "file.ctrl_ap_start_clear.eq(ends)", "file.ctrl_ap_start_clear.eq(0)"),
    "started again while it runs": (CONTROL, "file.ctrl_ap_start & ~running", "file.ctrl_ap_start"),
    "idle before the end is seen": (CONTROL, "file.ctrl_ap_idle.eq(~running & ~file.ctrl_ap_start)", "file.ctrl_ap_idle.eq(~self.busy)"),
    "counters in one place": (CONTROL, "self.counts[name]", 'self.counts["steps"]'),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_the_registers_pass(seed):
    check_traffic(*drawn_traffic(seed))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if i % 2 == 0 else pytest.mark.full) for i, name in enumerate(MUTATIONS)]
)
def test_the_model_catches(name, tmp_path):
    result = mutated(Mutation(*MUTATIONS[name]), tmp_path, PROGRAM)
    assert result.returncode == 1
    assert "\nAssertionError" in result.stderr, result.stderr[-3000:]
