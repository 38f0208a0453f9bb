"""Real values on the levels of a format, at the scale that loses least: NumPy alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

SAMPLE, SCALES = 1 << 12, 100
"""Reals on which a scale is fitted, and how many scales are tried."""

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = Iterable[tuple[int, int]]
"""(code, value) of every code word of a format."""


def level_array(table: Table) -> Integers:
    """The values of a code table, ascending."""
    return np.array(sorted({value for _, value in table}), np.int64)


def nearest_levels(levels: Integers, reals: Reals, population: Reals) -> Integers:
    """Each real over a common scale, rounded to the nearest of the ascending levels (ties to the smaller magnitude).

    The scale is the one of `SCALES`, from the largest of the ``population`` on the largest level down to a
    fifth of that, with the least mean squared error: a real quantizer fits its scale too.
    """
    sample = population.ravel()[:: max(1, population.size // SAMPLE)]
    largest = float(np.abs(population).max())
    scales = largest / float(np.abs(levels).max()) * np.linspace(0.2, 1.0, SCALES)
    errors = [np.square(_rounded(levels, sample / scale) * scale - sample).mean() for scale in scales]
    return _rounded(levels, reals / scales[int(np.argmin(errors))])


def _rounded(levels: Integers, values: Reals) -> Integers:
    """Each value's nearest level, by the rule of `asm_hw.numbers.level_code.LevelCode.midpoints`.

    Exact weights have one more level below zero than above, and levels without a zero take it as negative.
    """
    magnitudes = np.unique(np.abs(levels))
    # "left": on a midpoint the smaller magnitude.
    nearest = magnitudes[np.searchsorted((magnitudes[1:] + magnitudes[:-1]) / 2, np.abs(values), "left")]
    return np.where(values > 0, nearest, -nearest).clip(levels[0], levels[-1])


def codes_of(table: Table, values: Integers) -> NDArray[np.object_]:
    """The code of each value in ``table``, as Python integers of any width."""
    code_of = {value: code for code, value in table}
    return np.vectorize(code_of.__getitem__, otypes=[object])(values)
