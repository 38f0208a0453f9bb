"""What placement and wires need to know of each technology."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WireModel:
    """Height of a row of cells, um, and capacitance of a um of wire, fF: of signals, and of the clock."""

    row_height_um: float
    signal_ff_per_um: float
    clock_ff_per_um: float


# Heights: the libraries' LEF. Capacitances: `set_wire_rc` of OpenROAD-flow-scripts, flow/platforms/<name>/setRC.tcl,
# regressions of its own extraction after detailed routing (commits 6c7e24a, 83021aa, 213c957).
WIRE_MODELS = {
    "sg13g2": WireModel(3.78, 0.173072, 0.144812),
    "sky130hd": WireModel(2.72, 0.172375, 0.214962),
    "asap7": WireModel(0.27, 0.173323, 0.144549),
}
"""By the name of the technology."""
