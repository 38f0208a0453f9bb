"""Timing constraints."""

from __future__ import annotations

from typing import Any


def period_ns(clock_mhz: float) -> str:
    """The clock period in ns, to the picosecond: the one figure that every file gives."""
    return f"{1000 / clock_mhz:.3f}"


def sdc(ports: list[dict[str, Any]], clock_mhz: float) -> str:
    """Synopsys Design Constraints at ``clock_mhz`` for the ``ports`` of a manifest.

    Ports change and settle at the clock edge. A combinational unit is constrained by a virtual clock
    of the same period. Inputs are named one by one: each timing tool leaves out the clock its own way.
    """
    inputs = [port for port in ports if port["direction"] == "input"]
    clocked = any(port["name"] == "clk" for port in inputs)
    clock, target = ("clk", " [get_ports clk]") if clocked else ("virtual_clk", "")
    data = [port for port in inputs if port["name"] != "clk"]
    names = " ".join(f"{port['name']}[*]" if port["width"] > 1 else port["name"] for port in data)
    return (
        f"# {clock_mhz:g} MHz; time in ns\n"
        f"create_clock -name {clock} -period {period_ns(clock_mhz)}{target}\n"
        f"set_input_delay 0.000 -clock {clock} [get_ports {{{names}}}]\n"
        f"set_output_delay 0.000 -clock {clock} [all_outputs]\n"
    )
