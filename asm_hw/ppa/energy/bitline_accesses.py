"""What accesses of a bitline array take by the SRAM model, by kind: bounds, not measurements. In fJ."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from asm_hw.ppa.technology.sram_model import Sram, compute_energies_pj
from asm_hw.units.bitline.bitline_config import BitlineConfig

FJ_PER_PJ = 1000
Bound = Literal["upper", "lower"]


def cells(config: BitlineConfig) -> Sram:
    """The array as the SRAM model sees it: every column has an amplifier and a driver of its own."""
    return Sram(config.rows, config.cols, 1, 1)


def access_energy_fj(sram: Sram, kind: str, bound: Bound) -> float:
    """Energy of one access: plain ones as fitted, those of two rows by the bound."""
    if kind == "none":
        return 0.0
    if kind in ("two_row", "read_compute_write"):
        name = f"{kind}_energy_pj" if bound == "upper" else f"{kind}_energy_lower_bound_pj"
        return FJ_PER_PJ * compute_energies_pj(sram)[name]
    return FJ_PER_PJ * sram.energy_pj(kind)


def accesses_energy_fj(sram: Sram, found: Counter[str], bound: Bound = "upper") -> float:
    """Energy of all accesses, by kind as `access_kinds` counts them."""
    return sum(count * access_energy_fj(sram, kind, bound) for kind, count in found.items())
