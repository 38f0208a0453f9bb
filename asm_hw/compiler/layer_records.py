"""Placed products as records: the fields of layers, tiles and channels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from asm_hw.errors import ParameterError
from asm_hw.numbers.integers import ceil_div, integer_range, signed_bits
from asm_hw.units.engine.engine_config import ROWS, EngineConfig
from asm_hw.units.engine.engine_records import COORDINATE, SKIP_SHIFT_BITS

from .products import Also, Channels, Product
from .tensor_layout import Placed, TensorLayout
from .tiling import Tile, Tiling

Record = dict[str, int]
COUNTS = ("tiles", "passes", "blocks_y", "blocks_x", "block_h", "block_w", "height", "width", "stride_y", "stride_x")
"""Fields of a layer that count something; others hold addresses, or what counts modulo their size."""


@dataclass(frozen=True)
class Blocks:
    """Pixels of a layer in blocks of ``height`` by ``width``; the last ones may be smaller."""

    rows: int
    columns: int
    height: int
    width: int

    @classmethod
    def of(cls, size: tuple[int, int], hold: int, whole: bool) -> Blocks:
        """Blocks of at most ``hold`` pixels, or one of all: rows as a whole where they fit."""
        rows, columns = size
        if whole:
            return cls(rows, columns, rows, columns)
        if columns <= hold:
            count = ceil_div(rows, hold // columns)
            return cls(rows, columns, ceil_div(rows, count), columns)
        width = ceil_div(columns, ceil_div(columns, hold - hold % 2))
        return cls(rows, columns, 1, width + width % 2)

    @property
    def fields(self) -> Record:
        """Those of a layer's record."""
        down, right = ceil_div(self.rows, self.height), ceil_div(self.columns, self.width)
        return {
            "blocks_y": down, "blocks_x": right, "block_h": self.height, "block_w": self.width,
            "last_h": self.rows - (down - 1) * self.height, "last_w": self.columns - (right - 1) * self.width,
        }  # fmt: skip


def layer_record(
    config: EngineConfig, product: Product, tiling: Tiling, tensors: Mapping[str, Placed], pace: int, final: bool
) -> Record:
    """The record of a layer. Raises `ParameterError` where it does not fit."""
    source, target = tensors[product.source], tensors[product.target]
    blocks = Blocks.of(
        product.walk(source.layout.shape[1:]), config.hold, whole=product.reduce or len(tiling.passes[0]) == 1
    )
    stride_y, stride_x = product.stride
    layout, offset = source.layout, product.offset(target.layout.format)
    moves = not product.reduce
    record = blocks.fields | {
        "final": int(final), "tiles": len(tiling.passes[0]), "passes": len(tiling.passes),
        "own_tiles": int(not tiling.shared), "pace": pace, "window": int(tiling.window),
        "reduce": int(product.reduce), "largest": int(product.largest), "skip": int(product.skip is not None),
        "height": layout.shape[1], "width": layout.shape[2],
        "stride_y": stride_y, "stride_x": stride_x, "stride_m3": stride_y % ROWS,
        "row": layout.row, "row_step": stride_y * layout.row, "col": layout.col,
        "step_half": (stride_x >> 1) * layout.col, "jump_half": (stride_x - 1 >> 1) * layout.col,
        "block_y": blocks.height * stride_y, "block_x": blocks.width * stride_x,
        "block_row": blocks.height * stride_y * layout.row, "block_col": blocks.width * stride_x // 2 * layout.col,
        "block_m3": blocks.height * stride_y % ROWS,
        "out_height_m3": blocks.height % ROWS * moves, "out_height_m2": blocks.height % 2 * moves,
        "phases": target.layout.phases, "low": product.limits[0] + offset, "high": product.limits[1] + offset,
        **_place(config, "out", target, blocks, moves),
        **(_place(config, "skip", tensors[product.skip], blocks, moves) if product.skip else {}),
        **_encoding(product, tensors),
        **(_copy(config, product.also, target.layout, tensors, blocks) if product.also else {}),
    }  # fmt: skip
    widths = {field.name: field.width for field in config.records.layer}
    _check(product, ((name, record[name], (0, (1 << widths[name]) - 1)) for name in COUNTS))
    return record


