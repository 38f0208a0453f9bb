"""A program of an engine: memory images, tensors and predicted cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.network.integer_node import INPUT
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_schedule import LayerCycles
from asm_hw.units.engine.program_header import HEADER_ROWS, Row, program_rows, stream_rows

from .folding import InputWindows
from .tensor_layout import Placed

ACCESSES = ("weight_rows", "streamed_rows", "source_words", "skip_words", "output_words")
"""Rows and words by memory: weights read and, where they stream, written; activations read, joined and written."""


@dataclass(frozen=True)
class ProgramLayer:
    """A layer of a program: the tensors that it completes, its work and what the model predicts.

    ``lane_steps``: products that the lanes could form; ``products``: those of them whose weight is not 0;
    ``moved_words``: words that change before the lanes, all taps of a window in each step, of a point those it reads;
    ``ended_sums``: steps whose sums go on to the output pipes, one of each column.
    """

    name: str
    tensors: tuple[str, ...]
    macs: int
    lane_steps: int
    products: int
    moved_words: int
    ended_sums: int
    predicted: LayerCycles

    def utilization(self) -> float:
        """Share of the products that lanes could form which the network asked for."""
        return self.macs / self.lane_steps if self.lane_steps else 0.0


@dataclass(frozen=True)
class EngineProgram:
    """What an engine needs to run a network.

    Attributes
    ----------
    program, weights : rows of these memories, the header left out; of weights perhaps more than fit
    tensors : every tensor that is stored, by the node that gives it; ``input`` among them
    output : the tensor that is the network's result
    windows : how the input is written, where not as it is
    tables : entries of the tables, one after another, as they are stored
    batch : inputs that it runs at once, side by side as pixels
    """

    config: EngineConfig
    layers: tuple[ProgramLayer, ...]
    program: list[int]
    weights: list[int]
    tensors: Mapping[str, Placed]
    output: str
    network_sha256: str
    windows: InputWindows | None = None
    batch: int = 1
    tables: Sequence[int] = ()

    @cached_property
    def cycles(self) -> int:
        """Cycles from the one of ``start`` to the one that writes the last output."""
        return sum(layer.predicted.cycles for layer in self.layers)

    @cached_property
    def rows(self) -> list[Row]:
        """What the host writes before a run, in this order: the header, program and, unless they stream, weights."""
        weights = [] if self.streamed else self.weights
        return program_rows(self.config, self.program, weights, self.streamed, self.cycles, self.tables)

    @cached_property
    def streamed(self) -> list[Row]:
        """What the host offers while a program runs, in this order, in each run."""
        return stream_rows(self.config, self.weights) if len(self.weights) > self.config.weight_rows else []

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of an input: channels, height, width."""
        return self.tensors[INPUT].layout.shape if self.windows is None else self.windows.shape

    def input_rows(self, values: np.ndarray) -> list[tuple[int, int]]:
        """(host address, word) of the input, integers of `input_shape`.

        Raises `ParameterError` for other shapes, and for integers that the input does not take.
        """
        placed = self.tensors[INPUT]
        shape, (low, high) = self.input_shape, placed.layout.format.range
        if values.shape != shape or values.dtype.kind not in "iu":
            raise ParameterError(f"inputs must be integers of shape {shape}, not {values.dtype} {values.shape}")
        if int(values.min()) < low or int(values.max()) > high:
            raise ParameterError(f"inputs must be from {low} to {high}, not {int(values.min())} to {int(values.max())}")
        rows: list[tuple[int, int]] = []
        written = values if self.windows is None else self.windows.of(values)
        for group, words in placed.layout.to_words(written).items():
            address, bank = placed.layout.places(group)
            host = ((placed.base + address) << 3 | bank).ravel().tolist()
            rows += zip(host, words.ravel().tolist(), strict=True)
        return rows

    def tensor(self, name: str, memory: np.ndarray) -> np.ndarray:
        """A stored tensor out of an image of the activation memory [addresses, 6, group]."""
        placed = self.tensors[name]
        return placed.layout.from_memory(memory, placed.base)

    @property
    def report(self) -> dict[str, Any]:
        """What ``compile --json`` prints."""
        return {
            "fits": True,
            "batch": self.batch,
            "engine": self.config.parameters,
            "layers": [
                {
                    "name": layer.name,
                    "macs": layer.macs,
                    "utilization": round(layer.utilization(), 4),
                    **_described(layer.predicted),
                }
                for layer in self.layers
            ],
            "cycles": self.cycles,
            "weight_rows": len(self.weights),
            "streamed_rows": len(self.streamed),
            "program_rows": HEADER_ROWS + len(self.program),
        }


def _described(cycles: LayerCycles) -> dict[str, Any]:
    values = asdict(cycles)
    accesses = {name: values.pop(name) for name in ACCESSES}
    counts = {name: values.pop(name) for name in ("cycles", "steps")}
    return {**counts, "accesses": accesses, "stalls": values}
