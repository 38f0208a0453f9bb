"""Where tensors lie: live ones side by side, and never two that one cycle would need in the same segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.network.integer_node import INPUT
from asm_hw.units.engine.engine_config import BANKS, EngineConfig

from .products import Product
from .tensor_layout import Placed, TensorLayout

MAX_TRIALS = 200_000
MAX_PACE = 15
"""Cycles of a step are four bits of a record."""


@dataclass(frozen=True)
class _Region:
    """Addresses of a tensor."""

    base: int
    size: int

    def overlaps(self, other: _Region) -> bool:
        return self.base < other.base + other.size and other.base < self.base + self.size

    def segments(self, rows: int) -> set[int]:
        return set(range(self.base // rows, (self.base + self.size - 1) // rows + 1))


_Regions = dict[str, _Region]


class _Search:
    """Places the target of one product after another; goes back where one finds no room.

    ``kept``: tensors that must stay to the end. ``strict``: no step is to wait for a segment.
    """

    def __init__(
        self,
        config: EngineConfig,
        products: Sequence[Product],
        layouts: Mapping[str, TensorLayout],
        kept: set[str],
        strict: bool,
    ):
        self._config, self._products, self._layouts, self._strict = config, products, layouts, strict
        self._end = config.segments * config.bank_rows
        self._trials = 0
        self.worst = 0
        """The furthest product that found no room yet."""
        self._last = {name: len(products) for name in kept}
        for index, product in enumerate(products):
            for name in (product.source, product.skip, *product.targets):
                if name is not None:
                    self._last[name] = max(self._last.get(name, 0), index)

    def run(self) -> dict[str, int] | None:
        """The base of every tensor; None where none was found."""
        for region in self._free(INPUT, {}):
            found = self._place({INPUT: region})
            if found:
                return {name: one.base for name, one in found.items()}
        return None

    def _place(self, first: _Regions) -> _Regions | None:
        """All tensors, with those of ``first`` where they are."""
        ways: list[Iterator[_Regions]] = [iter([first])]  # by product, those that are left to try
        while ways:
            placed = next(ways[-1], None)
            if placed is None:
                ways.pop()
                continue
            index = len(ways) - 1
            if index == len(self._products):
                return placed
            self.worst = max(self.worst, index)
            self._trials += 1
            if self._trials > MAX_TRIALS:
                return None
            ways.append(self._ways(index, placed))
        return None

    def _ways(self, index: int, placed: _Regions) -> Iterator[_Regions]:
        """What is placed once a product is, in every way, the best first."""
        product = self._products[index]
        if product.target in placed:  # it goes on in place
            if self._fits(product, placed, placed[product.target]):
                yield placed
            return
        for region in self._choices(index, product, placed):
            chosen = {**placed, product.target: region}
            if product.also is None:
                yield chosen
            else:
                yield from ({**chosen, product.also.target: copy} for copy in self._copies(index, product, chosen))

    def _live(self, index: int, placed: _Regions) -> _Regions:
        """The tensors that a product or a later one needs."""
        return {name: region for name, region in placed.items() if self._last[name] >= index}

    def _bases(self, placed: _Regions) -> list[int]:
        """Addresses at which a tensor may begin: those of segments, and behind others."""
        starts = {segment * self._config.bank_rows for segment in range(self._config.segments)}
        return sorted(starts | {region.base + region.size for region in placed.values()})

    def _free(self, name: str, live: _Regions, bases: Sequence[int] | None = None) -> list[_Region]:
        """Where the tensor ``name`` finds room beside live ones."""
        size = self._layouts[name].size
        regions = [_Region(base, size) for base in (self._bases(live) if bases is None else bases)]
        inside = [region for region in regions if region.base + size <= self._end]
        return [region for region in inside if not any(region.overlaps(other) for other in live.values())]

    def _choices(self, index: int, product: Product, placed: _Regions) -> list[_Region]:
        """Regions for the outputs, the best first."""
        layout, skip = self._layouts[product.target], product.skip
        choices = self._free(product.target, self._live(index, placed))
        # The sum of a residual block may take the place of what joins it, word by word.
        ends = skip is not None and skip != product.source and self._last[skip] == index
        if skip is not None and ends and _alike(self._layouts[skip], layout):
            waits = in_place_pace(self._config, layout) > layout.phases
            choices.insert(len(choices) if waits else 0, placed[skip])
        return [region for region in choices if self._fits(product, placed, region)]

    def _copies(self, index: int, product: Product, placed: _Regions) -> list[_Region]:
        """Regions for the narrowed copy of the outputs, which are placed: in segments of its own."""
        if product.also is None:
            return []
        rows = self._config.bank_rows
        used = {name for name in (product.source, product.target, product.skip) if name is not None}
        taken = set().union(*(placed[name].segments(rows) for name in used))
        free = self._free(product.also.target, self._live(index, placed), self._bases(placed))
        return [region for region in free if not region.segments(rows) & taken]

    def _fits(self, product: Product, placed: _Regions, target: _Region) -> bool:
        """Whether source, target and what joins lie in segments of their own, the last perhaps in place."""
        if not self._strict:
            return True
        rows = self._config.bank_rows
        source = placed[product.source].segments(rows)
        if source & target.segments(rows):
            return False
        if product.skip is None:
            return True
        skip = placed[product.skip]
        if skip.segments(rows) & source and product.skip != product.source:
            return False
        return skip == target or not skip.segments(rows) & target.segments(rows)


def needed_pace(
    config: EngineConfig, product: Product, tensors: Mapping[str, Placed], fills: Sequence[np.ndarray] = ()
) -> int:
    """Cycles of a step that ends sums: a phase each, and more where what it reads and writes shares segments.

    Then no access of a later step may come before the last of this one: a step's skip words are read ``skip_stage``
    cycles after its issue, its outputs written in ``last_stage``, while the next one's source words are read after one.
    ``fills``: as `Tiling.fills` gives them.
    """

    def segments(name: str) -> set[int]:
        placed = tensors[name]
        return _Region(placed.base, placed.layout.size).segments(config.bank_rows)

    target, source = tensors[product.target], segments(product.source)
    phases = target.layout.phases
    written = set().union(*map(segments, product.targets))
    pace = phases
    if source & written:
        pace = max(pace, config.drain + phases)
    if product.skip is not None:
        skip = segments(product.skip)
        if skip & source:
            pace = max(pace, config.skip_stage)
        if tensors[product.skip].base == target.base and product.skip != product.source:
            pace = max(pace, in_place_pace(config, target.layout, fills))
        elif skip & written:
            pace = max(pace, config.join_gap + phases)
    return pace


def in_place_pace(config: EngineConfig, layout: TensorLayout, fills: Sequence[np.ndarray] = ()) -> int:
    """Cycles of a step that writes in place what joins it: the least in which no two words want one bank."""
    none = np.zeros(layout.shape[2], dtype=bool)
    paces = range(layout.phases, MAX_PACE + 1)
    return next(pace for pace in paces if not any(_meets(config, layout, pace, one) for one in fills or [none]))


def _meets(config: EngineConfig, layout: TensorLayout, pace: int, fills: np.ndarray) -> bool:
    """Whether a pixel's words would be read in the cycle and the banks in which an earlier pixel's are written."""
    _, height, width = layout.shape
    y, x = (index.ravel() for index in np.indices((height, width)))
    planes = range(min(layout.planes, config.planes))
    banks = np.zeros((height * width, BANKS), dtype=bool)
    for word in (k + plane * layout.plane_words for k in range(config.beat_words) for plane in planes):
        banks[np.arange(height * width), 2 * ((y + word) % 3) + (y + x + word) % 2] = True
    issued = pace * np.arange(height * width) + np.tile(fills, height).cumsum()
    gap = config.join_gap
    for behind in range(1, gap + layout.phases):
        apart = issued[behind:] - issued[:-behind]
        together = (apart >= gap) & (apart < gap + layout.phases)
        if (banks[behind:] & banks[:-behind])[together].any():
            return True
    return False


def _alike(one: TensorLayout, other: TensorLayout) -> bool:
    """Whether a pixel's words lie alike in both."""
    return (one.row, one.col, one.planes, one.plane_words, one.size) == (
        other.row, other.col, other.planes, other.plane_words, other.size,
    )  # fmt: skip


def place(
    config: EngineConfig, products: Sequence[Product], layouts: Mapping[str, TensorLayout], kept: set[str]
) -> dict[str, int]:
    """The base address of every tensor. Raises `ParameterError` where the memory is too small."""
    for strict in (True, False):
        search = _Search(config, products, layouts, kept, strict)
        found = search.run()
        if found is not None:
            return found
    needed, name = max(layout.size for layout in layouts.values()), products[search.worst].name
    raise ParameterError(
        f"layer {name!r} must find room in {config.segments} segments of {config.bank_rows} rows: the largest tensor"
        f" takes {needed}; more segments or bank_rows would do"
    )
