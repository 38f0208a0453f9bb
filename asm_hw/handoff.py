"""Files that hand a unit to other tools: filelist and timing constraints."""

from __future__ import annotations

from .config import MultiplierConfig


def filelist(name: str) -> str:
    """A ``-f`` filelist; paths are relative to the folder that holds it."""
    return f"{name}.v\n"


def sdc(config: MultiplierConfig, clock_mhz: float) -> str:
    """Synopsys Design Constraints at ``clock_mhz``; ports change and settle at the clock edge.

    A combinational unit is constrained by a virtual clock of the same period.
    """
    period_ns = 1000 / clock_mhz
    clock = "clk" if config.latency else "virtual_clk"
    target = " [get_ports clk]" if config.latency else ""
    inputs = "[all_inputs -no_clocks]" if config.latency else "[all_inputs]"
    return (
        f"# {clock_mhz:g} MHz; time in ns\n"
        f"create_clock -name {clock} -period {period_ns:.3f}{target}\n"
        f"set_input_delay 0.000 -clock {clock} {inputs}\n"
        f"set_output_delay 0.000 -clock {clock} [all_outputs]\n"
    )
