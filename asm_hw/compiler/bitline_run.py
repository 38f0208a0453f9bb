"""A network whose sums a bitline array forms, value by value: by the model of the array, or by what else multiplies."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_instructions import Instruction, Operation
from asm_hw.units.bitline.bitline_model import BitlineModel
from asm_hw.units.bitline.bitline_schedule import tiles

from .bitline_products import Matmul, OnArray, sums_of


def array_tensors(
    config: BitlineConfig, network: IntegerNetwork, x: Tensor, matmul: Matmul
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Every tensor by name, int64 [n, ...], of integer inputs ``x`` [n, *input_shape], and cycles by node.

    Products go through ``matmul``, all else through the golden model.
    """
    tensors, cycles = {INPUT: x}, {}
    for node, sources in zip(network.layers, network.sources, strict=True):
        taken = [tensors[source] for source in sources]
        if isinstance(node, OnArray):
            sums, cycles[node.name] = sums_of(config, node, network.formats[sources[0]], taken[0], matmul)
            tensors[node.name] = node.requantize(sums, *taken[1:])
        else:
            tensors[node.name] = node.forward(*taken)
    return tensors, cycles


def model_matmul(config: BitlineConfig) -> Matmul:
    """A product by `BitlineModel`: all rows of vectors at once, side by side, in the cycles of one after another."""

    def matmul(weights: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, int]:
        model = BitlineModel(config, torch.zeros(config.rows, len(vectors), dtype=torch.int64))
        words = torch.from_numpy(_codes(config, vectors))
        total = np.zeros((len(weights), len(vectors)), dtype=np.int64)
        for tile in tiles(config, weights.tolist()):
            for term, multiples in enumerate(tile.rows, tile.first):
                model.execute(Instruction(Operation.WRITE, d=multiples[1]), words[:, term])
            for instruction in tile.bank:
                model.execute(instruction)
            for output, instructions in enumerate(tile.sums):
                left = [model.execute(instruction) for instruction in instructions][-1]
                assert left is not None
                total[output] += left.numpy()
        return total.T, ceil_div(len(vectors), config.words) * model.cycles + model.leaving

    return matmul


def _codes(config: BitlineConfig, values: np.ndarray) -> np.ndarray:
    """Unsigned words that hold ``values``."""
    if config.activation.levels is None:
        return values & (1 << config.columns_per_word) - 1
    code = {value: code for code, value in config.activation.table}
    return np.vectorize(code.__getitem__, otypes=[np.int64])(values)
