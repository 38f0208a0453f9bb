"""A small program of an engine in plain integers: two layers, their records by hand, and what they give.

Judges the meaning of records without the compiler: a window over a map, then a layer of points that a third tensor
joins in place.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import product

from asm_hw.numbers.bit_fields import pack
from asm_hw.numbers.integers import ceil_div

from .engine_config import ROWS, SIDES, EngineConfig
from .engine_records import TABLE_ENTRIES
from .engine_schedule import Timeline
from .program_header import Row, payload, program_rows, stream_rows
from .window_registers import WindowRegisters

HEIGHT, WIDTH = 3, 4
Map = list[list[list[int]]]
"""Stored values [height][width][channels]."""


@dataclass
class SmallProgram:
    """Rows for the host to write before and, ``streamed``, during the run, words to read and what they must be, and the
    cycles that the model predicts.
    """

    config: EngineConfig
    rows: list[Row] = field(default_factory=list)
    streamed: list[Row] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)
    cycles: int = 0

    def payloads(self) -> list[int]:
        """The rows as the stream ``i`` takes them."""
        return [payload(self.config, row) for row in self.rows]


def small_program(config: EngineConfig, rng: random.Random, streams: bool = False) -> SmallProgram:
    """Random weights, parameters and activations of both layers; ``streams``: weights come while it runs."""
    return _Maker(config, rng).make(streams)


class _Maker:
    def __init__(self, config: EngineConfig, rng: random.Random):
        self._config, self._rng = config, rng
        self._made = SmallProgram(config)
        self._program: list[int] = []
        self._weights: list[int] = []
        self._layers: list[tuple[dict[str, int], list[dict[str, int]]]] = []
        low, high = (self._limits()[name] for name in ("low", "high"))
        self._tables = [rng.randint(low, high) for _ in range(config.tables * TABLE_ENTRIES)]

    def make(self, streams: bool) -> SmallProgram:
        config, rng, made = self._config, self._rng, self._made
        top = (1 << config.act_bits) - 1
        first = [[[rng.randint(0, top) for _ in range(config.columns)] for _ in range(WIDTH)] for _ in range(HEIGHT)]
        made.rows += [("activations", address, word) for address, word in self._words(first, 0)]
        window = config.taps > 1
        second = self._layer(first, window=window, source=0, target=1, joins=None, final=False)
        third = self._layer(second, window=False, source=1, target=0, joins=first, final=True)
        timeline = Timeline(config, len(self._weights) if streams else 0)
        made.cycles = sum(timeline.layer(*layer).cycles for layer in self._layers)
        made.streamed = stream_rows(config, self._weights) if streams else []
        weights = [] if streams else self._weights
        made.rows += program_rows(config, self._program, weights, made.streamed, made.cycles, self._tables)
        made.reads = [*self._words(second, 1), *self._words(third, 0)]
        return made

    def _words(self, values: Map, segment: int) -> list[tuple[int, int]]:
        """(host address, word) of a map at the beginning of a segment."""
        config = self._config
        words = []
        for y, x, group in product(range(HEIGHT), range(WIDTH), range(config.beat_words)):
            address = segment * config.bank_rows + y * ceil_div(WIDTH, 2) + x // 2
            bank = SIDES * ((y + group) % ROWS) + (y + x + group) % 2
            channels = values[y][x][group * config.group : (group + 1) * config.group]
            words.append((address << 3 | bank, pack(channels, config.act_bits)))
        return words

    def _layer(self, x: Map, window: bool, source: int, target: int, joins: Map | None, final: bool) -> Map:
        """Records and rows of a layer; its outputs."""
        config, rng = self._config, self._rng
        taps = self._taps(window)
        tiles = [[self._weights_of(tap) for _ in range(config.columns)] for tap in taps]
        shifts = [rng.randrange(2) for _ in taps]
        up = int(window and config.window_rows == 3)  # the window begins a row above the pixel
        left = rng.randrange(2) if window else 0
        row = ceil_div(WIDTH, 2)
        records = [
            {
                "dy": -up, "dx": -left, "address": source * config.bank_rows - up * row - left,
                "m3": (group - up) % 3, "m2": group % 2, "mask": mask, "shift": shift, "pad": 3 | 1 << config.act_bits,
            }
            for (group, mask, _), shift in zip(taps, shifts, strict=True)
        ]  # fmt: skip
        layer = self._layer_record(len(taps), window, target, joins is not None, final)
        channels = [self._channel(joins is not None) for _ in range(config.columns)]
        self._encode(layer, records, tiles, channels)
        whole = config.records.whole
        stored = [whole(config.records.tile, record) for record in records]
        self._layers.append((whole(config.records.layer, layer), stored))
        result: Map = [[[0] * config.columns for _ in range(WIDTH)] for _ in range(HEIGHT)]
        for y, c, column in product(range(HEIGHT), range(WIDTH), range(config.columns)):
            acc = sum(
                sum(w * v for w, v in zip(tile[column], self._lanes(x, y, c - left, window, tap), strict=True))
                << 4 * shift
                for tile, tap, shift in zip(tiles, taps, shifts, strict=True)
            )
            joined = joins[y][c][column] if joins else 0
            result[y][c][column] = self._requantize(acc, joined, channels[column], layer)
        return result

    def _weights_of(self, tap: tuple[int, int, list[tuple[int, int]]]) -> list[int]:
        """A column's weights: 0 for words that a point does not read, whose lanes see what was there before."""
        config, used = self._config, {t for t, _ in tap[2]} or set(range(self._config.taps))
        values = config.weight.values
        return [self._rng.choice(values) if lane // config.group in used else 0 for lane in range(config.lanes)]

    def _taps(self, window: bool) -> list[tuple[int, int, list[tuple[int, int]]]]:
        """(first group, mask, [(tap, slot)]) of each tile: a word's window, or as many words as a point has."""
        config = self._config
        if window:
            mask = sum(1 << SIDES * i for i in range(config.window_rows))
            return [(group, mask, []) for group in range(config.beat_words)]
        slots = WindowRegisters.point_taps(config)
        starts = range(0, config.beat_words, len(slots))
        found = []
        for start in starts:
            used = slots[: config.beat_words - start]
            found.append((start, sum(1 << slot for _, slot in used), used))
        return found

    def _lanes(self, x: Map, y: int, c: int, window: bool, tap: tuple[int, int, list[tuple[int, int]]]) -> list[int]:
        """What each lane sees at a pixel; anything where the weight is 0."""
        config, (group, _, used) = self._config, tap
        values = [0] * config.lanes
        size = config.group
        if window:
            rows = (-1, 0, 1) if config.window_rows == 3 else (0,)
            places = [(3 * i + k, y + dy, c + k, group) for i, dy in enumerate(rows) for k in range(3)]
        else:
            places = [(t, y, c, group + i) for i, (t, _) in enumerate(used)]
        half = ceil_div(size, 2)
        for t, row, col, word in places:
            inside = 0 <= row < HEIGHT and 0 <= col < WIDTH
            pad = [3 if i < half else 1 for i in range(size)]
            values[t * size : (t + 1) * size] = x[row][col][word * size : (word + 1) * size] if inside else pad
        return values

    def _layer_record(self, tiles: int, window: bool, target: int, joins: bool, final: bool) -> dict[str, int]:
        config = self._config
        row = ceil_div(WIDTH, 2)
        # Sums of several tiles must fit the accumulators.
        height = 2 if tiles > 1 and config.hold < HEIGHT * WIDTH else self._rng.choice([2, HEIGHT])
        blocks = ceil_div(HEIGHT, height)
        place = {"row": row, "col": 1, "block_row": height * row}
        return {
            "final": final, "tiles": tiles, "passes": 1, "blocks_y": blocks, "blocks_x": 1, "block_h": height,
            "block_w": WIDTH, "last_h": HEIGHT - (blocks - 1) * height, "last_w": WIDTH, "pace": 2 if joins else 1,
            "window": window, "skip": joins, "height": HEIGHT, "width": WIDTH, "stride_y": 1, "stride_x": 1,
            "stride_m3": 1, "row": row, "row_step": row, "col": 1, "block_y": height, "block_x": WIDTH,
            "block_row": height * row, "block_col": row, "block_m3": height % 3, "out_height_m3": height % 3,
            "out_height_m2": height % 2, "phases": 1, **self._limits(), **self._looked_up(),
            **{f"out_{name}": value for name, value in (place | {"base": target * config.bank_rows}).items()},
            **{f"skip_{name}": value for name, value in (place | {"base": 0}).items()},
        }  # fmt: skip

    def _limits(self) -> dict[str, int]:
        """Limits of a result, those of signed levels where outputs are encoded."""
        config = self._config
        if config.act_alphabets is None:
            return {"low": 1, "high": (1 << config.act_bits) - 2}
        (low, high), offset = config.encoded(config.act_bits, signed=True).range, 1 << config.act_bits - 1
        return {"low": low + offset, "high": high + offset, "encode": 1, "offset": offset}

    def _looked_up(self) -> dict[str, int]:
        """Whether results go through a table, and through which, of engines that have any."""
        tables = self._config.tables
        return {"look_up": self._rng.randrange(2), "table": self._rng.randrange(tables)} if tables else {}

    def _channel(self, joins: bool) -> dict[str, int]:
        """Parameters that leave some results within the limits."""
        rng, levels = self._rng, [v for v in self._config.requantize.scale.values if abs(v) < 1 << 9]
        own = {
            "scale": rng.choice(levels),
            "bias": rng.randint(-(1 << 14), 1 << 14),
            "shift": rng.choice([0, 9, 11, 13]),
        }
        own |= {"skip_scale": rng.choice(levels) if joins else 0, "skip_shift": rng.randrange(6) if joins else 0}
        return own

    def _requantize(self, acc: int, joined: int, channel: dict[str, int], layer: dict[str, int]) -> int:
        total = (
            self._config.accumulator.fit(acc) * channel["scale"]
            + (joined * channel["skip_scale"] << channel["skip_shift"])
            + channel["bias"]
        )
        shift = channel["shift"]
        result = max(layer["low"], min(layer["high"], (total + (1 << shift >> 1)) >> shift))
        if layer.get("look_up"):
            result = self._tables[layer["table"] * TABLE_ENTRIES + result]
        levels, offset = self._config.encoded(self._config.act_bits, signed=True).levels, layer.get("offset", 0)
        return result if levels is None else levels.nearest(result - offset) + offset

    def _encode(self, layer, tiles, weights, channels) -> None:
        config, records = self._config, self._config.records
        scale = config.requantize.scale
        self._program += records.rows(records.layer, layer)
        for tile in tiles:
            self._program += records.rows(records.tile, tile)
        words = []
        for channel in channels:
            codes = {name: scale.encode(channel[name]) for name in ("scale", "skip_scale")}
            words.append(records.encode(records.channel, channel | codes))
        for index, tile in enumerate(weights):
            self._weights += [pack(map(config.weight.encode, lanes), config.weight.code_bits) for lanes in tile]
            if index == 0:
                self._weights += config.records.parameter_words(words)
