"""Products: all that an engine computes is a convolution with a requantize step. Fewer of them, where some only move.

`lowering.py` makes them of a network's nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.network.integer_requantize import Requantize
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.integers import ceil_div, integer_range
from asm_hw.units.engine.engine_records import SKIP_BITS

from .tensor_layout import stored_offset

ONES = WeightFormat(AlphabetSet((1,)), 2)
"""The weights of what is only moved or added up: 0 and 1."""

MAX_COPY_SHIFT = 4
"""Most bits by which a copy is moved down on its way."""


@dataclass(frozen=True)
class Channels:
    """Requantize of each output channel, int64 [out], on true values, not on stored ones."""

    scale: Tensor
    bias: Tensor
    shift: Tensor
    skip_scale: Tensor | None = None
    skip_shift: Tensor | None = None

    @classmethod
    def of(cls, requantize: Requantize) -> Channels:
        """Those of a node."""
        return cls(requantize.scale, requantize.bias, requantize.shift, requantize.skip_scale, requantize.skip_shift)

    @classmethod
    def passing(cls, count: int, joins: bool = False) -> Channels:
        """Values as they are, with those that join added."""
        one, zero = torch.ones(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
        return cls(one, zero, zero, one if joins else None, zero if joins else None)

    def moves_by(self, shift: int) -> bool:
        """Whether all values are only moved down by ``shift`` bits."""
        return bool((self.scale == 1).all() and (self.bias == 0).all() and (self.shift == shift).all())


@dataclass(frozen=True)
class Also:
    """A narrowed copy of a product's outputs: ``clamp((y + (1 << shift - 1)) >> shift)``, shift 0 adds nothing."""

    target: str
    shift: int
    limits: tuple[int, int]
    encode: bool = False

    def addend(self, source: ActivationFormat, target: ActivationFormat) -> int:
        """What is added to a stored value before it is moved: half a step, and the change of offsets."""
        half = 1 << self.shift - 1 if self.shift else 0
        return half - stored_offset(source) + (stored_offset(target) << self.shift)

    def fits(self, source: ActivationFormat, target: ActivationFormat) -> bool:
        """Whether the engine's few bits hold the addend, and what it makes of the largest value."""
        low, high = integer_range(SKIP_BITS + 2, signed=True)
        add = self.addend(source, target)
        return low <= add <= high and (1 << source.bits) - 1 + add >> self.shift <= high


