"""A memory as macros side by side and in banks: what the SRAM model says of all of them."""

from __future__ import annotations

from dataclasses import dataclass

from asm_hw.numbers.integers import ceil_div

from .sram_model import MAX_WORDS, Sram, measured

MACRO_BITS = 64
"""Widest macro of the fitted library; wider rows are several side by side."""


@dataclass(frozen=True)
class Memory:
    """``rows`` of ``bits``, made of macros side by side; a row is accessed as one.

    With ``bank_rows`` it is cut into banks of so many rows, of which an access wakes one; selecting is free.
    Without, that is done beyond `MAX_WORDS` rows alone.
    """

    rows: int
    bits: int
    bank_rows: int | None = None

    @property
    def _rows_per_bank(self) -> int:
        return self.bank_rows or min(self.rows, MAX_WORDS)

    @property
    def _macros(self) -> tuple[int, Sram]:
        count = ceil_div(self.bits, MACRO_BITS)
        # The library has no macro of fewer words.
        words = max(64, self._rows_per_bank)
        # The multiplexer that so many words get; any divides a multiple of 16. Then words for just that one.
        mux = Sram(ceil_div(words, 16) * 16, 1).column_mux
        return count, Sram(ceil_div(words, mux) * mux, ceil_div(self.bits, count))

    def energy_fj(self, access: str) -> float:
        """Energy of reading or writing a row: the library's own figure where it has just this macro."""
        count, sram = self._macros
        exact = measured(sram)
        # From pJ.
        return 1000 * count * (exact[f"{access}_energy_pj"] if exact else sram.energy_pj(access))

    @property
    def access_time_ns(self) -> float:
        """Access time of a macro; selecting banks is free."""
        return self._macros[1].figure("access_time_ns")

    @property
    def leakage_fj_per_ns(self) -> float:
        """Leakage of all macros."""
        return self._of_all("leakage_uw")  # a uW is a fJ per ns

    @property
    def area_um2(self) -> float:
        """Area of all macros, without what selects banks."""
        return self._of_all("area_um2")

    def _of_all(self, figure: str) -> float:
        count, sram = self._macros
        return count * ceil_div(self.rows, self._rows_per_bank) * sram.figure(figure)
