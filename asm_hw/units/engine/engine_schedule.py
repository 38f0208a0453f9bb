"""The cycles of an engine, exactly: when each tile of a program is taken, and what each layer reads and writes.

This is the one model of time: the compiler reports it, the watchdog is armed by it, and tests hold hardware to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asm_hw.numbers.integers import to_signed

from .engine_config import EngineConfig
from .engine_records import COORDINATE
from .stream_schedule import Arrivals

Record = Mapping[str, int]
"""A record's fields by name."""


@dataclass(frozen=True)
class LayerCycles:
    """What a layer takes.

    Attributes
    ----------
    cycles : from the end of the layer before to the cycle that writes the last output, that one included
    steps : cycles in which the lanes add
    idle : cycles without a tile in work
    weight_stalls : cycles in which they wait for weights or parameters
    stream_waits : cycles in which the front waits for rows of a stream
    drain : cycles until the last output is written and the first word may be read
    weight_rows, streamed_rows : rows read from weight memory, and those that arrive while the program runs
    source_words, skip_words, output_words : of activation memory
    """

    cycles: int
    steps: int
    idle: int
    weight_stalls: int
    stream_waits: int
    drain: int
    weight_rows: int
    streamed_rows: int
    source_words: int
    skip_words: int
    output_words: int


class Timeline:
    """Follows front and issuer through the tiles of a program, in cycles after the one of ``start``.

    ``streamed``: rows of weights that arrive meanwhile, from a host that is never late; 0: they were written before.
    """

    def __init__(self, config: EngineConfig, streamed: int = 0):
        self._config = config
        self._arrivals = Arrivals(streamed, config.weight_rows)
        self._rows = self._pass = 0  # numbers of rows: of the next pass, of this one
        self._load = config.records.layer_rows + 3  # the first weight row is read
        self._end = -config.drain - 1  # the last issue
        self._wrote = -config.join_gap - 1  # the last issue that writes
        self._written = 0  # the last cycle of the layer before
        self._swapped = 0  # parameters may be loaded from then on
        # Of the last layer: cycles of its longest tile in which no sum ends or is written; steps whose sums end.
        self.quiet, self.ended_sums = range(0), 0

    def layer(self, layer: Record, tiles: Sequence[Record]) -> LayerCycles:
        """The next layer of the program."""
        walk = _Walk(self._config, layer, tiles)
        stalls = waits = steps = rows = works = 0
        row = self._rows
        begin, self.quiet = None, range(0)
        for tile in walk:
            full, last_read, read, waited = self._front(tile, layer["tiles"])
            rows, waits = rows + read, waits + waited
            allowed = self._end + (self._config.drain if begin is None else 0)
            if tile.joins:
                allowed = max(allowed, self._wrote + self._config.join_gap)
            take = max(full, allowed)
            if begin is None:
                begin = max(allowed, 0)
            stalls += take - max(allowed, 0)
            if tile.swaps:
                self._swapped = take + tile.first_finish + self._config.finish_stage + 1
            self._end = take + tile.cycles
            if tile.writes_until:
                self._wrote = take + tile.writes_until
            else:
                quiet = range(take + self._config.last_stage + 1, self._end + self._config.finish_stage + 1)
                self.quiet = max(self.quiet, quiet, key=len)
            steps += tile.steps
            works += tile.cycles
            self._load = max(take + 2, last_read + 1) + (self._config.records.layer_rows + 2 if tile.ends_layer else 0)
        self.ended_sums = walk.ended_sums
        written = self._end + self._config.last_stage
        cycles, self._written = written - self._written, written
        return LayerCycles(
            cycles=cycles, steps=steps, idle=cycles - works, weight_stalls=stalls, stream_waits=waits,
            drain=self._config.last_stage,
            weight_rows=rows, streamed_rows=self._rows - row if self._arrivals.rows else 0,
            source_words=walk.source_words, skip_words=walk.skip_words, output_words=walk.output_words,
        )  # fmt: skip

    def _front(self, tile: _Tile, tiles: int) -> tuple[int, int, int, int]:
        """When one of so many tiles of a pass is offered, when its last row is read, how many rows that are, and cycles
        waited for them.
        """
        config, arrivals, rows = self._config, self._arrivals, self._config.columns
        if tile.brings_parameters:
            self._pass, self._rows = self._rows, self._rows + tiles * rows + config.records.parameter_rows
            arrivals.frees(self._load, self._pass)
        parameters = config.records.parameter_rows if tile.brings_parameters else 0
        end = self._pass + (tile.index + 1) * rows + config.records.parameter_rows
        first = begin = arrivals.reading(self._load, end if tile.index or parameters else self._pass)
        arrivals.reads(begin, rows)
        last = begin + rows - 1
        if parameters:
            begin = max(last + 1, self._swapped)
            last = begin + parameters - 1
            arrivals.reads(begin, parameters)
        full = max(first + config.records.tile_rows + 1, last - 1, begin)
        return full, last, rows + parameters, first - self._load


