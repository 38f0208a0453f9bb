"""The registers of an engine behind AXI4-Lite: one table, of which hardware, SystemRDL and page are made."""

from __future__ import annotations

from asm_hw.gateware.register_map import WORD_BITS, Access, Register, RegisterField, to_rdl

from .engine_counters import COUNTED
from .program_header import ERRORS

RDL_FILE = "engine_registers.rdl"
"""The description in SystemRDL, beside the Verilog of an engine that has registers."""
BUS = "s_axi_control"
"""What the signals of the bus begin with: Vitis HLS calls them so, and tools that package blocks infer it."""

_NOTES = """\
Registers of unit engine behind AXI4-Lite, SystemRDL 2.0: for PeakRDL and others (C headers, documentation, UVM).
0x00 to 0x0c are the control registers of a block of AMD Vitis HLS (UG1399, S_AXILITE Control Register Map), so that
drivers of such blocks start it; error stands at 0x10 in the place of its return value. auto_restart (CTRL bit 7) is not
offered and reads 0. COH: clear on handshake, COR: clear on read, TOW: toggle on write.
Words beyond the last register answer SLVERR and read 0."""
_ABOUT = "Control, status and counters of an engine."


def _interrupts(name: str, offset: int, access: Access, about: str) -> Register:
    fields = [
        RegisterField(event, bit, access, f"{event} {about}") for bit, event in enumerate(("ap_done", "ap_ready"))
    ]
    return Register(name, offset, tuple(fields))


def _counter(name: str, offset: int) -> Register:
    field = RegisterField("count", 0, Access.READ, f"{COUNTED[name]}, since the start", WORD_BITS, reset=None)
    return Register(name.upper(), offset, (field,))


REGISTERS: tuple[Register, ...] = (
    Register("CTRL", 0x00, (
        RegisterField("ap_start", 0, Access.SET, "run the program; 1 until it has ended"),
        RegisterField("ap_done", 1, Access.CLEAR_ON_READ, "the program has ended, or could not begin"),
        RegisterField("ap_idle", 2, Access.READ, "no program runs, rows are taken and words are read", reset=1),
        RegisterField("ap_ready", 3, Access.CLEAR_ON_READ, "as ap_done: the next input may be written"),
        RegisterField("interrupt", 9, Access.READ, "the port interrupt"),
    )),
    Register("GIE", 0x04, (RegisterField("enable", 0, Access.WRITE, "interrupts reach the port interrupt"),)),
    _interrupts("IP_IER", 0x08, Access.WRITE, "is noted in IP_ISR"),
    _interrupts("IP_ISR", 0x0C, Access.TOGGLE, "has come while enabled; write 1 to clear"),
    Register("ERROR", 0x10, (
        RegisterField("error", 0, Access.READ, "why the last program ended early", width=3, codes=ERRORS),
    )),
    Register("LAYER", 0x14, (RegisterField("layers", 0, Access.READ, "layers that have ended since the start", 16),)),
    *(_counter(name, 0x18 + 4 * index) for index, name in enumerate(COUNTED)),
)  # fmt: skip
"""Counters are undefined from power-up to the first start, and stay through a reset."""


def engine_rdl() -> str:
    """The text of `RDL_FILE`, the same for every engine."""
    return to_rdl("engine_registers", REGISTERS, _NOTES, _ABOUT)
