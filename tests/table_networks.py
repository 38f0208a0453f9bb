"""Small integer networks with functions of stored tensors, which an engine looks up."""

from __future__ import annotations

import random

import torch
from random_networks import RandomNetwork

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_table import IntegerTable


class TableNetwork(RandomNetwork):
    """A random network of which some tensors go through tables, some of them more than once."""

    def __init__(self, seed: int, *how):
        super().__init__(seed, *how)
        self._draw = random.Random(seed)
        self._known: list[IntegerTable] = []

    def _pick(self) -> str:
        name = super()._pick()
        return self._looked_up(name) if self._draw.random() < 0.5 else name

    def _looked_up(self, source: str) -> str:
        """A table of ``source``, at times one that is there already; ``source`` where it is too wide."""
        _, taken = self._tensors[source]
        if taken.bits > 8:
            return source
        bits = self._draw.choice([4, 4, 8, 3])
        stored = ActivationFormat(bits, self._draw.random() < 0.5)
        low, high = stored.range
        values = self._integers(low, high, 1 << taken.bits)
        again = [table for table in self._known if table.taken == taken]
        if again and self._draw.random() < 0.3:
            stored, values = again[0].stored, again[0].values
        table = IntegerTable(name=self._name(), sources=(source,), taken=taken, stored=stored, values=values)
        self._known.append(table)
        self._add(table, (source,))
        return table.name


def one_table(taken: ActivationFormat, stored: ActivationFormat, shape=(3, 5, 4)) -> IntegerNetwork:
    """A network of one table, of the input."""
    low, high = stored.range
    values = torch.randint(low, high + 1, (1 << taken.bits,), generator=torch.Generator().manual_seed(taken.bits))
    table = IntegerTable(name="f", taken=taken, stored=stored, values=values)
    return IntegerNetwork(layers=(table,), input_shape=shape, input_scale=1.0, output_scale=1.0, input_format=taken)
