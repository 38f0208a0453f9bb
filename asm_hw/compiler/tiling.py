"""Products cut into tiles of weights: which words each reads, and what every lane of every column holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import pack
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.engine.engine_config import QUARTET, ROWS, SIDES, EngineConfig
from asm_hw.units.engine.window_registers import WindowRegisters

from .products import Product
from .tensor_layout import TensorLayout

WINDOW_COLUMNS = 3


@dataclass(frozen=True)
class Tile:
    """Weights of one turn: codes [columns, lanes], of a window ``dy``, ``dx`` from the pixel; ``shift`` in quartets."""

    dy: int
    dx: int
    group: int
    mask: int
    shift: int
    codes: np.ndarray

    @property
    def place(self) -> tuple[int, int, int, int, int]:
        """What it reads, and what its sum is worth."""
        return self.dy, self.dx, self.group, self.mask, self.shift


@dataclass(frozen=True)
class Tiling:
    """Tiles by pass; as many in each. ``window``: over windows of three columns, not over the words of a point."""

    window: bool
    passes: list[list[Tile]]

    @cached_property
    def shared(self) -> bool:
        """Whether all passes read the same words in the same order."""
        first, *others = ([tile.place for tile in tiles] for tiles in self.passes)
        return all(places == first for places in others)

    @property
    def own(self) -> list[Tile]:
        """The tiles whose records a program holds: of one pass where they are shared."""
        return self.passes[0] if self.shared else [tile for tiles in self.passes for tile in tiles]

    def nonzero(self, zero: int) -> int:
        """Weights of all tiles but those with the code ``zero``."""
        return sum(int((tile.codes != zero).sum()) for tiles in self.passes for tile in tiles)

    def fills(self, stride: int, width: int, outputs: int) -> list[np.ndarray]:
        """Before which of the ``outputs`` steps of a row a cycle only fills the window, bool [outputs].

        Of the last tiles, whose steps end sums: one array for each place at which they begin. ``width``: of the source.
        """
        step = np.arange(outputs)
        begins = (step == 0) | (stride >= WINDOW_COLUMNS)
        columns = [dx + step * stride for dx in sorted({tiles[-1].dx for tiles in self.passes})]
        return [self.window & begins & (x >= 0) & (x < width) for x in columns]


@dataclass(frozen=True)
class _Turn:
    """Where a tile reads: ``taps`` [(tap of the lanes, group, ky, kx)]."""

    dy: int
    dx: int
    group: int
    mask: int
    taps: tuple[tuple[int, int, int, int], ...]


class Tiler:
    """Cuts one product for an engine. Raises `ParameterError` where its weights do not fit the lanes."""

    def __init__(self, config: EngineConfig, product: Product, layout: TensorLayout):
        self._config, self._product, self._layout = config, product, layout
        self._digits = _digits(config, product)  # [digits, out, in, kh, kw]
        self._code = {value: config.weight.encode(value) for value in {0, *np.unique(self._digits).tolist()}}

    def tiling(self) -> Tiling:
        """The tiling with the fewest tiles: by windows, by points, or by points whose words may be of two planes."""
        kernel = self._product.weight.shape[2:]
        plain = self._product.dilation == (1, 1) and not self._product.largest  # of which a tile takes one place
        windows = self._config.taps > 1 and plain and tuple(kernel) != (1, 1)
        found = [self._cut(True)] if windows else []
        found.append(self._cut(False))
        # Padding is one for all words of a tile, but not the same digit in each plane.
        if self._layout.planes > 1 and (self._layout.offset == 0 or self._product.padding == (0, 0)):
            found.append(self._cut(False, across=True))
        return min(found, key=lambda tiling: len(tiling.passes[0]))

    def _cut(self, window: bool, across: bool = False) -> Tiling:
        columns = self._config.columns
        passes = []
        for first in range(0, self._digits.shape[1], columns):
            own = self._digits[:, first : first + columns]
            needed = set(np.flatnonzero(own.any(axis=(0, 1, 3, 4))).tolist())
            passes.append([tile for turn in self._turns(window, across, needed) for tile in self._tiles(turn, own)])
        longest = max(1, *map(len, passes))
        empty = Tile(0, 0, 0, 0, 0, np.full((columns, self._config.lanes), self._code[0]))
        return Tiling(window, [tiles + [empty] * (longest - len(tiles)) for tiles in passes])

    def _turns(self, window: bool, across: bool, needed: set[int]) -> Iterator[_Turn]:
        layout = self._layout
        groups = [g for g in range(layout.groups) if any(lane and lane[0] in needed for lane in layout.lanes(g))]
        return self._window_turns(groups) if window else self._point_turns(groups, across)

    def _window_turns(self, groups: list[int]) -> Iterator[_Turn]:
        """Each word by itself, over windows of three columns and ``window_rows`` rows."""
        (kh, kw), (top, left) = self._product.weight.shape[2:], self._product.padding
        rows, columns = self._config.window_rows, WINDOW_COLUMNS
        for y in range(0, kh, rows):
            for x in range(0, kw, columns):
                used = range(min(rows, kh - y))
                places = [(i, k) for i in used for k in range(min(columns, kw - x))]
                for group in groups:
                    taps = tuple((columns * i + k, group, y + i, x + k) for i, k in places)
                    yield _Turn(y - top, x - left, group, sum(1 << SIDES * i for i in used), taps)

    def _point_turns(self, groups: list[int], across: bool) -> Iterator[_Turn]:
        """Words of one pixel, as many as a step takes, for each place of the kernel; ``across`` planes or of one."""
        (kh, kw), (top, left) = self._product.weight.shape[2:], self._product.padding
        down, right = self._product.dilation
        slots = WindowRegisters.point_taps(self._config)
        chunks = self._chunks(groups, len(slots), across)
        for y in range(kh):
            for x in range(kw):
                for start, words in chunks:
                    used = [slots[word - start] for word in words]
                    taps = tuple((tap, word, y, x) for (tap, _), word in zip(used, words, strict=True))
                    mask = sum(1 << slot for _, slot in used)
                    yield _Turn(y * down - top, x * right - left, start, mask, taps)

    def _chunks(self, groups: list[int], size: int, across: bool) -> list[tuple[int, list[int]]]:
        """Groups that a step reads at once: the first one it could, and those among ``size`` from there on."""
        chunks: list[tuple[int, list[int]]] = []
        plane = self._layout.plane_words
        for group in groups:
            start, words = chunks[-1] if chunks else (0, [])
            if words and group < start + size and (across or group // plane == start // plane):
                words.append(group)
            else:
                # A step reads from a group whose number three divides, unless it reads one alone.
                chunks.append((group if size == 1 else group // ROWS * ROWS, [group]))
        return chunks

    def _tiles(self, turn: _Turn, own: np.ndarray) -> Iterator[Tile]:
        """A tile for each power of a quartet by which digits of weights and of activations are worth more."""
        config, layout = self._config, self._layout
        lanes = [
            (tap * config.group + place, *lane, ky, kx)
            for tap, group, ky, kx in turn.taps
            for place, lane in enumerate(layout.lanes(group))
            if lane
        ]
        worth = config.act_bits // QUARTET
        by_shift: dict[int, list[tuple[int, int, int, int, int]]] = {}
        for lane, channel, digit, ky, kx in lanes:
            for number in range(len(own)):
                by_shift.setdefault(number + digit * worth, []).append((lane, number, channel, ky, kx))
        for shift, entries in sorted(by_shift.items()):
            codes = np.full((config.columns, config.lanes), self._code[0])
            place, number, channel, ky, kx = np.array(entries).T
            values = own[number, :, channel, ky, kx].T
            codes[: own.shape[1], place] = np.vectorize(self._code.__getitem__, otypes=[np.int64])(values)
            yield Tile(turn.dy, turn.dx, turn.group, turn.mask, shift, codes)


def _digits(config: EngineConfig, product: Product) -> np.ndarray:
    """Weights as values that a lane holds, each worth a quartet more than the one before: [digits, out, in, kh, kw]."""
    weight = product.weight.numpy()
    lane = set(config.weight.values)
    values, places = np.unique(weight, return_inverse=True)
    if lane.issuperset(values.tolist()):
        return weight[None]
    code = product.weights.levels
    parts = [[-part if value < 0 else part for _, part in code.cut(value)] for value in values.tolist()]
    wrong = sorted({abs(part) for cut in parts for part in cut if part not in lane})
    if wrong and config.weight.arithmetic == "exact" and config.weight.bits >= QUARTET:
        parts = _balanced(values)
    elif wrong:
        raise ParameterError(
            f"layer {product.name!r} must have weights that lanes of alphabets {{{config.weight.alphabets}}} and"
            f" {config.weight.bits} bits hold, quartet by quartet, not {wrong[0]}: the network needs weight_bits 5"
            f" and alphabets {product.weights.alphabets}"
        )
    return np.moveaxis(np.array(parts)[places.reshape(weight.shape)], -1, 0)


def _balanced(values: np.ndarray) -> list[list[int]]:
    """Digits from -8 to 7 of each value, the lowest first: what exact lanes of four bits hold."""
    digits, rest = [], values.astype(np.int64)
    while rest.any():
        digits.append((rest + 8) % 16 - 8)
        rest = (rest - digits[-1]) // 16
    return np.stack(digits, 1).tolist()


def row_words(config: EngineConfig, tile: Tile) -> list[int]:
    """A row of weight memory for each column."""
    return [pack(row, config.weight.code_bits) for row in tile.codes.tolist()]


def needed_passes(config: EngineConfig, outputs: int) -> int:
    """Passes of columns over so many outputs."""
    return ceil_div(outputs, config.columns)
