"""Random small integer networks with every node that an engine runs."""

from __future__ import annotations

import random
from typing import Any

import torch

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_requantize import Requantize, multiplier_code
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.numbers.alphabets import AlphabetSet

Shape = tuple[int, int, int]


class RandomNetwork:
    """Draws nodes one after another; each reads any tensor before it."""

    def __init__(
        self, seed: int, alphabets: tuple[int, ...], largest_bits: int, act_alphabets: tuple[int, ...] | None = None
    ):
        self._rng = random.Random(seed)
        self._torch = torch.Generator().manual_seed(seed)
        self._alphabets = AlphabetSet(alphabets)
        self._largest_bits = largest_bits
        self._act_alphabets = act_alphabets and AlphabetSet(act_alphabets)
        self._nodes: list[IntegerNode] = []
        shape = (self._rng.choice([1, 2, 3, 5, 12]), self._rng.randint(3, 11), self._rng.randint(3, 11))
        self.input_format = ActivationFormat(self._rng.choice([4, 8, 8, 3]), self._rng.random() < 0.5)
        self._tensors: dict[str, tuple[Shape, ActivationFormat]] = {"input": (shape, self.input_format)}
        self.input_shape = shape

    def network(self) -> IntegerNetwork:
        """Up to seven nodes, sometimes a matrix product at the end."""
        kinds = [self._conv, self._conv, self._conv, self._residual, self._sum, self._concat, self._pool, self._move]
        self._conv("input")
        for _ in range(self._rng.randint(1, 6)):
            self._rng.choice(kinds)(self._pick())
        if self._rng.random() < 0.4:
            self._linear(self._pick())
        return IntegerNetwork(
            layers=tuple(self._nodes),
            input_shape=self.input_shape,
            input_scale=1.0,
            output_scale=1.0,
            input_format=self.input_format,
        )

    def _pick(self) -> str:
        """A tensor, mostly a late one."""
        names = list(self._tensors)
        return names[-1] if self._rng.random() < 0.7 else self._rng.choice(names)

    def _add(self, node: IntegerNode, sources: tuple[str, ...]) -> None:
        shapes, formats = zip(*(self._tensors[source] for source in sources), strict=True)
        shape = node.output_shape(*shapes)
        self._nodes.append(node)
        if len(shape) == 3:
            self._tensors[node.name] = (shape, node.output_format(*formats))

    def _name(self) -> str:
        return f"n{len(self._nodes)}"

    def _integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high + 1, shape, generator=self._torch)

    def _requantize(self, channels: int, bits: int | None = None, joins: bool = False, shift: int = 10) -> Requantize:
        levels = torch.tensor([v for v in multiplier_code(self._alphabets).levels if abs(v) < 1 << 10 and v])

        def scales() -> torch.Tensor:
            return levels[self._integers(0, len(levels) - 1, channels)]

        bits = bits or self._rng.choice([4, 4, 4, 8, 8, 3, 2])
        signed = self._rng.random() < 0.3
        encode = self._act_alphabets if bits > 1 + signed and self._rng.random() < 0.4 else None
        return Requantize(
            alphabets=self._alphabets,
            scale=scales(),
            bias=self._integers(-(1 << shift + 2), 1 << shift + 2, channels),
            shift=self._integers(max(0, shift - 4), shift, channels),
            bits=bits,
            signed=signed,
            encode=encode,
            skip_scale=scales() if joins else None,
            skip_shift=self._integers(0, 3, channels) if joins else None,
            limits=(0, (1 << bits - signed) - 1) if self._rng.random() < 0.2 else None,
        )

    def _weights(self, stored: ActivationFormat, *shape: int) -> dict[str, Any]:
        weight_bits = self._rng.choice([5, 5, 4, 3, 8, 6])
        operands = ProductFormat.of(self._alphabets, weight_bits, stored.bits, stored.signed, stored.alphabets)
        levels = torch.tensor(operands.weight.levels.levels)
        return {"operands": operands, "weight": levels[self._integers(0, len(levels) - 1, *shape)]}

    def _conv(self, source: str, joined: str | None = None) -> None:
        (channels, height, width), stored = self._tensors[source]
        kernel = self._rng.choice([(1, 1), (3, 3), (3, 3), (2, 2), (5, 5), (1, 3), (4, 1), (3, 2), (5, 4)])
        stride = self._rng.choice([(1, 1), (1, 1), (2, 2), (3, 3), (1, 2), (4, 1)])
        padding = (self._rng.randint(0, kernel[0] // 2), self._rng.randint(0, kernel[1] // 2))
        dilation = (2, 2) if kernel == (3, 3) and self._rng.random() < 0.2 else (1, 1)
        groups = self._rng.choice([g for g in (1, 1, 2, 3, channels) if channels % g == 0])
        outputs = self._rng.choice([1, 4, 7, 16, 33, 70]) // groups * groups or groups
        if joined:
            outputs, stride = self._tensors[joined][0][0], (1, 1)
            kernel, padding, dilation = (3, 3), (1, 1), (1, 1)
            groups = 1
        reach = [d * (k - 1) + 1 - 2 * p for d, k, p in zip(dilation, kernel, padding, strict=True)]
        if reach[0] > height or reach[1] > width:
            kernel, padding, dilation = (1, 1), (0, 0), (1, 1)
        node = IntegerConv2d(
            name=self._name(),
            sources=(source, joined) if joined else (source,),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            requantize=self._requantize(outputs, joins=joined is not None),
            **self._weights(stored, outputs, channels // groups, *kernel),
        )
        self._add(node, node.sources)

    def _residual(self, source: str) -> None:
        """A convolution that another tensor of the same height and width joins, if there is one."""
        size = self._tensors[source][0][1:]
        alike = [name for name, (shape, stored) in self._tensors.items() if shape[1:] == size and stored.bits <= 8]
        self._conv(source, self._rng.choice(alike))

    def _sum(self, source: str) -> None:
        """A narrower copy, or two tensors alike."""
        shape, stored = self._tensors[source]
        if stored.bits > 4 and self._rng.random() < 0.5:
            count = shape[0]
            one, zero = torch.ones(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
            narrow = Requantize(
                alphabets=self._alphabets,
                scale=one,
                bias=zero,
                shift=zero + 3,
                bits=4,
                signed=stored.signed,
                encode=self._act_alphabets if self._rng.random() < 0.5 else None,
            )
            self._add(IntegerSum(name=self._name(), sources=(source,), requantize=narrow), (source,))
            return
        alike = [
            name for name, (other, f) in self._tensors.items() if other == shape and f.bits <= 8 and name != source
        ]
        sources = (source, self._rng.choice(alike)) if alike else (source,)
        requantize = self._requantize(shape[0], joins=len(sources) > 1, shift=9)
        self._add(IntegerSum(name=self._name(), sources=sources, requantize=requantize), sources)

    def _concat(self, source: str) -> None:
        size = self._tensors[source][0][1:]
        alike = [name for name, (shape, stored) in self._tensors.items() if shape[1:] == size and stored.bits <= 7]
        if self._tensors[source][1].bits > 7 or not alike:
            return
        sources = (source, *self._rng.sample(alike, min(len(alike), self._rng.randint(1, 2))))
        self._add(IntegerConcat(name=self._name(), sources=sources, count=len(sources)), sources)

    def _pool(self, source: str) -> None:
        (channels, height, width), stored = self._tensors[source]
        whole = self._rng.random() < 0.4
        kernel = (
            (height, width) if whole else (min(height, self._rng.randint(1, 3)), min(width, self._rng.randint(1, 3)))
        )
        padding = (0, 0) if whole else tuple(self._rng.randint(0, k // 2) for k in kernel)
        how: dict[str, Any] = {"kernel": kernel, "stride": (1, 1) if whole else (2, 1), "padding": padding}
        wins = stored.bits <= self._largest_bits or not stored.signed or how["padding"] == (0, 0)
        if wins and self._rng.random() < 0.5:
            self._add(IntegerMaxPool(name=self._name(), sources=(source,), **how), (source,))
        else:
            requantize = self._requantize(channels, shift=9)
            self._add(IntegerSumPool(name=self._name(), sources=(source,), requantize=requantize, **how), (source,))

    def _move(self, source: str) -> None:
        (channels, height, width), _ = self._tensors[source]
        if self._rng.random() < 0.5:
            arguments = tuple(self._rng.randint(0, most) for most in (2, 2, 2, 2, 5, 5))
            self._add(IntegerMove(name=self._name(), sources=(source,), action="pad", arguments=arguments), (source,))
            return
        starts = [self._rng.randrange(size) for size in (channels, height, width)]
        steps = [self._rng.randint(1, 3) for _ in starts]
        pairs = zip(starts, (channels, height, width), steps, strict=True)
        arguments = tuple(value for start, size, step in pairs for value in (start, size, step))
        self._add(IntegerMove(name=self._name(), sources=(source,), action="slice", arguments=arguments), (source,))

    def _linear(self, source: str) -> None:
        shape, stored = self._tensors[source]
        inputs, outputs = shape[0] * shape[1] * shape[2], self._rng.randint(1, 20)
        zero = torch.zeros(outputs, dtype=torch.int64)
        last = Requantize(alphabets=self._alphabets, scale=zero + 1, bias=zero + 77, shift=zero, bits=32, signed=True)
        node = IntegerLinear(
            name=self._name(), sources=(source,), requantize=last, **self._weights(stored, outputs, inputs)
        )
        self._add(node, (source,))
