"""The words of an engine's program: what a layer, a tile and an output channel need, as fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from asm_hw.numbers.bit_fields import Field, fields_width, join_fields, pack, place_fields, unpack
from asm_hw.numbers.integers import ceil_div, ceil_log2

if TYPE_CHECKING:
    from .engine_config import EngineConfig

SKIP_SHIFT_BITS = 5
"""Bits of the shift of what joins."""
PROGRAM_BITS = 64
"""Bits of a row of program memory."""
COORDINATE = 11
"""Bits of a row or column of a map, with a sign."""
COUNT = 10
"""Bits of a number of rows, columns or blocks."""
SKIP_BITS = 8
"""Most bits of a stored tensor that joins the sums, or that is narrowed on its way."""

ENTRY_BITS = SKIP_BITS
"""Bits of an entry of a table, and of what is looked up."""
TABLE_ENTRIES = 1 << ENTRY_BITS


class EngineRecords:
    """Widths and places of the fields, which depend on the sizes of memories; see `docs/engine.md` for what they mean.

    Addresses count words within a bank, the segment above. ``m3`` and ``m2`` are the numbers of a bank: row + group
    modulo 3, row + column + group modulo 2.
    """

    def __init__(self, config: EngineConfig):
        self._config = config

    @cached_property
    def layer(self) -> tuple[Field, ...]:
        """A layer: its loops, how it walks its sources, and where its outputs go."""
        a = self._config.address_bits
        y, act = self._config.requantize.out_bits, self._config.act_bits
        loops = {"final": 1, "tiles": 12, "passes": 12, "own_tiles": 1, "blocks_y": COUNT, "blocks_x": COUNT}
        loops |= {"block_h": COUNT, "block_w": COUNT, "last_h": COUNT, "last_w": COUNT, "pace": 4}
        kind = {"window": 1, "reduce": 1, "largest": 1, "skip": 1}
        source = {"height": COUNT, "width": COUNT, "stride_y": 4, "stride_x": 4, "stride_m3": 2}
        source |= {"row": a, "row_step": a, "col": a, "step_half": a, "jump_half": a}
        source |= {"block_y": COORDINATE, "block_x": COORDINATE, "block_row": a, "block_col": a, "block_m3": 2}
        out = {"out_height_m3": 2, "out_height_m2": 1, "phases": 3, "low": y, "high": y}
        places = self._place("out", a) | self._place("skip", a) | self._place("also", a)
        also = {"also": 1, "also_add": SKIP_BITS + 2, "also_shift": 3, "also_low": act, "also_high": act}
        encoded = {"encode": 1, "offset": SKIP_BITS, "also_encode": 1, "also_offset": act}
        encoded = encoded if self._config.act_alphabets else {}
        looked = {"look_up": 1} | ({"table": self.table_bits} if self.table_bits else {})
        looked = looked if self._config.tables else {}
        return place_fields((loops | kind | source | out | places | also | encoded | looked).items())

    @property
    def table_bits(self) -> int:
        """Bits of the number of a table; 0 where there is one, or none."""
        return ceil_log2(max(1, self._config.tables))

    @staticmethod
    def _place(name: str, a: int) -> dict[str, int]:
        """Where a tensor lies that is written or joined at the pixels of the outputs."""
        fields = {"base": a, "m3": 2, "m2": 1, "rest": 2, "row": a, "col": a, "plane": a, "pair": 1}
        fields |= {"block_row": a, "block_col": a}
        return {f"{name}_{field}": width for field, width in fields.items()}

    @cached_property
    def tile(self) -> tuple[Field, ...]:
        """A tile: where its window lies from the pixel, and what its sum is worth."""
        config = self._config
        fields = {"dy": COORDINATE, "dx": COORDINATE, "address": config.address_bits, "m3": 2, "m2": 1, "mask": 6}
        return place_fields((fields | {"shift": 3, "pad": 2 * config.act_bits}).items())

    @cached_property
    def channel(self) -> tuple[Field, ...]:
        """An output channel: its multipliers (packed codes), bias (two's complement) and shifts."""
        requantize = self._config.requantize
        code = requantize.scale.code_bits
        fields = {
            "scale": code,
            "skip_scale": code,
            "bias": requantize.bias_bits,
            "shift": 5,
            "skip_shift": SKIP_SHIFT_BITS,
        }
        return place_fields(fields.items())

    @property
    def channel_bits(self) -> int:
        """Bits of a channel's record."""
        return fields_width(self.channel)

    @property
    def channels_per_row(self) -> int:
        """Channels whose parameters a row of weight memory holds; 0 where one takes several rows."""
        return self._config.row_bits // self.channel_bits

    @property
    def rows_per_channel(self) -> int:
        """Rows of weight memory that one channel's parameters take."""
        return ceil_div(self.channel_bits, self._config.row_bits)

    @property
    def parameter_rows(self) -> int:
        """Rows of weight memory with the parameters of all columns."""
        if self.channels_per_row:
            return ceil_div(self._config.columns, self.channels_per_row)
        return self._config.columns * self.rows_per_channel

    def parameter_words(self, channels: Sequence[int]) -> list[int]:
        """Rows of weight memory with the records of a pass's channels, one a column."""
        bits, step, size = self.channel_bits, self.channels_per_row, self._config.row_bits
        if step:
            return [pack(channels[at : at + step], bits) for at in range(0, self._config.columns, step)]
        return [word >> i * size & (1 << size) - 1 for word in channels for i in range(self.rows_per_channel)]

    @property
    def layer_rows(self) -> int:
        """Rows of program memory that a layer's record takes."""
        return ceil_div(fields_width(self.layer), PROGRAM_BITS)

    @property
    def tile_rows(self) -> int:
        """Rows of program memory that a tile's record takes."""
        return ceil_div(fields_width(self.tile), PROGRAM_BITS)

    @staticmethod
    def whole(fields: tuple[Field, ...], parts: Mapping[str, int]) -> dict[str, int]:
        """Every field as it is stored: one left out is 0, negative ones and addresses below 0 in two's complement."""
        return {f.name: parts.get(f.name, 0) & (1 << f.width) - 1 for f in fields}

    @classmethod
    def encode(cls, fields: tuple[Field, ...], parts: Mapping[str, int]) -> int:
        """The word of ``parts``, as `whole` fills them in."""
        return join_fields(fields, cls.whole(fields, parts))

    @classmethod
    def rows(cls, fields: tuple[Field, ...], parts: Mapping[str, int]) -> list[int]:
        """The rows of program memory that hold the record, lowest part first."""
        return unpack(cls.encode(fields, parts), PROGRAM_BITS, ceil_div(fields_width(fields), PROGRAM_BITS))
