"""Energy, area, leakage and access time of an SRAM macro from its words and bits.

The model is linear in the shape of the cell array, with coefficients that are never negative, fitted to the
macros of IHP SG13G2 by `benchmarks/extract_sram.py`; `docs/sram.md` has its terms, errors and limits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypedDict

from asm_hw.errors import ParameterError, check_range

MIN_WORDS = 16
MAX_WORDS = 32768
MAX_BITS = 512
COLUMN_MUXES = (1, 2, 4, 8, 16)
# The macros' names have their logarithms, c2 to c4 (docs/sram.md).
_MUXES_OF_MACROS = (4, 8, 16)
_MAX_ROWS = 512  # of any macro: beyond, a generator of macros multiplexes more columns
_SHARED = ("control", "decoder", "wordline", "bitline", "io")
# The parts that an access pays for. Read and write in one access is the library's write-through.
ACCESSES = {
    "read": (*_SHARED, "sense"),
    "write": (*_SHARED, "write_back"),
    "read_write": (*_SHARED, "sense", "write_back"),
}
PARTS = ACCESSES["read_write"]


@dataclass(frozen=True)
class Sram:
    """``words`` of ``bits`` behind 1 or 2 read-write ``ports``.

    ``column_mux`` columns of cells share one sense amplifier and one write driver, so the array has
    words / column_mux rows and bits * column_mux columns. By default it is the smallest of 4, 8, 16 that
    keeps 512 rows or fewer, as in all but two of the fitted macros.
    """

    words: int
    bits: int
    ports: int = 1
    column_mux: int = 0  # 0: chosen

    def __post_init__(self) -> None:
        check_range("words", self.words, MIN_WORDS, MAX_WORDS)
        check_range("bits", self.bits, 1, MAX_BITS)
        check_range("ports", self.ports, 1, 2)
        if self.column_mux == 0:
            fitting = (mux for mux in _MUXES_OF_MACROS if self.words <= mux * _MAX_ROWS)
            # Where even 16 columns leave more rows than that, it is 16: `outside_fit` then says so.
            object.__setattr__(self, "column_mux", next(fitting, max(_MUXES_OF_MACROS)))
        # True would be found among integers, as 1.
        if isinstance(self.column_mux, bool) or self.column_mux not in COLUMN_MUXES:
            allowed = ", ".join(map(str, COLUMN_MUXES))
            raise ParameterError(f"column_mux must be one of {allowed}, not {self.column_mux!r}")
        if self.words % self.column_mux:
            raise ParameterError(f"words must be a multiple of column_mux ({self.column_mux}), not {self.words}")

    @property
    def rows(self) -> int:
        """Cells on a bit line, and word lines."""
        return self.words // self.column_mux

    @property
    def columns(self) -> int:
        """Cells on a word line, and pairs of bit lines."""
        return self.bits * self.column_mux

    @property
    def terms(self) -> dict[str, int]:
        """What the model is linear in."""
        return {
            "one": 1,
            "rows": self.rows,
            "columns": self.columns,
            "bits": self.bits,
            "rows_x_columns": self.rows * self.columns,
            "rows_x_bits": self.rows * self.bits,
        }

    @property
    def parts_pj(self) -> dict[str, float]:
        """Energy of each of `PARTS` in one access of one port, in pJ."""
        return {part: self._sum(table()["fits"]["energy_pj"][part]) for part in PARTS}

    def energy_pj(self, access: str) -> float:
        """Energy of an access, one of `ACCESSES`, of one port, in pJ."""
        return sum(self.parts_pj[part] for part in ACCESSES[access])

    def figure(self, name: str) -> float:
        """``area_um2``, ``leakage_uw`` or ``access_time_ns``."""
        return self._sum(table()["fits"][name][str(self.ports)])

    def _sum(self, coefficients: dict[str, float]) -> float:
        return sum(coefficient * self.terms[term] for term, coefficient in coefficients.items())

    @property
    def outside_fit(self) -> list[str]:
        """Where the shape lies outside those of the fitted macros with as many ports, in words."""
        fitted = [Sram(row["words"], row["bits"], row["ports"], row["column_mux"]) for row in macros()]
        outside = []
        for name in ("rows", "columns", "bits", "column_mux"):
            values = [getattr(sram, name) for sram in fitted if sram.ports == self.ports]
            if not min(values) <= getattr(self, name) <= max(values):
                outside.append(f"{name} {getattr(self, name)} is outside {min(values)} to {max(values)}")
        return outside


def compute_energies_pj(sram: Sram) -> dict[str, float]:
    """Energies of computing on the bit lines, per access of ``bits`` results, in pJ: bounds, not measurements.

    Two rows are opened at once and two single-ended amplifiers a bit sense both bit lines of the pair; read,
    compute, write stores the result in a third row within the same clock cycle. The upper bound charges
    everything that grows with columns twice for two open rows and a whole write access, less its share of
    the control, for the store. The lower bound charges the columns once, and for the store a decoder and the
    write drivers alone. `docs/sram.md` derives both.
    """
    part = sram.parts_pj
    # Two open rows need two decoders, two single-ended amplifiers a bit replace the differential one.
    least = part["control"] + 2 * part["decoder"] + part["wordline"] + part["bitline"] + part["io"] + 2 * part["sense"]
    # The pulse is not halved: each of the two cells draws its own charge from a bit line.
    most = least + part["wordline"] + part["bitline"]
    return {
        "two_row_energy_pj": most,
        "two_row_energy_lower_bound_pj": least,
        # One clock cycle, so its control counts once.
        "read_compute_write_energy_pj": most + sram.energy_pj("write") - part["control"],
        "read_compute_write_energy_lower_bound_pj": least + part["decoder"] + part["write_back"],
    }


class SramEstimate(TypedDict):
    """What ``asm-hw sram --json`` prints."""

    technology: str
    words: int
    bits: int
    ports: int
    column_mux: int
    rows: int
    columns: int
    read_energy_pj: float
    write_energy_pj: float
    area_um2: float
    leakage_uw: float
    access_time_ns: float
    parts: dict[str, float]
    computing: dict[str, float]
    extrapolated: bool
    outside_fit: list[str]
    measured: dict[str, float] | None
    leave_one_out: dict[str, dict[str, Any]]


def estimate(sram: Sram) -> SramEstimate:
    """All figures of one macro with the errors of the model."""
    outside = sram.outside_fit
    return {
        "technology": table()["technology"],
        "words": sram.words,
        "bits": sram.bits,
        "ports": sram.ports,
        "column_mux": sram.column_mux,
        "rows": sram.rows,
        "columns": sram.columns,
        "read_energy_pj": sram.energy_pj("read"),
        "write_energy_pj": sram.energy_pj("write"),
        "area_um2": sram.figure("area_um2"),
        "leakage_uw": sram.figure("leakage_uw"),
        "access_time_ns": sram.figure("access_time_ns"),
        "parts": {f"{part}_pj": energy for part, energy in sram.parts_pj.items()},
        "computing": compute_energies_pj(sram),
        "extrapolated": bool(outside),
        "outside_fit": outside,
        "measured": measured(sram),
        "leave_one_out": {name: by_ports[str(sram.ports)] for name, by_ports in table()["leave_one_out"].items()},
    }


def measured(sram: Sram) -> dict[str, float] | None:
    """The library's own figures, where a macro of exactly this shape exists."""
    shape = {"words": sram.words, "bits": sram.bits, "ports": sram.ports, "column_mux": sram.column_mux}
    for row in macros():
        if all(row[name] == value for name, value in shape.items()):
            return {name: value for name, value in row.items() if name not in shape}
    return None


def macros() -> list[dict[str, Any]]:
    """The macros of the table: shape and figures of each."""
    names = table()["macros"]["columns"]
    return [dict(zip(names, row, strict=True)) for row in table()["macros"]["rows"]]


@cache
def table() -> dict[str, Any]:
    """Macros, fitted coefficients and their errors; the source is named inside."""
    return json.loads(files(__package__).joinpath("sram_ihp.json").read_text(encoding="utf-8"))
