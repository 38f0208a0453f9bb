"""Where tensors lie: live ones side by side, and never two that one cycle would need in the same segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.units.engine.engine_config import BANKS, FINISH_STAGE, STAGES, EngineConfig

from .products import Product
from .tensor_layout import TensorLayout

MAX_TRIALS = 200_000
MAX_PACE = 15
"""Cycles of a step are four bits of a record."""


@dataclass(frozen=True)
class _Region:
    base: int
    size: int

    def overlaps(self, other: _Region) -> bool:
        return self.base < other.base + other.size and other.base < self.base + self.size

    def segments(self, rows: int) -> set[int]:
        return set(range(self.base // rows, (self.base + self.size - 1) // rows + 1))


class _Search:
    """Places the target of one product after another; goes back where one finds no room."""

    def __init__(
        self,
        config: EngineConfig,
        products: Sequence[Product],
        layouts: Mapping[str, TensorLayout],
        kept: set[str],
        strict: bool,
    ):
        self._strict = strict
        self._config, self._products, self._layouts = config, products, layouts
        self._end = config.segments * config.bank_rows
        self._trials = 0
        self.worst = 0
        self._last = {name: len(products) for name in kept}
        for index, product in enumerate(products):
            for name in (product.source, product.skip, *product.targets):
                if name is not None:
                    self._last[name] = max(self._last.get(name, 0), index)

    def run(self) -> dict[str, int] | None:
        size = self._layouts["input"].size
        for base in self._bases({}):
            if base + size <= self._end and (found := self._place(0, {"input": _Region(base, size)})):
                return {name: region.base for name, region in found.items()}
        return None

    def _bases(self, live: Mapping[str, _Region]) -> list[int]:
        starts = {segment * self._config.bank_rows for segment in range(self._config.segments)}
        return sorted(starts | {region.base + region.size for region in live.values()})

    def _place(self, index: int, placed: dict[str, _Region]) -> dict[str, _Region] | None:
        if index == len(self._products):
            return placed
        self.worst = max(self.worst, index)
        self._trials += 1
        if self._trials > MAX_TRIALS:
            return None
        product = self._products[index]
        if product.target in placed:  # it goes on in place
            return self._place(index + 1, placed) if self._fits(product, placed, placed[product.target]) else None
        for regions in self._choices(index, product, placed):
            found = self._place(index + 1, {**placed, **regions})
            if found:
                return found
        return None

    def _choices(self, index: int, product: Product, placed: dict[str, _Region]) -> Iterator[dict[str, _Region]]:
        """Regions for the outputs, and for their copy in segments of its own."""
        for region in self._regions(index, product, placed):
            if product.also is None:
                yield {product.target: region}
                continue
            rows, name = self._config.bank_rows, product.also.target
            used = [placed[product.source], region] + [placed[s] for s in (product.skip,) if s]
            taken = set().union(*(one.segments(rows) for one in used))
            live = [r for n, r in placed.items() if self._last.get(n, -1) >= index] + [region]
            for base in self._bases({**placed, product.target: region}):
                copy = _Region(base, self._layouts[name].size)
                free = base + copy.size <= self._end and not any(copy.overlaps(other) for other in live)
                if free and not copy.segments(rows) & taken:
                    yield {product.target: region, name: copy}

    def _regions(self, index: int, product: Product, placed: dict[str, _Region]) -> list[_Region]:
        layout = self._layouts[product.target]
        live = {name: region for name, region in placed.items() if self._last.get(name, -1) >= index}
        choices = []
        skip = product.skip
        # The sum of a residual block may take the place of what joins it, word by word.
        if skip and skip != product.source and self._last[skip] == index and _alike(self._layouts[skip], layout):
            choices.append(placed[skip])
            live_in_place = {name: region for name, region in live.items() if name != skip}
            if any(region.overlaps(placed[skip]) for region in live_in_place.values()):
                choices.clear()
        for base in self._bases(live):
            region = _Region(base, layout.size)
            if base + layout.size <= self._end and not any(region.overlaps(other) for other in live.values()):
                choices.append(region)
        if skip in placed and choices and not _in_place_is_free(self._config, layout):
            choices.sort(key=lambda region: region == placed[skip])
        return [region for region in choices if self._fits(product, placed, region)]

    def _fits(self, product: Product, placed: dict[str, _Region], target: _Region) -> bool:
        """Whether source, target and what joins lie in segments of their own, the last perhaps in place."""
        if not self._strict:
            return True
        rows = self._config.bank_rows
        source = placed[product.source].segments(rows)
        if source & target.segments(rows):
            return False
        if product.skip is None:
            return True
        skip = placed.get(product.skip, target)
        if skip.segments(rows) & source and product.skip != product.source:
            return False
        return skip == target or not skip.segments(rows) & target.segments(rows)


def needed_pace(
    config: EngineConfig, product: Product, layouts: Mapping[str, TensorLayout], bases: Mapping[str, int]
) -> int:
    """Cycles of a step that ends sums: a phase each, and more where what it reads and writes shares segments.

    Then no access of a later step may come before the last of this one: a step's skip words are read `FINISH_STAGE`
    cycles after its issue, its outputs written in `STAGES`, while the next one's source words are read after one.
    """

    def segments(name: str) -> set[int]:
        return _Region(bases[name], layouts[name].size).segments(config.bank_rows)

    target, source = layouts[product.target], segments(product.source)
    written = set().union(*map(segments, product.targets))
    pace = target.phases
    if source & written:
        pace = max(pace, STAGES - 1 + target.phases)
    if product.skip is not None:
        skip = segments(product.skip)
        if skip & source:
            pace = max(pace, FINISH_STAGE)
        if bases[product.skip] == bases[product.target] and product.skip != product.source:
            pace = max(pace, in_place_pace(config, target))
        elif skip & written:
            pace = max(pace, STAGES - FINISH_STAGE + target.phases)
    return pace


def _in_place_is_free(config: EngineConfig, layout: TensorLayout) -> bool:
    """Whether words that join and words that are written never meet in a bank, so that no step waits."""
    return in_place_pace(config, layout) == layout.phases


def in_place_pace(config: EngineConfig, layout: TensorLayout) -> int:
    """Cycles of a step that writes in place what joins it: the least in which no two words want one bank."""
    return next(pace for pace in range(layout.phases, MAX_PACE + 1) if not _meets(config, layout, pace))


def _meets(config: EngineConfig, layout: TensorLayout, pace: int) -> bool:
    """Whether a pixel's words would be read in the cycle and the banks in which an earlier pixel's are written."""
    _, height, width = layout.shape
    y, x = (index.ravel() for index in np.indices((height, width)))
    planes = range(min(layout.planes, config.planes))
    banks = np.zeros((height * width, BANKS), dtype=bool)
    for word in (k + plane * layout.plane_words for k in range(config.beat_words) for plane in planes):
        banks[np.arange(height * width), 2 * ((y + word) % 3) + (y + x + word) % 2] = True
    for phase in range(layout.phases):
        behind, rest = divmod(STAGES - FINISH_STAGE + phase, pace)
        if rest == 0 and behind and (banks[behind:] & banks[:-behind]).any():
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
            break
    else:
        name = products[search.worst].name
        needed = max(layout.size for layout in layouts.values())
        raise ParameterError(
            f"layer {name!r} must find room in {config.segments} segments of {config.bank_rows} rows: the largest tensor"
            f" takes {needed}; more segments or bank_rows would do"
        )
    return found
