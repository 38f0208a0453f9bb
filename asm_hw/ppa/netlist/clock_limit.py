"""The one sentence that refuses a clock which something is too slow for."""

from __future__ import annotations

from asm_hw.errors import ParameterError


class ClockError(ParameterError):
    """A clock that something is too slow for."""


def check_clock_limit(period_ns: float, clock_mhz: float, of: str) -> None:
    """Raise `ClockError` where ``of``, whose shortest clock period is ``period_ns``, does not meet the clock."""
    if period_ns > 1000 / clock_mhz:
        raise ClockError(f"clock_mhz must be at most {1000 / period_ns:.1f} for {of}, not {clock_mhz:g}")