@dataclass(frozen=True)
class LookUp:
    """A table that results go through: ``taken`` as they are before, ``entries`` by stored value, as stored values."""

    taken: ActivationFormat
    entries: tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """One layer of an engine's program: weights [out, in, kh, kw] over the tensor ``source``.

    ``skip``: the tensor that joins the sums. ``reduce``: the sums of all pixels end in one; windows that ``stride``
    takes from them do not overlap. ``largest``: the largest term counts instead of the sum. ``encode``: results go on
    to the nearest level of the target's format, or to the entry of a table, ``look_up``; ``limits`` come before it.
    ``also``: a copy in fewer bits.
    """

    name: str
    source: str
    target: str
    weight: Tensor
    weights: WeightFormat
    channels: Channels
    limits: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    skip: str | None = None
    reduce: bool = False
    largest: bool = False
    out_size: tuple[int, int] = (1, 1)
    macs: int = 0
    encode: bool = False
    also: Also | None = None
    look_up: LookUp | None = None

    def offset(self, target: ActivationFormat) -> int:
        """What is added to a result, where ``target`` is stored: memories and tables take no negative numbers."""
        return stored_offset(self.look_up.taken if self.look_up else target)

    @property
    def targets(self) -> tuple[str, ...]:
        """The tensors that it writes."""
        return (self.target,) if self.also is None else (self.target, self.also.target)

    @property
    def encoded(self) -> tuple[str, ...]:
        """Those of them that are encoded."""
        also = (self.also.target,) if self.also and self.also.encode else ()
        return (self.target, *also) if self.encode else also

    def walk(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the windows or points that a sum or the sums take from a source of ``size``."""
        if not self.reduce:
            return self.out_size
        return ceil_div(size[0], self.stride[0]), ceil_div(size[1], self.stride[1])

    @property
    def takes_pixels(self) -> bool:
        """Whether weights of 0 and 1 take something from one pixel for each output, and nothing joins."""
        point = self.weights == ONES and self.weight.shape[2:] == (1, 1)
        return point and not self.reduce and not self.largest and self.skip is None


def _maker(products: Sequence[Product], tensor: str) -> int | None:
    """The place of the first product that writes ``tensor``."""
    return next((i for i, product in enumerate(products) if product.target == tensor), None)


def join_moves(products: list[Product], kept: set[str]) -> list[Product]:
    """Selections of channels that only other ones read, as one: what lies between is not stored.

    ``kept``: tensors that must be.
    """
    readers = Counter(name for product in products for name in (product.source, product.skip) if name)
    found: list[Product] = []
    for product in products:
        maker = _maker(found, product.source)
        if maker is None or readers[product.source] > 1 or product.source in kept or not _joins(found[maker], product):
            found.append(product)
        else:
            found.append(_joined(found.pop(maker), product))
    return found


def _joins(first: Product, second: Product) -> bool:
    """Whether the second product takes pixels of the first as they are, within its height and width."""
    if not _selects(second) or not _selects(first) or (second.stride, second.padding) != ((1, 1), (0, 0)):
        return False
    if first.look_up:
        return False
    # Beyond them there are zeros, where the first one's source may go on.
    return all(own <= given for own, given in zip(second.out_size, first.out_size, strict=True))


def _joined(first: Product, second: Product) -> Product:
    """Both products as one: the second one's choice of channels, limited by both."""
    weight = torch.einsum("oi,icyx->ocyx", second.weight[:, :, 0, 0], first.weight)
    low, high = (min(max(limit, second.limits[0]), second.limits[1]) for limit in first.limits)
    return replace(
        second,
        source=first.source,
        weight=weight,
        limits=(low, high),
        stride=first.stride,
        padding=first.padding,
    )


def _selects(product: Product) -> bool:
    """Whether a product takes values as they are, at most one for each output."""
    moves = product.takes_pixels and product.channels.moves_by(0) and not product.encode
    return moves and int(product.weight.sum((1, 2, 3)).max()) <= 1


def fuse(products: list[Product], narrow_bits: int, formats: Mapping[str, ActivationFormat]) -> list[Product]:
    """Products whose outputs are only moved down by another one write both tensors at once.

    ``narrow_bits``: what the copy may have; the outputs themselves have one byte at most.
    """
    fused: list[Product] = []
    for product in products:
        maker = _maker(fused, product.source)
        also = _copy_of(product, narrow_bits, formats)
        if maker is None or also is None or not writes_alone(fused, maker, product.out_size):
            fused.append(product)
        else:
            fused[maker] = replace(fused[maker], also=also)
    return fused


def writes_alone(products: Sequence[Product], index: int, size: tuple[int, int]) -> bool:
    """Whether one product makes the whole of its tensor of this height and width, pixel by pixel, and no copy yet."""
    product = products[index]
    goes_on = any(other.target == product.target for other in products[index + 1 :])
    return not goes_on and product.also is None and not product.reduce and product.out_size == size


def _copy_of(product: Product, narrow_bits: int, formats: Mapping[str, ActivationFormat]) -> Also | None:
    """The copy that a product is, if it takes values as they are, moves all alike and changes nothing else."""
    shift = int(product.channels.shift[0])
    source, target = formats[product.source], formats[product.target]
    also = Also(product.target, shift, product.limits, product.encode)
    narrow = shift <= MAX_COPY_SHIFT and source.bits <= SKIP_BITS and target.bits <= narrow_bits
    if not narrow or product.look_up or not changes_nothing(product, shift):
        return None
    return also if also.fits(source, target) else None


def changes_nothing(product: Product, shift: int = 0) -> bool:
    """Whether every value stays in its place, moved down by ``shift`` bits, before it is clamped."""
    where = (product.stride, product.padding) == ((1, 1), (0, 0))
    if not where or not product.takes_pixels or not product.channels.moves_by(shift):
        return False
    outputs, inputs = product.weight.shape[:2]
    return outputs == inputs and torch.equal(product.weight[:, :, 0, 0], torch.eye(outputs, dtype=torch.int64))
