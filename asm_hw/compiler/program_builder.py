"""Products to the rows of an engine's memories, and to the cycles that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asm_hw.errors import ParameterError
from asm_hw.numbers.integers import ceil_log2
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_schedule import Record, Timeline
from asm_hw.units.engine.program_header import HEADER_ROWS

from .engine_program import ProgramLayer
from .layer_records import channel_records, layer_record, tile_record
from .products import Product
from .tensor_layout import Placed
from .tensor_placement import needed_pace
from .tiling import Tiler, Tiling, row_words


@dataclass(frozen=True)
class _Added:
    """A product that was added: its tiles, and its records as they are stored."""

    product: Product
    tiling: Tiling
    layer: Record
    tiles: Sequence[Record]
    completes: bool
    pass_rows: int
    """Rows of weight memory that its longest pass takes."""


class ProgramBuilder:
    """Collects rows of program and weight memory, product by product.

    Weights that do not fit their memory arrive while the program runs, if it holds those of each pass. ``tables``: the
    entries of those that results go through.
    """

    def __init__(self, config: EngineConfig, tensors: Mapping[str, Placed], tables: Sequence[tuple[int, ...]] = ()):
        self.config, self.tensors, self.tables = config, tensors, tables
        self.program: list[int] = []
        self.weights: list[int] = []
        self._added: list[_Added] = []

    def add(self, product: Product, final: bool, completes: bool) -> None:
        """The rows of one product; ``completes``: no later one goes on with its tensor."""
        config, records = self.config, self.config.records
        source = self.tensors[product.source]
        tiling = Tiler(config, product, source.layout).tiling()
        size = source.layout.shape[1:]
        fills = tiling.fills(product.stride[1], size[1], product.walk(size)[1])
        pace = needed_pace(config, product, self.tensors, fills)
        layer = layer_record(config, product, tiling, self.tensors, pace, final)
        if product.look_up:
            layer |= {"look_up": 1, "table": self.tables.index(product.look_up.entries)}
        tiles = [tile_record(config, product, tile, source) for tile in tiling.own]
        self.program += records.rows(records.layer, layer)
        for tile in tiles:
            self.program += records.rows(records.tile, tile)
        pass_rows = self._add_weights(product, tiling)
        stored = [records.whole(records.tile, tile) for tile in tiles]
        whole = records.whole(records.layer, layer)
        self._added.append(_Added(product, tiling, whole, stored, completes, pass_rows))

    def scheduled(self) -> tuple[ProgramLayer, ...]:
        """The layers with what the model predicts. Raises `ParameterError` unless the memories hold all rows."""
        streamed = self._check_memories()
        timeline = Timeline(self.config, streamed)
        return tuple(self._layer(added, timeline) for added in self._added)

    def _layer(self, added: _Added, timeline: Timeline) -> ProgramLayer:
        config, product, tiling = self.config, added.product, added.tiling
        predicted = timeline.layer(added.layer, added.tiles)
        steps = predicted.steps * config.lanes * config.columns
        complete = product.targets if added.completes else ()
        # Each tile meets all pixels.
        met = predicted.steps // sum(map(len, tiling.passes))
        moved = predicted.steps * config.taps if tiling.window else predicted.source_words
        work = product.macs, steps, met * tiling.nonzero(config.weight.encode(0)), moved, timeline.ended_sums
        return ProgramLayer(product.name, complete, *work, predicted)

    def _add_weights(self, product: Product, tiling: Tiling) -> int:
        """For each pass its first tile, the parameters of its columns, its other tiles; the most rows of one."""
        config, records = self.config, self.config.records
        words = [records.encode(records.channel, channel) for channel in channel_records(config, product, self.tensors)]
        words += [0] * (len(tiling.passes) * config.columns - len(words))
        most = 0
        for number, (first, *others) in enumerate(tiling.passes):
            own = words[number * config.columns : (number + 1) * config.columns]
            rows = row_words(config, first) + records.parameter_words(own)
            for tile in others:
                rows += row_words(config, tile)
            self.weights += rows
            most = max(most, len(rows))
        return most

    def _check_memories(self) -> int:
        """How many rows of weights arrive while the program runs."""
        config, program, weights = self.config, HEADER_ROWS + len(self.program), len(self.weights)
        if program > config.program_rows:
            raise ParameterError(f"program_rows must be at least {program} for this network, not {config.program_rows}")
        if weights <= config.weight_rows:
            return 0
        longest = max(self._added, key=lambda added: added.pass_rows)
        least = 1 << ceil_log2(longest.pass_rows)
        if config.weight_rows < least or not config.can_stream:
            raise ParameterError(
                f"weight_rows must be at least {weights} for this network, or a power of two of at least {least} that"
                f" holds a pass of layer {longest.product.name!r} while others stream in, not {config.weight_rows}"
            )
        return weights
