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
    errors = [np.square(levels[_index(levels, sample / scale)] * scale - sample).mean() for scale in scales]
    return levels[_index(levels, reals / scales[int(np.argmin(errors))])]


def _index(levels: Integers, values: Reals) -> Integers:
    """Where the nearest level stands in the ascending ``levels``."""
    above = np.searchsorted(levels, values).clip(1, len(levels) - 1)
    down, up = values - levels[above - 1], levels[above] - values
    smaller = np.abs(levels[above - 1]) <= np.abs(levels[above])
    return above - ((down < up) | ((down == up) & smaller))


def codes_of(table: Table, values: Integers) -> NDArray[np.object_]:
    """The code of each value in ``table``, as Python integers of any width."""
    code_of = {value: code for code, value in table}
    return np.vectorize(code_of.__getitem__, otypes=[object])(values)