def _check(product: Product, fields: Iterable[tuple[str, int, tuple[int, int]]]) -> None:
    """Raise `ParameterError` for a field that its few bits do not hold."""
    for name, value, (low, high) in fields:
        if not low <= value <= high:
            raise ParameterError(
                f"layer {product.name!r} must have {name} from {low} to {high} on an engine, not {value}"
            )


def _encoding(product: Product, tensors: Mapping[str, Placed]) -> Record:
    """Which outputs go on to levels, and what a stored 0 is."""
    fields = {"encode": 1, "offset": tensors[product.target].layout.offset} if product.encode else {}
    if product.also and product.also.encode:
        fields |= {"also_encode": 1, "also_offset": tensors[product.also.target].layout.offset}
    return fields


def _copy(
    config: EngineConfig, also: Also, source: TensorLayout, tensors: Mapping[str, Placed], blocks: Blocks
) -> Record:
    """The fields of a narrowed copy."""
    target = tensors[also.target]
    offset = target.layout.offset
    return _place(config, "also", target, blocks, True) | {
        "also": 1, "also_add": also.addend(source.format, target.layout.format), "also_shift": also.shift,
        "also_low": also.limits[0] + offset, "also_high": also.limits[1] + offset,
    }  # fmt: skip


def _place(config: EngineConfig, name: str, tensor: Placed, blocks: Blocks, moves: bool) -> Record:
    layout = tensor.layout
    fields = {
        "base": tensor.base, "m3": 0, "m2": 0, "rest": 0, "row": layout.row, "col": layout.col,
        # Of two planes at once the second lies so far behind the first; one alone goes half as far twice.
        "plane": layout.plane_words // (ROWS if config.planes > 1 else 2 * ROWS),
        "pair": int(layout.planes > 1 and config.planes > 1),
        "block_row": blocks.height * layout.row * moves, "block_col": blocks.width // 2 * layout.col * moves,
    }  # fmt: skip
    return {f"{name}_{field}": value for field, value in fields.items()}


def tile_record(config: EngineConfig, product: Product, tile: Tile, source: Placed) -> Record:
    """The record of a tile. Raises `ParameterError` where it does not fit."""
    layout = source.layout
    address = source.base + tile.dy * layout.row + (tile.dx >> 1) * layout.col + tile.group // ROWS
    place = integer_range(COORDINATE, signed=True)
    shifts = next((1 << field.width) - 1 for field in config.records.tile if field.name == "shift")
    _check(product, [("dy", tile.dy, place), ("dx", tile.dx, place), ("shift", tile.shift, (0, shifts))])
    return {
        "dy": tile.dy, "dx": tile.dx, "address": address, "m3": (tile.dy + tile.group) % ROWS, "m2": tile.group % 2,
        "mask": tile.mask, "shift": tile.shift, "pad": 0 if product.largest else layout.pad(tile.group),
    }  # fmt: skip


def channel_records(config: EngineConfig, product: Product, tensors: Mapping[str, Placed]) -> list[Record]:
    """The record of every output channel: multipliers as codes, and a bias that undoes the offsets of stored values."""
    channels, source, target = product.channels, tensors[product.source].layout, tensors[product.target].layout
    skip = tensors[product.skip].layout if product.skip else None
    largest = max(map(abs, sum_range(product, source)))
    # Integers of Python: those of a file may be as long as they like.
    rows = (part.tolist() for part in (channels.scale, channels.shift, channels.bias, _terms(product, source)))
    records = []
    for index, (scale, shift, bias, terms) in enumerate(zip(*rows, strict=True)):
        record = {"scale": _code(config, product, scale), "shift": shift}
        bias += (product.offset(target.format) << shift) - source.offset * terms * scale
        bound = largest * abs(scale) + (1 << shift >> 1)
        if skip is not None:
            joined_scale, joined_shift = _joining(channels, index)
            record |= _joined_record(config, product, joined_scale, joined_shift)
            factor = joined_scale << joined_shift
            bias -= skip.offset * factor
            bound += ((1 << skip.bits) - 1) * abs(factor)
        _check_bias(config, product, bias, bound)
        records.append(record | {"bias": bias})
    return records


