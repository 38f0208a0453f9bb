"""Layers of trained networks that were recorded for figures of energy, as real values (benchmarks/record_*.py)."""

from __future__ import annotations

import base64
import json
import zlib
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .level_rounding import Reals

NARROW, WIDE, MATRIX = "operands.json", "operands_wide.json", "layer64.json"


@cache
def recorded_convolution(name: str = NARROW) -> tuple[Reals, Reals]:
    """A convolution as a matrix product: activation vectors [n, terms] >= 0 and weights [outputs, terms]."""
    table = _read(name)
    maps, weights = _array(table["activations"]), _array(table["weights"])
    kernel, stride, padding = table["kernel"], table["stride"], table["padding"]
    maps = np.pad(maps, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(maps, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    # A vector for each image and place; its terms by channel, row and column of the kernel, as those of weights.
    vectors = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, weights[0].size)
    return vectors.astype(np.float64), weights.reshape(len(weights), -1).astype(np.float64)


@cache
def recorded_matrix() -> tuple[Reals, Reals]:
    """The layer of bitline arrays: activations [vectors, 64] >= 0 and weights [64, 64]."""
    table = _read(MATRIX)
    return _array(table["activations"]).astype(np.float64), _array(table["weights"]).astype(np.float64)


def _read(name: str) -> dict[str, Any]:
    return json.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _array(entry: dict[str, Any]) -> NDArray[Any]:
    data = zlib.decompress(base64.b64decode(entry["zlib_base64"]))
    return np.frombuffer(data, entry["dtype"]).reshape(entry["shape"])
