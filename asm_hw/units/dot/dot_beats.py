"""How a layer's matrix product is cut into beats of a ``dot`` unit.

A layer is ``activations [vectors, inputs] @ weights [outputs, inputs].T``. Inputs are cut into tiles
of ``lanes``, outputs into tiles of ``columns``; both are padded with zeros, which add nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asm_hw.numbers.integers import ceil_div

from .dot_config import DotConfig


@dataclass(frozen=True)
class Beats:
    """What to stream, as codes, and how the sums map back.

    x [beats, lanes], release [beats], last [beats], w [loads, columns, lanes]. ``held`` tells whether the
    weights stay in place (one load an output tile) or stream along with every beat.
    """

    x: np.ndarray
    release: np.ndarray
    last: np.ndarray
    w: np.ndarray
    held: bool
    vectors: int
    outputs: int

    def gather(self, sums: np.ndarray) -> np.ndarray:
        """Sums [vectors * output tiles, columns] as accumulators [vectors, outputs]."""
        columns = sums.shape[1]
        # Held weights meet all vectors before the next tile of outputs; else each vector meets all tiles in turn.
        if self.held:
            tiles = sums.reshape(-1, self.vectors, columns).transpose(1, 0, 2)
        else:
            tiles = sums.reshape(self.vectors, -1, columns)
        return tiles.reshape(self.vectors, -1)[:, : self.outputs]


def schedule(config: DotConfig, weights: np.ndarray, activations: np.ndarray) -> Beats:
    """Beats that compute ``activations @ weights.T``; levels [outputs, inputs], integers [vectors, inputs].

    Inputs that fit the lanes let the weights stay in place while all vectors stream past them. Longer
    sums stream the weights along, one tile a beat, the same sequence for every vector.
    """
    outputs, vectors = len(weights), len(activations)
    w = _codes(config.weight.table, _tiles(weights, config.columns, config.lanes), "w")
    x = _codes(config.activation.table, _tiles(activations, 1, config.lanes), "x")[:, :, 0]  # [vectors, tiles, lanes]
    out_tiles, in_tiles = w.shape[:2]
    # Only a sum of one beat leaves the accumulators free for the next vector under the same weights.
    held = in_tiles == 1
    if held:
        beats = np.tile(x[:, 0], (out_tiles, 1))
        release = np.tile(np.arange(vectors) == vectors - 1, out_tiles)
    else:
        beats = np.repeat(x[:, None], out_tiles, axis=1).reshape(-1, config.lanes)
        release = np.ones(len(beats), dtype=bool)
    last = np.arange(len(beats)) % in_tiles == in_tiles - 1
    # The loads are there once: where they stream along, a player starts again from the first for each vector.
    return Beats(beats, release, last, w.reshape(-1, config.columns, config.lanes), held, vectors, outputs)


def _codes(table: list[tuple[int, int]], values: np.ndarray, name: str) -> np.ndarray:
    """The code of each value; a value without one is a fault of the network that was handed over."""
    codes, levels = np.array(sorted(table, key=lambda row: row[1]), dtype=np.int64).T
    # A value above the largest level would be looked up past the end; clipped, it fails the comparison.
    index = np.searchsorted(levels, values).clip(max=len(levels) - 1)
    if not (levels[index] == values).all():
        raise ValueError(f"{name} holds values that the unit cannot represent")
    return codes[index]


def _tiles(values: np.ndarray, rows: int, lanes: int) -> np.ndarray:
    """[n, inputs] as [row tiles, input tiles, rows, lanes], padded with 0."""
    n, inputs = values.shape
    padded = np.zeros((ceil_div(n, rows) * rows, ceil_div(inputs, lanes) * lanes), dtype=np.int64)
    padded[:n, :inputs] = values
    return padded.reshape(-1, rows, padded.shape[1] // lanes, lanes).swapaxes(1, 2)