@dataclass(frozen=True)
class _Tile:
    """A tile over a block: its cycles, and those among them in which lanes add."""

    cycles: int
    steps: int
    first_finish: int
    writes_until: int
    joins: bool
    index: int
    brings_parameters: bool
    swaps: bool
    ends_layer: bool


class _Walk:
    """The tiles of a layer in the order of the hardware; counts words on the way."""

    def __init__(self, config: EngineConfig, layer: Record, tiles: Sequence[Record]):
        self._config, self._layer, self._tiles = config, layer, tiles
        self.source_words = self.skip_words = self.output_words = self.ended_sums = 0

    def __iter__(self):
        layer = self._layer
        blocks = [(y, x) for y in range(layer["blocks_y"]) for x in range(layer["blocks_x"])]
        for number in range(layer["passes"]):
            first = number * layer["tiles"] if layer["own_tiles"] else 0
            for block in blocks:
                for index in range(layer["tiles"]):
                    ends = number == layer["passes"] - 1 and block == blocks[-1] and index == layer["tiles"] - 1
                    yield self._tile(
                        self._tiles[first + index], block, block == blocks[0], block == blocks[-1], index, ends
                    )

    def _tile(self, tile: Record, block: tuple[int, int], first: bool, last: bool, index: int, ends: bool) -> _Tile:
        layer = self._layer
        height = layer["last_h"] if block[0] == layer["blocks_y"] - 1 else layer["block_h"]
        width = layer["last_w"] if block[1] == layer["blocks_x"] - 1 else layer["block_w"]
        finishes = index == layer["tiles"] - 1 and (not layer["reduce"] or last)
        y = block[0] * layer["block_y"] + to_signed(tile["dy"], COORDINATE)
        x = block[1] * layer["block_x"] + to_signed(tile["dx"], COORDINATE)
        fills = self._row(x, width)
        pace = layer["pace"] if index == layer["tiles"] - 1 else 1
        steps = height * width
        self.source_words += self._words(tile, y, x, height, width)
        if finishes:
            self._count_outputs(1 if layer["reduce"] else steps)
        cycles = height * (width * pace + sum(fills))
        swaps = finishes and (first or bool(layer["reduce"]))
        return _Tile(
            cycles=cycles,
            steps=steps,
            # In a sum over all pixels the last step alone ends it.
            first_finish=cycles - pace + 1 if layer["reduce"] else 1 + fills[0],
            writes_until=cycles - max(0, pace - layer["phases"]) if finishes else 0,
            joins=bool(layer["skip"]) and index == layer["tiles"] - 1,
            index=index,
            brings_parameters=first and index == 0,
            swaps=swaps,
            ends_layer=ends,
        )

    def _row(self, x: int, width: int) -> list[int]:
        """By pixel of a row, the cycles that only fill the window."""
        layer, stride = self._layer, self._layer["stride_x"]
        if not layer["window"]:
            return [0] * width
        begins = [stride >= 3 or i == 0 for i in range(width)]
        return [int(begin and 0 <= x + i * stride < layer["width"]) for i, begin in enumerate(begins)]

    def _words(self, tile: Record, y: int, x: int, height: int, width: int) -> int:
        """Words of the source that the tile reads."""
        layer, stride = self._layer, self._layer["stride_x"]
        inside = lambda value, size: 0 <= value < size  # noqa: E731 - said twice
        rows = [y + i * layer["stride_y"] for i in range(height)]
        if not layer["window"]:
            pixels = sum(inside(x + i * stride, layer["width"]) for i in range(width))
            return pixels * sum(inside(row, layer["height"]) for row in rows) * tile["mask"].bit_count()
        used = [i for i in range(3) if tile["mask"] >> 2 * i & 1]
        lines = sum(inside(row + i, layer["height"]) for row in rows for i in used)
        # Without jumps the columns of neighbouring windows are shared.
        last = x + (width - 1) * stride + 2
        columns = range(x, last + 1) if stride <= 2 else [x + i * stride + k for i in range(width) for k in range(3)]
        return lines * sum(inside(column, layer["width"]) for column in columns)

    def _count_outputs(self, pixels: int) -> None:
        layer, words = self._layer, self._config.beat_words
        self.ended_sums += pixels
        self.output_words += pixels * words * (1 + layer["out_pair"]) * layer["phases"]
        self.output_words += pixels * words * layer["also"]
        self.skip_words += pixels * words * (1 + layer["skip_pair"]) * layer["skip"]