def _terms(product: Product, source: TensorLayout) -> torch.Tensor:
    """By output, how often the offset of stored values is in a sum, int64 [out]."""
    weights = product.weight.flatten(1)
    if product.largest:
        return (weights != 0).any(1).to(torch.int64)
    return weights.sum(1) * pixels_of(product, source)


def pixels_of(product: Product, source: TensorLayout) -> int:
    """How many windows or points end in one sum, each with all weights."""
    return math.prod(product.walk(source.shape[1:])) if product.reduce else 1


def _joining(channels: Channels, index: int) -> tuple[int, int]:
    """Multiplier and shift of what joins a channel."""
    assert channels.skip_scale is not None and channels.skip_shift is not None
    return int(channels.skip_scale[index]), int(channels.skip_shift[index])


def _joined_record(config: EngineConfig, product: Product, scale: int, shift: int) -> Record:
    """The fields of what joins a channel."""
    most = (1 << SKIP_SHIFT_BITS) - 1
    # A longer shift may be part of the multiplier, where that is a level too.
    moved = range(max(0, shift - most), shift + 1)
    part = next((part for part in moved if scale << part in config.requantize.scale.levels), None) if scale else shift
    if part is None:
        raise ParameterError(
            f"layer {product.name!r} must join by a multiplier and a shift of at most {most} on an engine, not by"
            f" {scale} << {shift}"
        )
    return {"skip_scale": _code(config, product, scale << part if scale else 0), "skip_shift": shift - part}


def _code(config: EngineConfig, product: Product, level: int) -> int:
    scale = config.requantize.scale
    if level not in scale.levels:
        raise ParameterError(
            f"layer {product.name!r} must have multipliers on the engine's alphabets {{{scale.alphabets}}}, not {level}"
        )
    return scale.encode(level)


def _check_bias(config: EngineConfig, product: Product, bias: int, bound: int) -> None:
    """Raise `ParameterError` unless a channel's bias fits, and so does what it enters: sums up to ``bound``."""
    requantize = config.requantize
    if bound + abs(bias) >= 1 << requantize.sum_bits - 1:
        raise ParameterError(
            f"layer {product.name!r} must requantize within {requantize.sum_bits} bits on an engine of acc_bits"
            f" {config.acc_bits}, not {bound + abs(bias)}"
        )
    low, high = integer_range(requantize.bias_bits, signed=True)
    if not low <= bias <= high:
        raise ParameterError(
            f"layer {product.name!r} must have biases of {requantize.bias_bits} bits on an engine of acc_bits"
            f" {config.acc_bits}, not {bias}"
        )


def sum_range(product: Product, source: TensorLayout) -> tuple[int, int]:
    """The least and the largest sum of stored values."""
    high = (1 << source.bits) - 1
    if product.largest:
        return 0, high
    rows = product.weight.flatten(1)
    most, least = rows.clamp(min=0).sum(1).max(), rows.clamp(max=0).sum(1).min()
    pixels = pixels_of(product, source)
    return int(least) * high * pixels, int(most) * high * pixels


def check_sums(config: EngineConfig, product: Product, source: TensorLayout) -> None:
    """Raise `ParameterError` unless every sum of stored values fits the accumulators."""
    needed = signed_bits(*sum_range(product, source))
    if needed > config.accumulator.bits:
        raise ParameterError(f"acc_bits must be at least {needed} for layer {product.name!r}, not {config.acc_bits}")
